-- bind/graph: devices, stores of weights, graphs, tensors and programs as Lua objects.
local M = require "bauta.ffi"
local errors = require "bauta.errors"

local bind = {}
local Device = M.class("device", "ba_device_free")
local Store = M.class("store", "ba_store_free")
local Graph = M.class("graph", "ba_graph_free")
local Program = M.class("program", "ba_program_free")
local Tensor = { class = "tensor" }
bind.Device, bind.Store, bind.Graph, bind.Program, bind.Tensor = Device, Store, Graph, Program, Tensor

-- ---- devices ----

function bind.device(name, threads, tier)
    local p = M.call("ba_device_open", M.string(name, "device"), M.whole(threads or 0, "threads"), tier or "auto")
    return M.own(Device, p, nil, { name = name, threads = threads or 0 })
end

function Device:describe() return M.text(M.C.ba_device_describe(M.ptr(self, Device))) end
function Device:has(what) return M.C.ba_device_has(M.ptr(self, Device), M.string(what, "feature")) == 1 end
-- The most bytes that buffers of programs and stores held together. anew: counted from now on.
function Device:peak(anew) return M.number(M.C.ba_device_peak(M.ptr(self, Device), anew and 1 or 0)) end
function Device:free() M.free(self) end

-- ---- stores ----

function bind.store(device, seed)
    local p = M.call("ba_store_new", M.ptr(device, Device), M.seed(seed))
    return M.own(Store, p, { device }, { device = device })
end

local inits = { zero = 0, one = 1, normal = 2, uniform = 3, unit = 4 }

-- init: "zero", "one", "normal", "uniform" or "unit" (rows of a length); scale: standard deviation, bound or length. Returns nothing; adding twice is no error.
function Store:add(name, shape, init, scale, no_decay)
    local kind = inits[init or "zero"] or errors.fail("%s: initialiser %s; zero, one, normal, uniform or unit expected", name,
        errors.show(init))
    M.call("ba_store_add", M.ptr(self, Store), M.string(name, "name"), #shape, M.dims(shape, name), kind, scale or 0,
        no_decay and 1 or 0)
end

function Store:count() return M.number(M.C.ba_store_count(M.ptr(self, Store))) end
function Store:has(name) return M.C.ba_store_find(M.ptr(self, Store), M.string(name, "name")) >= 0 end

-- All tensors in order: { name, shape, count, no_decay, fixed }.
function Store:list()
    local p, out, t = M.ptr(self, Store), {}, M.new("ba_type")
    for i = 0, self:count() - 1 do
        M.call("ba_store_type", p, i, t)
        local shape, count = M.shape(t), 1
        for _, d in ipairs(shape) do count = count * d end
        local flags = M.C.ba_store_flags(p, i)
        out[i + 1] = { name = M.text(M.C.ba_store_name(p, i)), shape = shape, count = count, no_decay = flags % 2 == 1,
            fixed = math.floor(flags / 2) % 2 == 1 }
    end
    return out
end

-- Number of weights.
function Store:size()
    local n = 0
    for _, t in ipairs(Store.list(self)) do n = n + t.count end
    return n
end

local function find(self, name)
    local p = M.ptr(self, Store)
    local i = M.number(M.C.ba_store_find(p, M.string(name, "name")))
    if i < 0 then
        local names = {}
        for n, t in ipairs(self:list()) do names[n] = t.name end
        local near = errors.nearest(name, names)
        errors.fail("no tensor %s in the store%s", errors.show(name), near and "; did you mean " .. near .. "?" or "")
    end
    return p, i
end

-- Raw memory has to hold so many bytes. What is an array knows its size; a pointer, which only the files of lua/bauta hold, is trusted.
local function judge_memory(name, p, bytes)
    local size = M.array_bytes(p)
    if size and size ~= bytes then errors.fail("%s: %d bytes expected, the memory has %d", name, bytes, size) end
    return p
end

-- The numbers of a tensor, as a plain Lua list.
function Store:read(name)
    local p, i = find(self, name)
    local n = self:list()[i + 1].count
    local buffer, out = M.new("float[?]", n), {}
    M.call("ba_store_read", p, i, buffer, n)
    for k = 1, n do out[k] = buffer[k - 1] end
    return out
end

-- numbers: a plain list, or raw memory that holds all of them.
function Store:write(name, numbers)
    local p, i = find(self, name)
    local n = self:list()[i + 1].count
    if type(numbers) == "cdata" then
        M.call("ba_store_write", p, i, judge_memory(name, numbers, 4 * n), n)
        return
    end
    if #numbers ~= n then errors.fail("%s: %d numbers expected, got %d", name, n, #numbers) end
    M.call("ba_store_write", p, i, M.new("float[?]", n, numbers), n)
end

-- Adds or overwrites every tensor of another store.
function Store:take(from) M.call("ba_store_copy", M.ptr(self, Store), M.ptr(from, Store, "take")) end

local readings = { prefix = "string", partial = "string", keys = "string", resize = "string", rows = "number", columns = "number" }
local named = { "prefix", "partial", "keys", "resize", "rows", "columns" }

-- how: prefix; partial, beginnings of names that need not match; keys, whose names the file has; resize, how positions come to the grid
-- of rows x columns. With what it points to.
local function as(how)
    if type(how) ~= "table" then errors.fail("weights: a table of settings expected, got %s", errors.show(how)) end
    for name, v in pairs(how) do
        if not readings[name] then errors.fail("weights.%s: %s", tostring(name), errors.unknown("setting", tostring(name), named)) end
        if type(v) ~= readings[name] then errors.fail("weights.%s = %s; a %s expected", name, errors.show(v), readings[name]) end
    end
    local h = M.new("ba_weights_how")
    local partial = how.partial ~= "" and how.partial or nil
    h.size, h.prefix, h.partial, h.keys = M.sizeof(h), how.prefix or "", partial, how.keys or "plain"
    h.resize, h.rows, h.columns = how.resize ~= "none" and how.resize or nil, how.rows or 0, how.columns or 0
    return h
end

-- The sentence of the library about names and shapes that do not match, which has room for a few of them only, with all that its report names: the first
-- twenty and how many more. It is left as it is where it has room for all, or says something better than names.
local function whole(sentence, report)
    local at, rest = 1, {}
    for line in report:gmatch "[^\n]+" do
        local from, to = sentence:find(line, at, true)
        local behind = from and sentence:sub(to + 1, to + 1)
        if #rest == 0 and (behind == ";" or behind == "") then at = to + 1 else rest[#rest + 1] = line end
    end
    if at == 1 or #rest == 0 then return sentence end
    return sentence:sub(1, at - 1) .. "; " .. table.concat(rest, "; ")
end

-- Calls f(report, its size). Where names or shapes do not match, all that do not are in the error, which is marked as `mismatch`.
local function matching(f)
    local size = 16384
    local report = M.new("char[?]", size)
    local ok, why = pcall(f, report, size)
    if ok then return end
    local named = M.text(report)
    if errors.is(why) and named ~= "" then why.lines, why.mismatch = { whole(why.lines[1], named) }, true end
    error(why, 0)
end

-- Strict: everything must match. Returns what was done with the names, nil for nothing.
function Store:load(path, how)
    local p, h = M.ptr(self, Store), as(how or {})
    M.string(path, "weights")
    matching(function(report, size) M.call("ba_weights_load_as", p, path, h, report, size) end)
    local told = M.text(h.told)
    return told ~= "" and told or nil
end

-- Whether load would find what it must, and raises as it would; from: a store instead of a file, which messages call `path`.
function Store:check(path, how, from)
    local p, other, h = M.ptr(self, Store), from and M.ptr(from, Store) or nil, as(how)
    M.string(path, "weights")
    matching(function(report, size) M.call("ba_weights_check", p, path, other, h, report, size) end)
end

-- notes: a table of texts for the file's metadata.
function Store:save(path, notes)
    local keys = {}
    if notes ~= nil and type(notes) ~= "table" then errors.fail("save: a table of texts expected, got %s", errors.show(notes)) end
    for k, v in pairs(notes or {}) do
        if type(k) ~= "string" or type(v) ~= "string" then errors.fail("save: note %s = %s; texts expected", errors.show(k), errors.show(v)) end
        keys[#keys + 1] = k
    end
    table.sort(keys)
    local list = M.new("ba_note[?]", math.max(#keys, 1))
    for i, k in ipairs(keys) do list[i - 1].key, list[i - 1].value = k, notes[k] end
    M.call("ba_weights_save", M.ptr(self, Store), M.string(path, "path"), #keys, list)
end

function Store:free() M.free(self) end

-- ---- graphs ----

function bind.graph(device, seed)
    local p = M.call("ba_graph_new", M.ptr(device, Device), M.seed(seed or 0))
    return M.own(Graph, p, { device }, { device = device, stores = {} })
end

function bind.tensor(graph, ptr) return setmetatable({ graph = graph, p = ptr }, Tensor) end

local function gp(g) return M.ptr(g, Graph, "graph") end

function bind.tensor_ptr(t, what)
    if type(t) ~= "table" or getmetatable(t) ~= Tensor then errors.fail("%s: tensor expected, got %s", what, errors.show(t)) end
    if t.graph.entry.dead then errors.fail("%s: the graph of this tensor was freed", what) end
    return t.p
end

function Graph:role(name) M.call("ba_graph_role", gp(self), M.string(name, "role")) end
function Graph:place(text) M.call("ba_graph_place", gp(self), M.string(text, "place"):sub(1, 60)) end

function Graph:precision(name)
    local dtype = ({ fp32 = 1, bf16 = 2, tf32 = M.C.BA_TF32 })[name] or
        errors.fail("precision = %s; fp32, tf32 or bf16 expected", errors.show(name))
    M.call("ba_graph_precision", gp(self), dtype)
end

-- Whether blocks are computed again for the gradient instead of being kept ("blocks", or "none").
function Graph:recompute(what)
    local on = ({ none = 0, blocks = 1 })[what] or errors.fail("recompute = %s; none or blocks expected", errors.show(what))
    M.call("ba_graph_recompute", gp(self), on)
end

-- What is built from now on lies in a block of its own ("new"), in none (0), or in one that was begun (a number). Returns the block so far.
function Graph:block(which)
    local n = which == "new" and M.C.BA_BLOCK_NEW or M.whole(which, "block")
    return M.number(M.call("ba_graph_block", gp(self), n))
end

function Graph:dtype() return M.C.ba_graph_dtype(gp(self)) == 2 and "bf16" or "f32" end

function Graph:input(name, dtype, shape)
    local d = M.dtypes[dtype] or errors.fail("input %s: element type %s; f32, bf16, i32 or u8 expected", errors.show(name),
        errors.show(dtype))
    return bind.tensor(self, M.call("ba_input", gp(self), M.string(name, "input"), d, #(shape or {}),
        M.dims(shape or {}, "shape")))
end

-- numbers: a plain list, row by row.
function Graph:constant(numbers, shape)
    if type(numbers) == "number" then return bind.tensor(self, M.call("ba_scalar", gp(self), numbers)) end
    local n = 1
    shape = shape or { #numbers }
    for _, d in ipairs(shape) do n = n * d end
    if #numbers ~= n then errors.fail("constant: %d numbers given, the shape holds %d", #numbers, n) end
    for i, v in ipairs(numbers) do
        if type(v) ~= "number" then errors.fail("constant: number %d is %s", i, errors.show(v)) end
    end
    return bind.tensor(self, M.call("ba_constant", gp(self), 1, #shape, M.dims(shape, "shape"),
        M.new("float[?]", math.max(n, 1), numbers)))
end

local function stored(self, call, store, name)
    local p = M.ptr(store, Store, call)
    self.stores[store] = true
    return bind.tensor(self, M.call(call, gp(self), p, M.string(name, "name")))
end

function Graph:variable(store, name) return stored(self, "ba_variable", store, name) end
function Graph:weight(store, name) return stored(self, "ba_weight", store, name) end

-- Applies an operation to a list of tensors (false: an optional input left out). Returns the first output.
function Graph:op(name, inputs, settings)
    local n = #inputs
    local list = M.new("ba_tensor *[?]", math.max(n, 1))
    for i, t in ipairs(inputs) do
        if t then
            list[i - 1] = bind.tensor_ptr(t, ("%s: input %d"):format(tostring(name), i))
            if t.graph ~= self then errors.fail("%s: input %d belongs to another graph", tostring(name), i) end
        end
    end
    local n_attr, attrs, hold = M.attrs(settings)
    local p = M.call("ba_op_apply", gp(self), M.string(name, "operation"), n, list, n_attr, attrs)
    self.hold = hold
    return bind.tensor(self, p)
end

-- The gradients of a scalar, one for each tensor of the list; false where it does not depend on it.
function Graph:grad(loss, wrt)
    local n = #wrt
    local list, out = M.new("ba_tensor *[?]", math.max(n, 1)), M.new("ba_tensor *[?]", math.max(n, 1))
    for i, t in ipairs(wrt) do list[i - 1] = bind.tensor_ptr(t, "grad") end
    M.call("ba_grad", gp(self), bind.tensor_ptr(loss, "loss"), n, list, out)
    local grads = {}
    for i = 1, n do grads[i] = not M.is_null(out[i - 1]) and bind.tensor(self, out[i - 1]) end
    return grads
end

-- Whether a gradient of t reaches one of the tensors.
function Graph:reaches(t, wrt)
    local list = M.new("ba_tensor *[?]", math.max(#wrt, 1))
    for i, w in ipairs(wrt) do list[i - 1] = bind.tensor_ptr(w, "reaches") end
    return M.call("ba_grad_reaches", gp(self), bind.tensor_ptr(t, "reaches"), #wrt, list) == 1
end

function Graph:fetch(name, t) M.call("ba_fetch", gp(self), M.string(name, "name"), bind.tensor_ptr(t, "fetch")) end

function Graph:compile()
    local parents = { self.device }
    for store in pairs(self.stores) do parents[#parents + 1] = store end
    return M.own(Program, M.call("ba_compile", gp(self)), parents, { types = {} })
end

function Graph:free() M.free(self) end

-- ---- tensors; their operations are in bauta.tensor ----

function bind.output(t, i) return bind.tensor(t.graph, M.call("ba_output_of", bind.tensor_ptr(t, "output"),
    M.whole(i, "output"))) end

function bind.type(t)
    local out = M.new("ba_type")
    M.call("ba_tensor_type", bind.tensor_ptr(t, "tensor"), out)
    return M.shape(out)
end

function bind.made_by(t) return M.text(M.C.ba_tensor_op(bind.tensor_ptr(t, "tensor"))) end

-- ---- programs ----

local elements = { f32 = "float", i32 = "int32_t", u8 = "uint8_t", bf16 = "uint16_t" }
local bytes_of = { f32 = 4, i32 = 4, u8 = 1, bf16 = 2 }

-- Shape, type and size of an input or of something fetched.
local function slot(self, name)
    local s = self.types[name]
    if not s then
        local t = M.new("ba_type")
        M.call("ba_program_type", M.ptr(self, Program), M.string(name, "name"), t)
        local shape, dtype = M.shape(t)
        s = { shape = shape, dtype = dtype, count = 1 }
        for _, d in ipairs(shape) do s.count = s.count * d end
        s.bytes = s.count * bytes_of[dtype]
        self.types[name] = s
    end
    return s
end

-- Memory for its values, kept as long as the program; made when somebody wants it, since raw memory needs none.
local function buffer_of(s)
    s.buffer = s.buffer or M.array(elements[s.dtype], s.count)
    return s.buffer
end

-- Numbers that nobody chose, as raw memory for Program:feed: u8 over all of its range, f32 and bf16 in +-[0.5,1). A block of them
-- repeats, each time from another place.
function bind.noise(dtype, count, seed)
    local out, size = M.array(elements[dtype], count), bytes_of[dtype]
    local block, x = math.min(count, 65536), seed % 2147483646 + 1
    for i = 0, block - 1 do
        x = x * 16807 % 2147483647
        local r = math.floor(x / 8388608) -- 0..255
        if dtype == "u8" then out[i] = r
        elseif dtype == "bf16" then out[i] = 0x3f00 + r % 128 + (r < 128 and 0 or 0x8000)
        else out[i] = (0.5 + x % 65536 / 131072) * (r < 128 and 1 or -1) end
    end
    local at = block
    while at < count do
        x = x * 16807 % 2147483647
        local from = x % (block / 2)
        local n = math.min(block - from, count - at)
        M.copy(out + at, out + from, n * size)
        at = at + n
    end
    return out
end

-- value: a number for a scalar, a plain list, or raw memory lent by bind/data.
function Program:feed(name, value)
    local s = slot(self, name)
    local p
    if type(value) == "number" then
        if s.count ~= 1 then errors.fail("%s: a list of %d numbers expected, got one number", name, s.count) end
        p = buffer_of(s)
        p[0] = value
    elseif type(value) == "table" then
        if #value ~= s.count then errors.fail("%s: %d numbers expected, got %d", name, s.count, #value) end
        p = buffer_of(s)
        for i = 1, s.count do p[i - 1] = value[i] end
    elseif type(value) == "cdata" then p = judge_memory(name, value, s.bytes)
    else errors.fail("%s: a number or a list of numbers expected, got %s", name, errors.show(value)) end
    M.call("ba_program_feed", M.ptr(self, Program), name, p, s.bytes)
end

-- Starts a feed of raw memory that `take` ends: it can travel while a step runs, and keeps what it holds until then.
function Program:send(name, value)
    local s = slot(self, name)
    M.call("ba_program_send", M.ptr(self, Program), name, judge_memory(name, value, s.bytes), s.bytes)
end
function Program:take(name) M.call("ba_program_take", M.ptr(self, Program), name) end

function Program:run() M.call("ba_program_run", M.ptr(self, Program)) end

-- A scalar as a number, anything else as a plain list.
function Program:read(name)
    local s = slot(self, name)
    M.call("ba_program_read", M.ptr(self, Program), name, buffer_of(s), s.bytes)
    if #s.shape == 0 then return tonumber(s.buffer[0]) end
    local out = {}
    for i = 1, s.count do out[i] = tonumber(s.buffer[i - 1]) end
    return out
end

-- Raw memory, valid until the next read of this name; its element type and shape.
function Program:view(name)
    local s = slot(self, name)
    M.call("ba_program_read", M.ptr(self, Program), name, buffer_of(s), s.bytes)
    return s.buffer, s
end

function Program:shape(name) return slot(self, name).shape end
function Program:profile(on) M.call("ba_program_profile", M.ptr(self, Program), on and 1 or 0) end

-- The plan: rows by role, arena and variable bytes; again: how many nodes are computed again for the gradient, kept: the arena if none were.
function Program:plan()
    local p, row = M.ptr(self, Program), M.new("ba_plan_row")
    local out = { arena = M.number(M.C.ba_plan_arena(p)), variables = M.number(M.C.ba_plan_variables(p)), again = M.number(M.C.ba_plan_again(p)),
        kept = M.number(M.C.ba_plan_kept(p)), rows = {} }
    for i = 0, M.number(M.C.ba_plan_rows(p)) - 1 do
        M.call("ba_plan_row_get", p, i, row)
        out.rows[i + 1] = { role = M.text(row.role), macs = row.macs, nominal = row.nominal, norm = row.norm, flops = row.flops,
            bytes = row.bytes, peak = M.number(row.peak), nodes = M.number(row.nodes), seconds = row.seconds }
    end
    return out
end

-- The nodes of the plan as lists: role, operation, place, type, MACs, FLOPs, bytes, seconds, "step" or "once".
function Program:nodes()
    local p, line, out = M.ptr(self, Program), M.new("char[?]", 512), {}
    for i = 0, M.number(M.C.ba_plan_nodes(p)) - 1 do
        if M.C.ba_plan_node(p, i, line, 512) > 0 then
            local cells = {}
            for cell in (M.text(line) .. "\t"):gmatch("([^\t]*)\t") do cells[#cells + 1] = cell end
            out[#out + 1] = cells
        end
    end
    return out
end

function Program:free() M.free(self) end

-- ---- operations ----

local list

-- All operations: { name, doc, min_in, max_in, n_out, rows }, in order of name; and the same by name.
function bind.operations()
    if not list then
        local info, all, by_name = M.new("ba_op_info"), {}, {}
        for i = 0, M.number(M.C.ba_op_count()) - 1 do
            M.call("ba_op_info_get", i, info)
            local op = { name = M.text(info.name), doc = M.text(info.doc), min_in = info.min_in, max_in = info.max_in,
                n_out = info.n_out, rows = M.rows(info.params, info.nparams) }
            all[#all + 1], by_name[op.name] = op, op
        end
        table.sort(all, function(a, b) return a.name < b.name end)
        list = { all = all, by_name = by_name }
    end
    return list.all, list.by_name
end

return bind
