-- ECCV Table 6a: the score of a patch is what the class token pays to it, or what all patches pay to it. DeiT-S -> DeiT-Ti, 98 of 196.
local papers = require "papers.maskedkd"
local lab = require "lab" { teacher = "small", student = "tiny" }

local source = { cls = "class", patch = "patches" }

local function paper(column, metric)
    return { table = papers["eccv-t6a"], column = column, metric = metric, against = "eccv-t6a/cls",
        row = function(c) return "eccv-t6a/" .. c.score end }
end

return lab:grid {
    name = "table6a", axes = { score = { "cls", "patch" } },
    cell = function(c) return lab:run { seed = c.seed, mask = lab:mask("student", { keep = 98, source = source[c.score] }) } end,
    report = { title = "ECCV Table 6a: class-patch or patch-patch attention", against = { score = "cls" }, metrics = { "top1", "top5", "teacher_top1" },
        papers = { paper("acc_top1_pct", "top1"), paper("acc_top5_pct", "top5") } },
}
