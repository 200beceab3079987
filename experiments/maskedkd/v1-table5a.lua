-- v1 Table 5a: plain distillation, patches ranked by a DINO model, patches ranked by the student. DeiT-S -> DeiT-Ti, 98 of 196.
local papers = require "papers.maskedkd"
local lab = require "lab" { teacher = "small", student = "tiny" }

local id = { none = "v1-t5a/0", dino = "v1-t5a/1", student = "v1-t5a/2" }

return lab:grid {
    name = "v1-table5a", axes = { select = { "none", "dino", "student" } },
    cell = function(c) return lab:run { seed = c.seed, mask = lab:mask(c.select, { keep = c.select == "none" and 196 or 98 }) } end,
    report = { title = "v1 Table 5a: who ranks the patches", against = { select = "none" }, metrics = { "top1", "teacher_top1", "teacher_papers" },
        text = lab.p.scale ~= "paper" and "A supervised model from another seed stands in for DINO." or nil,
        papers = { { table = papers["v1-t5a"], column = "acc_top1_pct", against = id.none, row = function(c) return id[c.select] end } } },
}
