-- ECCV Figure 2, right: accuracy of the student, and of the teacher on what it is shown, against the patches that are kept.
-- DeiT-S -> DeiT-Ti. The numbers are patches of 196; a smaller scale keeps the same share of its own.
local papers = require "papers.maskedkd"
local lab = require "lab" { teacher = "small", student = "tiny" }

local t = papers["eccv-fig2-right"]
local kept, id = {}, {}
for i, row in ipairs(t.rows) do kept[i], id[row[1]] = row[1], row.id end
if lab.p.scale == "smoke" then kept = { 196, 98, 49, 30 } end

local function series(y, label) return lab:papers { { table = t, x = "patches_kept", y = y, label = label } } end
local function row(c) return id[c.keep] end

return lab:grid {
    name = "figure2", axes = { keep = kept },
    cell = function(c) return lab:run { seed = c.seed, mask = lab:mask("student", { keep = c.keep }) } end,
    report = { title = "ECCV Figure 2: accuracy against kept patches", against = { keep = 196 }, metrics = { "top1", "teacher_top1", "teacher_papers" },
        curves = { { x = "keep", y = "top1", title = "Student", papers = series("student_top1_pct", "measured") },
            { x = "keep", y = "teacher_top1", title = "Teacher on what it is shown", papers = series("teacher_top1_pct", "measured") } },
        papers = { { table = t, column = "student_top1_pct", metric = "top1", row = row, against = id[196] },
            { table = t, column = "teacher_top1_pct", metric = "teacher_top1", row = row, against = id[196] } } },
}
