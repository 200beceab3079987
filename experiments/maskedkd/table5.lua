-- ECCV Table 5: patches that a DINO model attends to, with and without random patches in the second half of the training.
-- DeiT-B -> DeiT-S, 98 of 196 patches; the variant keeps the 40 % that rank highest and draws the other 10 % at random.
local bauta = require "bauta"
local papers = require "papers.maskedkd"
local lab = require "lab" { teacher = "base", student = "small" }

return lab:grid {
    name = "table5", axes = { mask = { "dino", "dino+random" } },
    cell = function(c)
        return lab:run { seed = c.seed, mask = lab:mask("dino", { keep = 98, ranked = c.mask == "dino+random" and 0.4 or nil, ranked_from = 0.5 }) }
    end,
    report = {
        title = "ECCV Table 5: random patches beside those of DINO", against = { mask = "dino" },
        text = lab.p.scale ~= "paper" and "A supervised model from another seed stands in for DINO." or nil,
        papers = { { table = papers["eccv-t5"], column = "acc_top1_pct", against = "eccv-t5/dino",
            row = function(c) return "eccv-t5/" .. c.mask end } },
    },
}
