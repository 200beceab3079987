-- script: loading a user's script: text only, strict about globals, watched by a clock, with --set and --data applied.
local changed = require "bauta.changes"
local check = require "bauta.check"
local errors = require "bauta.errors"
local options = require "bauta.options"
local params = require "bauta.params"
local session = require "bauta.session"
local watch = require "bauta.watch"

local script = {}

local function strict()
    local declared = { arg = true }
    setmetatable(_G, {
        __newindex = function(_, k)
            errors.fail("variable '%s' is not declared; write local %s = ...", tostring(k), tostring(k))
        end,
        __index = function(_, k)
            if not declared[k] then errors.fail("variable '%s' is not declared", tostring(k)) end
        end,
    })
end

-- The text of a script file, in a form that load() takes.
function script.read(path)
    local folder = io.open(path .. "/.")
    if folder then
        folder:close()
        errors.raise("arg", "is a folder; the path of a Lua script expected", path)
    end
    local text, why = session.read(path)
    if not text then errors.raise("arg", "no such script" .. (why:find("No such file", 1, true) and "" or " (" .. why .. ")"),
        path) end
    if text:sub(1, 3) == "\239\187\191" then text = text:sub(4) end
    if text:byte(1) == 27 then errors.raise("arg", "binary chunk refused", path) end
    if not text:find("%S") then errors.raise("arg", "the script is empty", path) end
    return text
end

-- The name of a chunk in messages is cut at 60 bytes; a long path is shown by its last part.
local function chunk_name(path) return "@" .. (#path <= 55 and path or path:match("[^/]+$")) end

function script.compile(path, text)
    local chunk, why = load(text:gsub("^#[^\n]*", "--"), chunk_name(path))
    if not chunk then
        local where, what = why:match("^(.-:%d+): (.*)$")
        errors.raise("arg", what or why, where or path)
    end
    return chunk
end

local function arguments(given, path)
    local used = {}
    local values = { [0] = path, data = given.data }
    return setmetatable({}, { __index = function(_, k)
        used[k] = true
        return values[k]
    end }), used
end

-- Runs the script of the command line. Returns what it returned and { path, text }.
function script.load(given, path)
    local text = script.read(path)
    local chunk = script.compile(path, text)
    local changes = options.changes(given.set or {})
    if given.scale then changes[#changes + 1] = { key = "scale", value = given.scale, option = "scale" } end
    params.declared, params.given, params.help = nil, changes, given.help
    changed.set(changes)
    local list, used = arguments(given, path)
    rawset(_G, "arg", list)
    local folder = path:match("^(.*)/[^/]*$") or "."
    package.path = folder .. "/?.lua;" .. folder .. "/../?.lua;" .. package.path
    session.script = { path = path, text = text }
    package.loaded.bauta = require "bauta"
    strict()
    local result = watch.script(path, chunk, given.script_timeout or 60)
    if given.data and not used.data then errors.raise("arg", "--data: this script does not use arg.data", path) end
    return result, { path = path, text = text }
end

-- The paths of the settings of runs, each once.
local function paths_of(runs)
    local out, seen = {}, {}
    for _, e in ipairs(runs) do
        for _, one in ipairs(e:paths()) do
            if not seen[one] then out[#out + 1] = one end
            seen[one] = true
        end
    end
    return out
end

-- Why --set runs.NAME.PATH changed nothing: no run has this name, or its runs no such setting. nil for other keys.
local function no_run(key, runs)
    local rest = key:match "^runs%.(.+)$"
    if not rest then return nil end
    local names = {}
    for i, e in ipairs(runs) do
        local front = e.settings.name .. "."
        if rest:sub(1, #front) == front then
            local near = errors.nearest(rest:sub(#front + 1), e:paths())
            return ("run %s: no such setting; %s"):format(e.settings.name, near and "did you mean " .. near .. "?" or "--help of the script lists them")
        end
        names[i] = e.settings.name
    end
    local called = rest:match "^[^.]*"
    if #names > 30 and not errors.nearest(called, names) then return ("no such run among %d"):format(#names) end
    return errors.unknown("run", called, names)
end

-- runs: those whose settings stand for all; all: every one that has a name.
local function refuse_unused(path, runs, all)
    local unused, names = {}, nil
    for _, c in ipairs(changed.unused()) do
        if not names then
            names = paths_of(runs)
            for _, row in ipairs(params.declared or {}) do names[#names + 1] = row.name end
        end
        local near = not c.option and errors.nearest(c.key, names)
        local why = no_run(c.key, all)
        unused[#unused + 1] = why and ("--set %s: %s"):format(c.key, why) or ("--%s: no parameter of the script and no setting of its runs; %s"):format(c.option or "set " .. c.key,
            near and "did you mean " .. near .. "?" or "bauta run " .. path .. " --help lists both")
    end
    if #unused > 0 then errors.raise("arg", unused, path) end
end

-- The list of experiments a script returned, and its suite or nil. instead: of a grid, what is to be done with it.
function script.experiments(result, path, instead)
    local class = check.class_of(result)
    local list = class == "suite" and result.runs or class == "experiment" and { result }
    if class == "grid" then errors.raise("arg", "the script returned a grid; " .. (instead or "bauta grid run carries it out"), path) end
    if not list then
        errors.raise("arg", ("the script returned %s; return bauta.train { ... }, bauta.distill { ... } or bauta.suite { " ..
            "... }"):format(
            result == nil and "nothing" or errors.show(result)), path)
    end
    refuse_unused(path, list, list)
    return list, class == "suite" and result or nil
end

-- The grid a script returned.
function script.grid(result, path)
    if check.class_of(result) ~= "grid" then
        errors.raise("arg", ("the script returned %s; return bauta.grid { ... }"):format(result == nil and "nothing"
            or errors.show(result)), path)
    end
    local runs = {}
    for i, task in ipairs(result.tasks) do runs[i] = task.run end
    refuse_unused(path, { result.cells[1].run }, runs)
    return result
end

-- The settings of a script's runs, a line for each part; or why they are not known, which may be as long as no data is given.
local function settings_help(given, path)
    given.help = nil
    local ok, result = pcall(script.load, given, path)
    local class = ok and check.class_of(result)
    local runs = class == "suite" and result.runs or class == "experiment" and { result } or class == "grid" and { result.cells[1].run }
    if not runs then
        local why = ok and "the script returned no run" or errors.text(errors.wrap(result)):match "^[^\n]*"
        return ("settings of its runs: not known (%s)\n"):format(why)
    end
    local parts, order = {}, {}
    for _, one in ipairs(paths_of(runs)) do
        local front = one:match "^(.*)%." or ""
        if not parts[front] then order[#order + 1] = front end
        parts[front] = parts[front] or {}
        table.insert(parts[front], one:sub(front == "" and 1 or #front + 2))
    end
    local out = { "settings of its runs (--set path=value, as epochs=2 or student.depth=3):\n\n" }
    for _, front in ipairs(order) do
        out[#out + 1] = ("  %s%s\n"):format(front == "" and "" or front .. ".  ", table.concat(parts[front], ", "))
    end
    if #runs > 1 or class == "grid" then out[#out + 1] = "\na path is for every run; runs.NAME.path=value is for the run of this name alone\n" end
    return table.concat(out)
end

-- The help of a script: its parameters, and what else --set takes.
function script.help(given, path)
    local ok, e = pcall(script.load, given, path)
    if not ok and e ~= params.only_help then error(e, 0) end
    local help, declared = require "bauta.help", params.declared
    return (declared and ("parameters of %s (--set name=value):\n\n%s"):format(path, help.rows(declared))
        or path .. " declares no parameters\n") .. "\n" .. settings_help(given, path)
end

return script
