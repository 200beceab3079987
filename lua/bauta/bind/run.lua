-- bind/run: runs on disk, their logs, checkpoints, signals and pictures as Lua objects.
local M = require "bauta.ffi"
local bind_graph = require "bauta.bind.graph"
local errors = require "bauta.errors"

local bind = {}
local Run = M.class("run", "ba_run_free")
local Log = M.class("log", "ba_log_free")
local Checkpoint = M.class("checkpoint", "ba_checkpoint_free")
local Sheet = M.class("sheet", "ba_sheet_free")
bind.Run, bind.Log, bind.Checkpoint, bind.Sheet = Run, Log, Checkpoint, Sheet

local types = { i64 = 2, f64 = 3, text = 4 }
local modes = { new = 0, resume = 1, restart = 2 }
local ends = { complete = 0, stopped = 1, failed = 2 }

-- ---- a run ----

function bind.open(dir, name, mode, reserve)
    local p = M.call("ba_run_open", M.string(dir, "out"), M.string(name, "name"), modes[mode], reserve)
    return M.own(Run, p, nil, { path = M.text(M.C.ba_run_path(p)), notice = M.text(M.C.ba_run_notice(p)), streams = {} })
end

-- Declares a table. fields: list of { name, "i64" | "f64" | "text", unit, doc, size }.
function Run:stream(name, doc, fields)
    local n = #fields
    local list, row = M.new("ba_field[?]", n), {}
    for i, f in ipairs(fields) do
        local to = list[i - 1]
        to.name, to.type, to.unit, to.doc = f[1], types[f[2]], f[3], f[4]
        to.size = f[2] == "text" and (f.size or 64) or 0
        row[i] = f[2]
    end
    local id = M.call("ba_run_stream", M.ptr(self, Run), name, doc, n, list)
    self.streams[name] = { id = id, types = row, names = fields, buffer = M.new("ba_value[?]", n), n = n }
end

-- One row, by field name; a number left out is NaN (or 0), a text left out is empty.
function Run:row(name, values)
    local s = self.streams[name]
    for i, kind in ipairs(s.types) do
        local v, cell = values[s.names[i][1]], s.buffer[i - 1]
        if kind == "i64" then cell.i = v or 0
        elseif kind == "f64" then cell.f = v or 0 / 0
        else cell.s = v or "" end
    end
    M.call("ba_run_row_any", M.ptr(self, Run), s.id, s.buffer, s.n)
end

function Run:document(name, text) M.call("ba_run_document", M.ptr(self, Run), name, text, #text) end
function Run:event(kind, text) M.call("ba_run_event", M.ptr(self, Run), kind, text) end

-- A grey picture of the series `name`: a list of numbers, 0 (black) to 255, row by row; all of a series have one size.
function Run:image(name, rows, columns, numbers)
    M.string(name, "image")
    local n = M.whole(rows, "rows") * M.whole(columns, "columns")
    if type(numbers) ~= "table" or #numbers ~= n then
        errors.fail("image %s: %s; a list of %d x %d numbers expected", name, type(numbers) == "table" and #numbers .. " numbers" or errors.show(numbers), rows, columns)
    end
    local pixels = M.new("uint8_t[?]", math.max(n, 1))
    for i = 1, n do
        local v = numbers[i]
        if type(v) ~= "number" or not (v >= 0 and v <= 255) then errors.fail("image %s: number %d is %s; 0 to 255 expected", name, i, errors.show(v)) end
        pixels[i - 1] = math.floor(v + 0.5)
    end
    M.call("ba_run_image", M.ptr(self, Run), name, rows, columns, pixels)
end

function Run:tick(epoch, step) return M.call("ba_run_tick", M.ptr(self, Run), epoch, step) end
function Run:snapshot() M.call("ba_run_snapshot", M.ptr(self, Run)) end
function Run:sync() M.call("ba_run_sync", M.ptr(self, Run)) end

-- parts: list of { name, store }; values: table of numbers and texts.
function Run:checkpoint(epoch, step, best, parts, values)
    local list = M.new("ba_part[?]", math.max(#parts, 1))
    for i, part in ipairs(parts) do
        list[i - 1].name, list[i - 1].store = part[1], M.ptr(part[2], bind_graph.Store)
    end
    local n, attrs, hold = M.attrs(values)
    M.call("ba_run_checkpoint", M.ptr(self, Run), epoch, step, best and 1 or 0, #parts, list, n, attrs)
    self.hold = hold
end

local function checkpoint_facts(p)
    return { epoch = M.number(M.C.ba_checkpoint_epoch(p)), step = M.number(M.C.ba_checkpoint_step(p)) }
end

local function load_part(p, part, store)
    M.call("ba_checkpoint_load", p, part, M.ptr(store, bind_graph.Store))
end

local function value(p, name)
    local a = M.new("ba_attr")
    if M.call("ba_checkpoint_find", p, name, a) == 1 then return M.attr_value(a) end
end

-- The checkpoint to go on from, or nil: { epoch, step, load(part, store), value(name) }.
function Run:resumed()
    local p = M.C.ba_run_resumed(M.ptr(self, Run))
    if M.is_null(p) then return nil end
    local c = checkpoint_facts(p)
    c.load = function(part, store) load_part(p, part, store) end
    c.value = function(name) return value(p, name) end
    c.run = self
    return c
end

function Run:finish(how, exit_code, reason) M.call("ba_run_finish", M.ptr(self, Run), ends[how], exit_code, reason) end
function Run:free() M.free(self) end

-- ---- checkpoints by path ----

function bind.checkpoint(path)
    local p = M.call("ba_checkpoint_open", M.string(path, "checkpoint"))
    return M.own(Checkpoint, p, nil, checkpoint_facts(p))
end

function Checkpoint:load(part, store) load_part(M.ptr(self, Checkpoint), part, store) end
function Checkpoint:value(name) return value(M.ptr(self, Checkpoint), name) end
function Checkpoint:free() M.free(self) end

-- ---- runs from outside ----

function bind.state(path)
    local s = M.new("ba_run_state")
    M.call("ba_run_state_read", M.string(path, "run"), s)
    return { state = M.text(s.state), epoch = M.number(s.epoch), step = M.number(s.step), pid = M.number(s.pid),
        exit_code = s.exit_code,
        alive = s.alive == 1, started = s.started, updated = s.updated, host = M.text(s.host), reason = M.text(s.reason) }
end

local function exists(path)
    local f = io.open(path, "rb")
    if f then f:close() end
    return f ~= nil
end

-- The folders below that hold a run, at most `depth` levels deep.
function bind.runs_below(path, depth, out)
    out = out or {}
    for _, name in ipairs(M.names(path)) do
        local below = path .. "/" .. name
        if exists(below .. "/state.json") then out[#out + 1] = below
        elseif depth > 1 then bind.runs_below(below, depth - 1, out) end
    end
    return out
end

-- Opens the log of a run, its folder or its journal.
function bind.log(path)
    if exists(path .. "/.") and not exists(path .. "/journal.bin") then
        local runs = bind.runs_below(path, 3)
        for i, run in ipairs(runs) do runs[i] = i <= 12 and run:sub(#path + 2) or nil end
        if #runs > 0 then errors.raise("arg", "a folder of runs: " .. table.concat(runs, ", ") .. (#runs == 12 and ", ..." or "") ..
            "; one of them expected", path) end
    end
    return M.own(Log, M.call("ba_log_open", M.string(path, "run")), nil, {})
end

function Log:damaged() return M.number(M.C.ba_log_damaged(M.ptr(self, Log))) end
function Log:torn() return M.number(M.C.ba_log_torn(M.ptr(self, Log))) end

function Log:streams()
    local out, p = {}, M.ptr(self, Log)
    for i = 0, M.number(M.C.ba_log_streams(p)) - 1 do out[i + 1] = M.text(M.C.ba_log_stream(p, i)) end
    return out
end

-- A whole table as { n = rows, names = { ... }, NAME = list of numbers or texts }; nil when there is none.
function Log:table(name)
    local p = M.ptr(self, Log)
    local s = M.number(M.C.ba_log_find(p, name))
    if s < 0 then return nil end
    local n, f = M.number(M.C.ba_log_rows(p, s)), M.new("ba_field")
    local out, numbers, text = { n = n, names = {} }, M.new("double[?]", math.max(n, 1)), M.new("char[4097]")
    for c = 0, M.number(M.C.ba_log_fields(p, s)) - 1 do
        M.call("ba_log_field", p, s, c, f)
        local column, field = {}, M.text(f.name)
        if f.type == types.text then
            for r = 0, n - 1 do
                M.call("ba_log_text", p, s, c, r, text, 4097)
                column[r + 1] = M.text(text)
            end
        elseif n > 0 then
            M.call("ba_log_read", p, s, c, 0, n, numbers)
            for r = 1, n do column[r] = numbers[r - 1] end
        end
        out[field], out.names[c + 1] = column, field
    end
    return out
end

-- The documents by name: "settings", "script", ...
function Log:documents()
    local p, text, bytes, out = M.ptr(self, Log), M.new("const char *[1]"), M.new("int64_t[1]"), {}
    for i = 0, M.number(M.C.ba_log_documents(p)) - 1 do
        local name = M.text(M.C.ba_log_document(p, i, text, bytes))
        out[name] = M.bytes(text[0], tonumber(bytes[0]))
    end
    return out
end

function Log:hdf5(path) M.call("ba_log_hdf5", M.ptr(self, Log), M.string(path, "path")) end
function Log:free() M.free(self) end

-- ---- signals and files ----

function bind.install_signals() M.call("ba_signal_install") end
function bind.signal() return M.C.ba_signal_pending() end
function bind.put(path, text) M.call("ba_file_put", path, text, #text) end

-- SHA-256 as hex digits: of a text, of a file.
function bind.digest(text)
    local out = M.new("char[65]")
    M.call("ba_digest", text, #text, out)
    return M.text(out)
end

function bind.file_digest(path)
    local out = M.new("char[65]")
    M.call("ba_file_digest", M.string(path, "path"), out)
    return M.text(out)
end

-- ---- other processes ----

-- words: the program's path and its arguments; output: the file that gets what it says. Returns its number.
function bind.start(words, output)
    local argv = M.new("const char *[?]", #words + 1)
    for i, word in ipairs(words) do argv[i - 1] = M.string(word, "argument") end
    return M.number(M.call("ba_process_start", argv, M.string(output, "output")))
end

-- The number and the exit status of one that has ended, or nil after so many seconds, when a signal came, or when there is none.
function bind.ended(seconds)
    local status = M.new("int32_t[1]")
    local pid = M.number(M.call("ba_process_wait", seconds, status))
    if pid > 0 then return pid, status[0] end
end

-- Sleeps, or until a signal comes.
function bind.nap(seconds) M.C.ba_nap(seconds) end

function bind.kill(pid, signal) M.call("ba_process_signal", pid, signal) end

-- ---- contact sheets ----

function bind.sheet(columns, rows, width, height, captions, title)
    local p = M.call("ba_sheet_new", columns, rows, width, height, captions and 1 or 0, title)
    return M.own(Sheet, p, nil, {})
end

function Sheet:picture(column, row, pixels, width, height, scale)
    M.call("ba_sheet_picture", M.ptr(self, Sheet), column, row, pixels, width, height, scale)
end

function Sheet:mask(column, row, grid_rows, grid_columns, kept)
    local list = M.new("int32_t[?]", math.max(#kept, 1), kept)
    M.call("ba_sheet_mask", M.ptr(self, Sheet), column, row, grid_rows, grid_columns, list, #kept)
end

function Sheet:caption(column, row, text) M.call("ba_sheet_caption", M.ptr(self, Sheet), column, row, text) end
function Sheet:write(path) M.call("ba_sheet_write", M.ptr(self, Sheet), path) end
function Sheet:free() M.free(self) end

return bind
