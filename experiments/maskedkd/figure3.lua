-- ECCV Figure 3: who ranks the patches. Left: accuracy of the student over the epochs, less that of a student without a teacher.
-- Right: accuracy of the masked teacher on the probe pictures over the epochs. DeiT-B -> DeiT-S, 98 of 196.
local papers = require "papers.maskedkd"
local lab = require "lab" { teacher = "base", student = "small" }

local column = { student = "maskedkd", dino = "dino", teacher = "teacher", random = "random", none = "logit" }

local function series(id, prefix, last)
    local out = {}
    for _, name in ipairs { "student", "dino", "teacher", "random", "none" } do
        out[#out + 1] = { table = papers[id], x = "epoch", y = prefix .. (name == "none" and last or column[name]), label = name }
    end
    return lab:papers(out)
end

return lab:grid {
    name = "figure3", axes = { mask = { "student", "dino", "teacher", "random", "none", "alone" } },
    cell = function(c)
        if c.mask == "alone" then return lab:run { seed = c.seed, without = true } end
        return lab:run { seed = c.seed, mask = lab:mask(c.mask, { keep = c.mask == "none" and 196 or 98 }) }
    end,
    report = { title = "ECCV Figure 3: who ranks the patches", against = { mask = "none" },
        text = "none: plain distillation; alone: no teacher." .. (lab.p.scale ~= "paper" and
            " A supervised model from another seed stands in for DINO." or ""),
        curves = { { y = "top1", minus = { mask = "alone" }, title = "Gain of the student over training without a teacher",
                papers = series("eccv-fig3-left", "gain_pct_", "logit") },
            { y = "probe.teacher_top1", title = "Teacher on what it is shown, probe pictures",
                papers = series("eccv-fig3-right", "teacher_top1_", "full") } } },
}
