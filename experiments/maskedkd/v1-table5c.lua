-- v1 Table 5c: random patches, the highest, or the lowest. DeiT-S -> DeiT-Ti, 98 of 196. (ECCV Table 6c prints the same.)
local papers = require "papers.maskedkd"
local lab = require "lab" { teacher = "small", student = "tiny" }

local criterion = { ["top-k"] = "student", random = "random", ["bottom-k"] = "bottom-k" }
local id = { random = "v1-t5c/0", ["top-k"] = "v1-t5c/1", ["bottom-k"] = "v1-t5c/2" }

local function paper(column, metric)
    return { table = papers["v1-t5c"], column = column, metric = metric, against = id["top-k"], row = function(c) return id[c.selection] end }
end

return lab:grid {
    name = "v1-table5c", axes = { selection = { "random", "top-k", "bottom-k" } },
    cell = function(c) return lab:run { seed = c.seed, mask = lab:mask(criterion[c.selection], { keep = 98 }) } end,
    report = { title = "v1 Table 5c: random, top-k or bottom-k", against = { selection = "top-k" }, metrics = { "top1", "top5", "teacher_top1" },
        papers = { paper("acc_top1_pct", "top1"), paper("acc_top5_pct", "top5") } },
}
