-- ECCV Figure 5: how often each place of the grid is kept over many pictures, at several moments of the training, the first of them
-- before the first step: what a student that has learned nothing chooses. DeiT-B -> DeiT-S, 98 of 196. The paper prints pictures only.
local lab = require "lab" { teacher = "base", student = "small" }

return lab:grid {
    name = "figure5", axes = { mask = { "student" } },
    cell = function(c) return lab:run { seed = c.seed, mask = lab:mask(c.mask, { keep = 98 }) } end,
    report = { title = "ECCV Figure 5: where the kept patches lie", maps = { { of = "frequency" }, { of = "pictures" } }, curves = {
        { y = "probe.teacher_top1", title = "Teacher on what it is shown, probe pictures" },
        { y = "probe.saliency", title = "Share of the student's attention that the kept patches hold" } } },
}
