-- verb selftest: every operation on this machine against its own float64 reference. The program that does it is the one the
-- test suite runs.
local errors = require "bauta.errors"

local verb = {
    name = "selftest", usage = "[options]",
    doc = "hold every operation, forward and gradient, on this machine against its float64 reference",
    options = {
        { name = "device", value = "NAME", default = "cpu", doc = "what computes" },
        { name = "seed", value = "N", kind = "int", min = 0, max = 2 ^ 53, default = 0, doc = "of the random inputs; 0: a new one" },
    },
}

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

function verb.run(given)
    local session = require "bauta.session"
    require("bauta.bind.graph").device(given.device, 1, "auto") -- one that cannot be had is no operation's mistake
    local program = session.places.selftest
    if not session.exists(program) then errors.raise("machine", "not found: the tests were not built or not installed", program) end
    local seed = given.seed > 0 and ("BAUTA_SEED=%.0f "):format(given.seed) or ""
    io.stdout:flush()
    local status = os.execute(seed .. quoted(program) .. " " .. quoted(given.device)) / 256 -- 126 or 127: the shell could not, or there is none
    if status < 0 or status == 126 or status == 127 then errors.raise("machine", "cannot be started, which takes /bin/sh", program) end
    if status ~= 0 then errors.raise("bug", "an operation does not do on this machine what its reference does (see above)", "selftest") end
    return 0
end

return verb
