-- ECCV Figure 4: how often each patch of one picture is kept in the course of the training, for four criteria. DeiT-B -> DeiT-S, 98 of 196.
-- The paper prints pictures only. The report draws a map for each criterion: the share of the evaluations at which a patch was kept.
local lab = require "lab" { teacher = "base", student = "small" }

return lab:grid {
    name = "figure4", axes = { mask = { "student", "teacher", "dino", "random" } },
    cell = function(c) return lab:run { seed = c.seed, mask = lab:mask(c.mask, { keep = 98 }) } end,
    report = { title = "ECCV Figure 4: use of patches through the training", maps = { { of = "pictures" } }, curves = {
        { y = "probe.overlap", title = "Overlap of the kept patches with those of the evaluation before" } },
        text = lab.p.scale ~= "paper" and "A supervised model from another seed stands in for DINO." or nil },
}
