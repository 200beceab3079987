-- The grid of the results page: which patches should the teacher see? One teacher, trained once; seven criteria by three seeds at half
-- of the patches, the student's own criterion at 25, 50, 75 and 100 %, and a student without a teacher, on CIFAR-10 with small models:
--
--   bauta grid plan experiments/maskedkd/small.lua --scale small --data cifar10.tar.gz
--   bauta grid run experiments/maskedkd/small.lua --scale small --data cifar10.tar.gz --jobs 2
--   bauta grid report experiments/maskedkd/small.lua --scale small --data cifar10.tar.gz
local papers = require "papers.maskedkd"
local lab = require "lab" { teacher = "small", student = "tiny" }

-- Name of a cell, its criterion and settings, patches kept of 196.
local cells = {
    student = { "student", { keep = 98 } }, random = { "random", { keep = 98 } }, ["bottom-k"] = { "bottom-k", { keep = 98 } },
    teacher = { "teacher", { keep = 98 } }, first = { "student", { keep = 98, layer = "first" } },
    middle = { "student", { keep = 98, layer = "middle" } }, patches = { "student", { keep = 98, source = "patches" } },
    both = { "student", { keep = 98, who = "both" } }, masked = { "student", { keep = 98, who = "student" } },
    ["student-25"] = { "student", { keep = 49 } }, ["student-75"] = { "student", { keep = 147 } }, none = { "none", { keep = 196 } },
}
local names = { "student", "teacher", "middle", "first", "patches", "random", "bottom-k", "both", "masked", "student-25", "student-75",
    "none", "alone" }

-- Rows of the papers' tables that say the same.
local rows = {
    ["v1-t5c"] = { student = "v1-t5c/1", random = "v1-t5c/0", ["bottom-k"] = "v1-t5c/2" },
    ["eccv-t6b"] = { student = "eccv-t6b/12", middle = "eccv-t6b/6", first = "eccv-t6b/1" },
    ["v1-t5d"] = { student = "v1-t5d/0", patches = "v1-t5d/1" },
    ["v1-t5b"] = { student = "v1-t5b/1", both = "v1-t5b/0" },
    ["eccv-fig2-right"] = { none = "eccv-fig2-right/0", student = "eccv-fig2-right/5", ["student-25"] = "eccv-fig2-right/8" },
}

local function paper(id, column, against)
    return { table = papers[id], column = column, against = rows[id][against], row = function(c) return rows[id][c.mask] end }
end

return lab:grid {
    name = "small", axes = { mask = names },
    cell = function(c)
        if c.mask == "alone" then return lab:run { seed = c.seed, without = true } end
        return lab:run { seed = c.seed, mask = lab:mask(unpack(cells[c.mask])) }
    end,
    report = {
        title = "Which patches should the teacher see?", against = { mask = "student" },
        metrics = { "top1", "best_top1", "teacher_top1", "on_object", "teacher_papers" },
        text = "student: the last layer's class attention, half of the patches; first, middle: other layers; patches: attention among " ..
            "patches; both: the student predicts from the kept patches too; masked: the student does, the teacher sees all; none: plain " ..
            "distillation; alone: no teacher.",
        curves = { { y = "top1", title = "Test accuracy" }, { y = "top1", minus = { mask = "alone" }, title = "Gain over training without a teacher" },
            { y = "probe.teacher_top1", title = "Teacher on what it is shown, probe pictures" },
            { y = "probe.agreement", title = "Student and teacher name the same class, probe pictures" } },
        maps = { { of = "frequency" } },
        papers = { paper("v1-t5c", "acc_top1_pct", "student"), paper("eccv-t6b", "acc_top1_pct", "student"),
            paper("v1-t5d", "acc_top1_pct", "student"), paper("v1-t5b", "acc_top1_pct", "student"),
            paper("eccv-fig2-right", "student_top1_pct", "none") },
    },
}
