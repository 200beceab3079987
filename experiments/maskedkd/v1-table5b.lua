-- v1 Table 5b: the student predicts from the kept patches as well (consistent), or from all of them. DeiT-S -> DeiT-Ti, 98 of 196.
local papers = require "papers.maskedkd"
local lab = require "lab" { teacher = "small", student = "tiny" }

local id, who = { consistent = "v1-t5b/0", maskedkd = "v1-t5b/1" }, { consistent = "both", maskedkd = "teacher" }

return lab:grid {
    name = "v1-table5b", axes = { method = { "consistent", "maskedkd" } },
    cell = function(c) return lab:run { seed = c.seed, mask = lab:mask("student", { keep = 98, who = who[c.method] }) } end,
    report = { title = "v1 Table 5b: masking the student too", against = { method = "maskedkd" },
        papers = { { table = papers["v1-t5b"], column = "acc_top1_pct", against = id.maskedkd, row = function(c) return id[c.method] end } } },
}
