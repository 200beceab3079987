-- verb version: the version of the program, its library and of Lua.
local verb = { name = "version", usage = "", doc = "print the version" }

function verb.run()
    local ffi = require "bauta.ffi"
    io.stdout:write(("bauta %s (%s)\n"):format(ffi.version(), jit.version))
    return 0
end

return verb
