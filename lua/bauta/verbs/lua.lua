-- verb lua: runs a Lua file with Bauta loaded, nothing more: for tests and probes.
local options = require "bauta.options"

local verb = { name = "lua", usage = "FILE [ARGUMENTS]", least = 1, most = 100, doc = "run a Lua file with Bauta loaded: a report of your own, a probe",
    options = options.device }

function verb.run(given)
    local script = require "bauta.script"
    local path = given[1]
    local chunk = script.compile(path, script.read(path))
    rawset(_G, "arg", { [0] = path, unpack(given, 2) })
    package.path = (path:match("^(.*)/[^/]*$") or ".") .. "/?.lua;" .. package.path
    return chunk()
end

return verb
