-- ECCV Figure 6, left and middle: tokens masked before the teacher, or merged inside of it (ToMe), against the teacher's cost.
-- DeiT-S -> DeiT-Ti. ToMe merges r pairs in every block; the paper does not print its r, here they meet the costs of masking.
local bauta = require "bauta"
local papers = require "papers.maskedkd"
local lab = require "lab" { teacher = "small", student = "tiny" }

-- Patches kept of 196, and tokens merged in each block of DeiT-S at the same cost.
local kept, merged_of = { [0] = 196, 120, 100, 80, 60, 50, 30 }, { 13, 16, 20, 28, 34, 64 }
local levels = lab.p.scale == "smoke" and { 0, 2, 4 } or { 0, 1, 2, 3, 4, 5, 6 }

-- r of this scale; small models are asked for theirs.
local function merged(level)
    if lab.p.scale ~= "paper" then merged_of[level] = bauta.reducer.matched(lab:teacher(), lab:keep(kept[level])) end
    return merged_of[level]
end

local id = { "eccv-fig6a/1", "eccv-fig6a/2", "eccv-fig6a/3", "eccv-fig6a/4", "eccv-fig6a/5", "eccv-fig6a/6", [0] = "eccv-fig6a/0" }

return lab:grid {
    name = "figure6", axes = { method = { "mask", "tome" }, level = levels }, order = { "method", "level", "seed" },
    skip = function(c) return c.method == "tome" and c.level == 0 end,
    cell = function(c)
        if c.method == "mask" then return lab:run { seed = c.seed, mask = lab:mask("student", { keep = kept[c.level] }) } end
        return lab:run { seed = c.seed, reducer = bauta.reducer "tome" { r = merged(c.level) } }
    end,
    report = { title = "ECCV Figure 6: masking and token merging", against = { method = "mask", level = 0 },
        metrics = { "top1", "teacher_top1", "teacher_papers" },
        text = "level 0 is the whole teacher; the higher the level, the less it computes.",
        curves = { { x = "teacher_papers", y = "top1", by = { "method" }, title = "Student against the teacher's cost" },
            { x = "teacher_papers", y = "teacher_top1", by = { "method" }, title = "Teacher against its cost" } },
        papers = { { table = papers["eccv-fig6a"], column = "student_top1_pct", against = id[0],
            row = function(c) return c.method == "mask" and id[c.level] or nil end } } },
}
