-- ECCV Table 6b: the layer of the student whose attention ranks the patches. DeiT-S -> DeiT-Ti, 98 of 196.
local papers = require "papers.maskedkd"
local lab = require "lab" { teacher = "small", student = "tiny" }

local printed = { first = 1, middle = 6, last = 12 } -- as the paper counts, from 1

return lab:grid {
    name = "table6b", axes = { layer = { "first", "middle", "last" } },
    cell = function(c) return lab:run { seed = c.seed, mask = lab:mask("student", { keep = 98, layer = c.layer }) } end,
    report = { title = "ECCV Table 6b: the layer that ranks the patches", against = { layer = "last" },
        papers = { { table = papers["eccv-t6b"], column = "acc_top1_pct", against = "eccv-t6b/12",
            row = function(c) return "eccv-t6b/" .. printed[c.layer] end } } },
}
