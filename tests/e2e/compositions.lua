-- compositions: several teachers, masked students, models that rank, keep schedules, as whole runs: what they log, and that a run
-- which was stopped ends with the bits of one which was not.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local shell = require "shell"
local t = require "harness"

local compare = require "compare"
local path, tables, same_run = compare.path, compare.tables, compare.same_run

local function run(kind, out, more)
    return ("run '%s/composed.lua' --set kind=%s --threads 2 --out '%s/%s' %s"):format(shell.here, kind, shell.folder, out, more or "")
end

local function done(kind, more)
    local status, out, err = shell.bauta(run(kind, kind, more))
    t.equal(status, 0, kind .. "; " .. err .. out)
    return tables(kind .. "/run")
end

-- ---- two teachers ----
local two = done("two", "--set epochs=2")
for _, column in ipairs { "loss", "loss_ce", "loss_big_kd", "loss_small_kd", "big_top1", "small_top1" } do
    t.check(two.train[column] and #two.train[column] == 12, "column %s", column)
end
for i = 1, 12 do
    t.near(two.train.loss[i], two.train.loss_ce[i] + two.train.loss_big_kd[i] + two.train.loss_small_kd[i], 1e-4, "the losses sum up")
end
t.check(two.mask.n == 2 and two.mask.teacher[1] == "big" and two.mask.kept[1] == 8, "rows of the one that is masked")
t.check(two.mask.teacher_top1[2] == two.mask.teacher_top1[2], "its accuracy after the last epoch")
t.check(shell.read(path "two/run/report/big-view.png"), "the picture has its name")
t.check(two.documents.configuration:find("teachers.2.weight = 0.5", 1, true), "settings are in the log")
local roles = table.concat(two.cost.role, " ")
t.check(roles:find("teacher.big", 1, true) and roles:find("teacher.small", 1, true), "rows of cost: %s", roles)
t.group "two teachers"

-- ---- who is masked, and a model that ranks ----
for _, kind in ipairs { "student", "both", "guided", "dino", "own", "large", "drawn", "drop", "strategy" } do
    local r = done(kind, "--set epochs=1")
    t.check(r.train.n == 6 and r.mask.kept[1] == 8, "%s: eight patches", kind)
    t.check(r.result.top1[1] == r.result.top1[1], "%s: evaluated", kind)
end
local function role(kind, name)
    local costs = tables(kind .. "/run").cost
    for i, r in ipairs(costs.role) do
        if r == name then return costs.macs[i] end
    end
    return 0
end
t.check(role("own", "teacher_full") > 1.2 * role("own", "teacher"), "the teacher's own criterion costs a full forward pass: %g, %g",
    role("own", "teacher_full"), role("own", "teacher"))
t.check(role("dino", "auxiliary") > 0, "the third model costs")
local reduced = done("tome", "--set epochs=1 --set reducer.r=5")
t.check(reduced.train.n == 6 and reduced.documents.configuration:find("reducer.settings.r = 5", 1, true), "a reducer's settings are in the log")
t.check(role("tome", "teacher") < role("own", "teacher_full"), "and it saves: %g, %g", role("tome", "teacher"), role("own", "teacher_full"))
t.group "masked students, auxiliary models, reducers"

-- ---- a keep schedule, uninterrupted and stopped ----
local whole = done "schedule"
t.equal(table.concat(whole.mask.kept, " "), "16 8 8 4", "kept patches of the epochs")
t.equal(whole.result.kept[1], 4, "the last count is the result's")
for signal, code in pairs { TERM = 85, KILL = 137 } do
    local out = "schedule-" .. signal
    t.equal(shell.interrupted(run("schedule", out), out .. "/run/checkpoints/epoch-0002.ckpt", 0, signal), code, "stopped by " .. signal)
    local status, _, err = shell.bauta(run("schedule", out, "--resume"))
    t.equal(status, 0, "resumed; " .. err)
    same_run("schedule/run", out .. "/run", "stopped by " .. signal)
end
t.group "stopped while the kept patches change"

-- ---- everything at once: averaged teacher, learned parts of a loss, mixing, erasing, two averages ----
local recipe = done "recipe"
t.check(recipe.train.n == 24 and recipe.train.loss_kd[24] > 0, "all steps")
for signal, code in pairs { TERM = 85, KILL = 137 } do
    local out = "recipe-" .. signal
    t.equal(shell.interrupted(run("recipe", out), out .. "/run/checkpoints/epoch-0002.ckpt", 0, signal), code, "stopped by " .. signal)
    local status, _, err = shell.bauta(run("recipe", out, "--resume"))
    t.equal(status, 0, "resumed; " .. err)
    same_run("recipe/run", out .. "/run", "recipe stopped by " .. signal)
end
local exported = shell.read(path "recipe/run/student.safetensors")
t.check(exported and not exported:find("fitnet", 1, true) and exported:find("head.weight", 1, true),
    "what the loss has learned is not exported with the student")
t.group "a run with everything"

-- ---- several views of each picture ----
local seen = done("views", "--set epochs=2")
t.check(seen.train.n == 12 and seen.train.loss_dino[12] > 0 and seen.mask.kept[1] == 8, "a run on views")
for _, column in ipairs { "top1", "top5", "best_top1", "loss" } do
    t.check(seen.eval[column][2] ~= seen.eval[column][2], "a student without a classifier has no %s: %s", column, tostring(seen.eval[column][2]))
end
t.check(seen.train.top1[1] ~= seen.train.top1[1] and seen.result.top1[1] ~= seen.result.top1[1] and seen.result.best_top1[1] ~= seen.result.best_top1[1], "nowhere")
t.check(seen.eval.train_loss[2] > 0 and seen.mask.on_object[2] == seen.mask.on_object[2], "what is no accuracy is there")
local code, said, complaint = shell.bauta(run("views", "views", "--set epochs=2 --resume"))
t.check(code == 0 and said:find("run: complete, no classifier, ", 1, true), "said: %s%s", said, complaint)
code, said, complaint = shell.bauta(("eval '%s'"):format(path "views/run"))
t.check(code == 2 and complaint:find("no classifier: arch dino gives 24 numbers, and data scenes has 10 classes; --protocol knn or linear judges features", 1, true),
    "eval: %d %s", code, complaint)
code, said, complaint = shell.bauta(("eval '%s' --protocol knn --checkpoint best"):format(path "views/run"))
t.check(code == 3 and complaint:find("--checkpoint best: the run has none", 1, true), "no best one: %d %s", code, complaint)
code, said, complaint = shell.bauta(("eval '%s' --protocol knn --neighbours 5 --checkpoint last --part average"):format(path "views/run"))
t.check(code == 0 and said:find("k-NN top-1", 1, true), "by neighbours: %s%s", said, complaint)
t.equal(shell.interrupted(run("views", "views-KILL", "--set epochs=2"), "views-KILL/run/checkpoints/epoch-0001.ckpt", 0, "KILL"), 137, "killed")
local ended, _, trouble = shell.bauta(run("views", "views-KILL", "--set epochs=2 --resume"))
t.equal(ended, 0, "resumed; " .. trouble)
same_run("views/run", "views-KILL/run", "views, killed")
t.group "views"

-- ---- a teacher that is worse than its card says ----
local status, out, err = shell.bauta(run("expect", "expect", "--set epochs=1"))
t.check(status == 3, "status %d: %s", status, err)
t.check(err:find("the teacher is right about", 1, true) and err:find("its card says 99.5 (expect), tolerance 1.0 (--no-preflight goes on", 1, true)
    and not err:find("\n.", 1, false), "one line: %s", err)
status, out, err = shell.bauta(run("expect", "expect", "--set epochs=1 --no-preflight --restart"))
t.equal(status, 0, "--no-preflight; " .. err)
status, out, err = shell.bauta(run("expect", "expect2", "--set epochs=1 --set preflight=0"))
t.equal(status, 0, "preflight = 0; " .. err)
-- what the file itself says; a file that says more than it holds
local function one_line(what, more, want)
    status, out, err = shell.bauta(run(what, what .. #(more or ""), "--set epochs=1 " .. more))
    t.check(status == 3 and err:find(want, 1, true) and err:find("(--no-preflight goes on all the same)", 1, true) and not err:find("\n.", 1, false),
        "%s: status %d, one line: %s", what, status, err)
end
status, out, err = shell.bauta(run("card", "card", "--set epochs=1"))
t.equal(status, 0, "as good as its file says; " .. err)
local function edited(text, to)
    local file = io.open(path(to), "wb")
    local header = text:sub(9, 8 + text:byte(1) + 256 * text:byte(2)):gsub('("top1":)"[%d.]+"', '%1"99.5"')
    file:write(string.char(#header % 256, math.floor(#header / 256)), text:sub(3, 8), header, text:sub(9 + text:byte(1) + 256 * text:byte(2)))
    file:close()
    return path(to)
end
local file = edited(shell.read(path "card/teacher/student.safetensors"), "edited.safetensors")
one_line("card", "--set runs.run.teacher.weights=" .. file, "its file says 99.5 (top1), tolerance 1.0")
status, out, err = shell.bauta(run("card", "card-test", "--set epochs=1 --set data.test=50 --set runs.run.teacher.weights=" .. file))
t.equal(status, 0, "its file speaks of other pictures; " .. err)
status, out, err = shell.bauta(run("restless", "restless", "--set epochs=1"))
t.check(status == 0 and out:find "run: the teacher is right about [^\n]*; in training mode, as it teaches %(teacher_training, drop_path 0%.9%), about %d+%.%d %%\n",
    "a teacher in training mode: %s%s", out, err)
status, out, err = shell.bauta(run("others", "others", "--set epochs=1"))
t.check(status == 0 and out:find("run: the teacher has 7 outputs, the student 10 classes: not judged on test pictures\n", 1, true), "other classes: %s%s", out, err)
one_line("others", "--set runs.run.teacher.expect=90", "the teacher has 7 outputs, the student 10 classes: what its card says, 90.0 (expect), cannot be judged")
status, out, err = shell.bauta(run("recipe", "average", "--set epochs=1 --set teacher_training=true"))
t.check(status == 0 and out:find("run: the teacher teaches in training mode (teacher_training, drop_path 0.1)\n", 1, true), "an average in training mode: %s%s", out, err)
t.group "preflight"

-- ---- what a student's file says of its accuracy ----
local top1 = require("bauta.archive").rows(path "card/run", "eval").top1
local file_says = ("  tested = scenes { clutter = 0.4, seed = 0, size = 16, test = 40, train = 96, turn = 20 } as 16x16\n  top1 = %.10g\n"):format(top1[#top1])
for _, name in ipairs { "student.safetensors", "student-last.safetensors" } do
    if name == "student-last.safetensors" then
        status, out, err = shell.bauta(("export '%s'"):format(path "card/run"))
        t.equal(status, 0, "export; " .. err)
    end
    status, out, err = shell.bauta(("inspect '%s/%s'"):format(path "card/run", name))
    t.check(status == 0 and out:find(file_says, 1, true), "%s says: %s%s", name, out, err)
end
t.group "what a student's file says of itself"

local _, plan = shell.bauta(("plan '%s/composed.lua' --set kind=schedule --images 96"):format(shell.here))
t.check(plan:find("teacher sees 16 of 16, from epoch 1 8, from epoch 3 4 patches", 1, true), "plan: %s", plan)
t.group "keep schedules"

shell.clean()
return t.done()
