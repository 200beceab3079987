-- anneal: from chance to attention. At the beginning of the training the kept patches are drawn at random, at its end they are those with most
-- attention; between, attention counts for as much as of the training is done, to a power.
local bauta = require "bauta"

return bauta.mask.define {
    name = "anneal", doc = "patches at random at first, by the student's attention at last",
    params = { bauta.float("power", 1, 0.01, 100, "of the share of the training that is done; above 1: chance rules longer") },
    score = function(m)
        local done = ((m.progress + 1e-9):log() * m.params.power):exp()
        local attention = m.class_attention {}:mean { axis = 1 }
        local share = attention / attention:max { axis = 1, keep = 1 } -- 0 to 1, as the random numbers are
        return share * done + m.random { name = "chance" } * (1 - done)
    end,
}
