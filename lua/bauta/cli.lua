-- cli: the command line. main.c calls this file with the places of our files and the arguments; it returns the exit status.
-- Verbs are files in verbs/; each returns one table { name, usage, doc, options, run }, from which the help is made.
local places = ...
local arguments = { select(2, ...) }

-- Text chunks only, whatever loads them; a file of bytecode could crash the process.
local function text_only()
    local load_text, loadfile_text = load, loadfile
    load = function(chunk, name, _, env) return load_text(chunk, name, "t", env) end
    loadstring = function(text, name) return load_text(text, name, "t") end
    loadfile = function(path, _, env) return loadfile_text(path, "t", env) end
    dofile = function(path) return assert(loadfile(path))() end
    package.loaders[2] = function(name)
        local tried = {}
        for pattern in package.path:gmatch("[^;]+") do
            local path = pattern:gsub("%?", (name:gsub("%.", "/")))
            local f = io.open(path, "rb")
            if f then
                f:close()
                return assert(loadfile_text(path, "t"))
            end
            tried[#tried + 1] = "\n\tno file '" .. path .. "'"
        end
        return table.concat(tried)
    end
    package.loaders[3], package.loaders[4] = nil, nil
    string.dump = nil
end

text_only()
local errors = require "bauta.errors"
local help = require "bauta.help"
local options = require "bauta.options"
local session = require "bauta.session"

local trace = false

local function report(e)
    for _, line in ipairs(e.lines) do
        io.stderr:write("bauta: ", e.where and e.where .. ": " or "", (line:gsub("%s*\n.*", "")), "\n")
    end
    if trace and e.trace then io.stderr:write(e.trace, "\n") end
    if e.code == "bug" and not trace then io.stderr:write("bauta: this is a mistake of Bauta itself; --trace shows where\n") end
    return errors.status[e.code] or 70
end

local function start(given)
    local ffi = require "bauta.ffi"
    ffi.load()
    ffi.call("ba_crash_install", given.plugin_timeout)
    require("bauta.bind.plugin").open(places.plugins, given.plugins)
end

local function work()
    session.command = "bauta " .. table.concat(arguments, " ")
    local name = table.remove(arguments, 1)
    if not name or name == "--help" or name == "-h" or (name == "help" and #arguments == 0) then
        io.stdout:write(help.all(places.version))
        return name and 0 or 2
    end
    if name == "--version" then name = "version" end
    if name == "help" then name, arguments = table.remove(arguments, 1), { "--help" } end
    local verb = help.verb(name)
    local given = options.parse(verb, arguments)
    trace = given.trace
    session.options, session.places = given, places
    if given.help and not verb.helps then
        io.stdout:write(help.of(verb))
        return 0
    end
    start(given)
    local status = verb.run(given)
    if type(status) ~= "number" then status = 0 end
    return status
end

local ok, result = xpcall(work, function(e)
    if e == "not enough memory" then return e end -- nothing can be made until what the script held is gone
    local ours, wrapped = pcall(errors.wrap, e)
    if not ours then return errors.new("bug", tostring(e)) end
    wrapped.trace = wrapped.trace or debug.traceback("", 2)
    return wrapped
end)
if result == "not enough memory" then
    collectgarbage()
    result = errors.new("arg", "not enough memory (script limit 1024 MiB)")
end
local status = ok and result or report(result)
local ffi = package.loaded["bauta.ffi"]
if ffi and ffi.C then ffi.close_all() end
io.stdout:flush()
return status
