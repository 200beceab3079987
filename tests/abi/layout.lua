-- layout: what the library tells LuaJIT (ba_declarations) makes the same structs as the headers do in the C compiler.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local M = require "bauta.ffi"
local t = require "harness"

for line in io.popen("'" .. arg[1] .. "'"):lines() do
    local name, size = line:match "^(%S+) (%d+)$"
    t.equal(M.sizeof(name), tonumber(size), name)
end
t.check(t.passed > 15, "only %d structs", t.passed)
return t.done()
