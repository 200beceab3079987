-- verb selftest: every operation on this machine against its own float64 reference.
local errors = require "bauta.errors"

local verb = { name = "selftest", usage = "[options]", doc = "hold every operation on this machine against its float64 reference",
    options = require("bauta.options").join({ { name = "seed", value = "N", kind = "int", min = 0, max = 2 ^ 53, default = 0,
        doc = "of the random inputs; 0: a new one" } },
        require("bauta.options").device) }

function verb.run(given)
    local bind, session = require "bauta.bind.graph", require "bauta.session"
    local failed = bind.selftest(session.device(), given.seed > 0 and given.seed or os.time())
    if failed > 0 then errors.raise("bug", ("%d checks of operations failed"):format(failed), "selftest") end
    return 0
end

return verb
