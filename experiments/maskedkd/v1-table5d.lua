-- v1 Table 5d: attention of the class token, or attention among patches. DeiT-S -> DeiT-Ti, 98 of 196. (ECCV Table 6a prints the same.)
local papers = require "papers.maskedkd"
local lab = require "lab" { teacher = "small", student = "tiny" }

local id, source = { cls = "v1-t5d/0", patches = "v1-t5d/1" }, { cls = "class", patches = "patches" }

local function paper(column, metric)
    return { table = papers["v1-t5d"], column = column, metric = metric, against = id.cls, row = function(c) return id[c.score] end }
end

return lab:grid {
    name = "v1-table5d", axes = { score = { "cls", "patches" } },
    cell = function(c) return lab:run { seed = c.seed, mask = lab:mask("student", { keep = 98, source = source[c.score] }) } end,
    report = { title = "v1 Table 5d: class or patch attention", against = { score = "cls" }, metrics = { "top1", "top5", "teacher_top1" },
        papers = { paper("acc_top1_pct", "top1"), paper("acc_top5_pct", "top5") } },
}
