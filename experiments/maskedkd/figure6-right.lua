-- ECCV Figure 6, right: the teacher sees some of the patches, or the student does. DeiT-S -> DeiT-Ti; patches of 196.
local papers = require "papers.maskedkd"
local lab = require "lab" { teacher = "small", student = "tiny" }

local t = papers["eccv-fig6c"]
local kept, id = {}, {}
for i, row in ipairs(t.rows) do kept[i], id[row[1]] = row[1], row.id end
if lab.p.scale == "smoke" then kept = { 196, 98, 50 } end

local column = { teacher = "student_top1_teacher_masked", student = "student_top1_student_masked" }

local function paper(who)
    return { table = t, column = column[who], against = id[196],
        row = function(c) return (c.who == who or c.keep == 196) and id[c.keep] or nil end }
end

return lab:grid {
    name = "figure6-right", axes = { who = { "teacher", "student" }, keep = kept }, order = { "who", "keep", "seed" },
    skip = function(c) return c.who == "student" and c.keep == 196 end,
    cell = function(c) return lab:run { seed = c.seed, mask = lab:mask("student", { keep = c.keep, who = c.who }) } end,
    report = { title = "ECCV Figure 6, right: masking the teacher or the student", against = { who = "teacher" },
        curves = { { x = "keep", y = "top1", title = "Student against kept patches", papers = lab:papers {
            { table = t, x = "patches_kept", y = column.teacher, label = "teacher" },
            { table = t, x = "patches_kept", y = column.student, label = "student" } } } },
        papers = { paper "teacher", paper "student" } },
}
