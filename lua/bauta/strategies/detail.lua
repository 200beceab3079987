-- detail: no model at all: the patches whose pixels vary most. What a criterion that looks at attention must beat.
local bauta = require "bauta"

return bauta.mask.define {
    name = "detail", doc = "patches whose pixels vary most",
    score = function(m)
        local pixels = m.pixels {}
        return pixels:square():mean { axis = 2 } - pixels:mean { axis = 2 }:square()
    end,
}
