-- ECCV Figure 6, left and middle: tokens masked before the teacher, or merged inside of it (ToMe), against the teacher's cost.
-- DeiT-S -> DeiT-Ti. ToMe merges r pairs in every block; the paper does not print its r, here they are chosen to meet the same costs.
local bauta = require "bauta"
local papers = require "papers.maskedkd"
local lab = require "lab" { teacher = "small", student = "tiny" }

-- Patches kept of 196, and tokens merged in each of twelve blocks at about the same cost.
local amounts = { mask = { [0] = 196, 120, 100, 80, 60, 50, 30 }, tome = { [0] = 0, 12, 16, 20, 26, 31, 45 } }
local levels = lab.p.scale == "smoke" and { 0, 2, 4 } or { 0, 1, 2, 3, 4, 5, 6 }

-- r of this scale: the same share of the tokens leaves in each block.
local function merged(level)
    local r, s = amounts.tome[level], lab.one_student
    if lab.p.scale == "paper" then return r end
    return math.max(1, math.floor(r * 12 / 196 * s.patches / lab:teacher().depth + 0.5))
end

local function series(id, y)
    return lab:papers { { table = papers[id], x = "teacher_gflops", y = y, only = { method = "maskedkd" }, label = "mask (GFLOPs)" },
        { table = papers[id], x = "teacher_gflops", y = y, only = { method = "tome" }, label = "tome (GFLOPs)" } }
end

return lab:grid {
    name = "figure6", axes = { method = { "mask", "tome" }, level = levels }, order = { "method", "level", "seed" },
    skip = function(c) return c.method == "tome" and c.level == 0 end,
    cell = function(c)
        if c.method == "mask" then return lab:run { seed = c.seed, mask = lab:mask("student", { keep = amounts.mask[c.level] }) } end
        return lab:run { seed = c.seed, reducer = bauta.reducer "tome" { r = merged(c.level) } }
    end,
    report = { title = "ECCV Figure 6: masking and token merging", against = { method = "mask", level = 0 },
        metrics = { "top1", "teacher_top1", "teacher_papers" },
        text = "level 0 is the whole teacher; the higher the level, the less it computes.",
        curves = { { x = "teacher_papers", y = "top1", by = { "method" }, title = "Student against the teacher's cost" },
            { x = "teacher_papers", y = "teacher_top1", by = { "method" }, title = "Teacher against its cost" } } },
}
