-- ECCV Table 6c: the highest patches, random ones, or the lowest. DeiT-S -> DeiT-Ti, 98 of 196.
local papers = require "papers.maskedkd"
local lab = require "lab" { teacher = "small", student = "tiny" }

local criterion = { top = "student", random = "random", bottom = "bottom-k" }

local function paper(column, metric)
    return { table = papers["eccv-t6c"], column = column, metric = metric, against = "eccv-t6c/top",
        row = function(c) return "eccv-t6c/" .. c.selection end }
end

return lab:grid {
    name = "table6c", axes = { selection = { "top", "random", "bottom" } },
    cell = function(c) return lab:run { seed = c.seed, mask = lab:mask(criterion[c.selection], { keep = 98 }) } end,
    report = { title = "ECCV Table 6c: top-k, random or bottom-k", against = { selection = "top" }, metrics = { "top1", "top5", "teacher_top1" },
        papers = { paper("acc_top1_pct", "top1"), paper("acc_top5_pct", "top5") } },
}
