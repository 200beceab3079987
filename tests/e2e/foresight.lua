-- foresight: what is wrong with a run is found before anything of it is on the disk, and before the first run of a suite trains; and what ends a run
-- for its numbers says which.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local bind = require "bauta.bind.run"
local shell = require "shell"
local t = require "harness"

local file = shell.folder .. "/script.lua"
shell.write(file, ([[
local bauta = require "bauta"
local p = bauta.params { bauta.choice("kind", "one", { "one", "suite" }, "what is returned"), bauta.int("layer", -1, -9, 9, "the criterion's"),
    bauta.string("wrong", "", "what is wrong"), bauta.string("weights", "", "the teacher's"), bauta.string("out", "", "whose teacher is named by its file") }
local data = bauta.data "scenes" { size = 16, train = 32, test = 16 }
local function vit(weights) return bauta.arch "deit" { dim = 12, depth = 2, heads = 2, image = 16, patch = 4, classes = 10, weights = weights } end
local spoilt = bauta.loss.define { name = "spoilt", build = function(l) -- the logarithm of a negative number
    return ((l.logits {}:square():mean { axis = -100 } + 1) * -1):log()
end }
local s = { data = data, epochs = 1, batch = 16, overlays = 0, student = vit(), losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" {} } }
if p.wrong == "head" then s.losses[2] = bauta.loss "hard" { head = "distillation" } end
if p.wrong == "nan" then s.losses[2] = spoilt {} end
if p.wrong == "knn" then s.knn = 33 end
if p.wrong == "statistics" then s.losses[2] = bauta.loss "kdep" { statistics = "nosuch.safetensors" } end
if p.wrong == "classes" then s.student = bauta.arch "deit" { dim = 12, depth = 1, heads = 2, image = 16, patch = 4, classes = 7 } end
if p.wrong == "shadow" then s.shadow = { bauta.mask "student" { keep = 0.5, layer = 7 } } end
s.mask = bauta.mask "student" { keep = 0.5, layer = p.layer }
s.name, s.teacher = "one", vit(p.weights ~= "" and p.weights or nil)
if p.kind == "one" then return bauta.distill(s) end
local teacher = bauta.train { name = "teacher", data = data, epochs = 1, batch = 16, student = vit() }
s.name, s.teacher = "student", vit(p.out ~= "" and p.out .. "/all/teacher/student.safetensors" or teacher)
return bauta.suite { name = "all", runs = { teacher, bauta.distill(s) } }
]]))

local function run(more, out) return shell.bauta(("run '%s' --no-preflight --out '%s/%s' %s"):format(file, shell.folder, out, more)) end

-- The sums of all files of a folder, run.lock included.
local function sums(out) return select(2, shell.sh(("cd '%s/%s' && find . -type f | sort | xargs sha256sum"):format(shell.folder, out))) end

local function exists(name) return shell.sh(("test -e '%s/%s'"):format(shell.folder, name)) == 0 end

local deep = "plugin student: student.class_attention of layer 5; 0 to 1 (or -1 for the last) expected"

-- ---- one run ----
local status, out, err = run("", "a")
t.equal(status, 0, "a run: " .. err)
t.check(out:find("complete", 1, true), "it is complete: %s", out)
local before = sums "a"
for _, case in ipairs { { "--set layer=5", 2, ": " .. deep }, { "--set wrong=head", 2, "distillation" }, { "--set wrong=knn", 2, "knn = 33 neighbours of 32" },
    { "--set wrong=statistics", 3, "nosuch.safetensors: No such file" }, { "--set wrong=shadow", 2, "class_attention of layer 7" } } do
    for _, how in ipairs { "--restart", "--resume --accept-changes" } do
        status, out, err = run(case[1] .. " " .. how, "a")
        t.check(status == case[2] and err:find(case[3], 1, true) and not err:gsub("\n$", ""):find "\n", "%s %s: %d %s%s", case[1], how, status, out, err)
        t.equal(sums "a", before, ("%s %s changes nothing"):format(case[1], how))
    end
    status = run(case[1], "fresh")
    t.check(status == case[2] and not exists "fresh", "%s leaves no folder: %d", case[1], status)
end
status, _, err = run("--resume --accept-changes --set student.depth=3 --set epochs=2", "a")
t.check(status == 6 and err:find("student has 32 tensors there, 44 in the model", 1, true) and sums "a" == before, "a checkpoint that does not fit: %d %s", status, err)
status, out, err = run("--resume", "a")
t.check(status == 0 and out:find("complete", 1, true), "and the run is what it was: %d %s%s", status, out, err)
t.group "a mistake and one run"

-- ---- weights ----
local weights = shell.read(shell.folder .. "/a/one/student.safetensors")
local header = 8 + weights:byte(1) + 256 * weights:byte(2) -- the numbers follow
local bad = shell.folder .. "/nan.safetensors"
shell.write(bad, weights:sub(1, header + 64) .. ("\255"):rep(64) .. weights:sub(header + 129))
status, _, err = run(("--set weights='%s'"):format(bad), "fresh")
t.check(status == 3 and err:find("script.lua:17: one: teacher's weights: " .. bad, 1, true) and err:find("NaN", 1, true), "weights that are no numbers: %d %s", status, err)
t.check(not exists "fresh", "they leave no folder")
for _, verb in ipairs { "inspect '%s'", "convert '%s' '" .. shell.folder .. "/converted.safetensors'" } do
    status, out, err = shell.bauta(verb:format(bad))
    t.check(status == 0 and out:find("\npos_embed has 16 NaN: bauta run refuses it\n", 1, true), "%s says it: %d %s%s", verb, status, out, err)
end
status, out = shell.bauta(("inspect '%s/a/one/student.safetensors'"):format(shell.folder))
t.check(status == 0 and not out:find("refuses", 1, true), "and not of sound ones: %s", out)
t.group "weights that cannot be read"

-- ---- a suite ----
status, _, err = run("--set kind=suite --set layer=5", "s")
t.check(status == 2 and err:find("all/student: " .. deep, 1, true), "a mistake in the second run: %d %s", status, err)
status, _, err = run("--set kind=suite --set wrong=classes", "s")
t.check(status == 3 and err:find("all/student: data scenes has 10 classes, the student 7", 1, true), "one of data and student: %d %s", status, err)
t.check(not exists "s", "the first has not begun")
status, _, err = run("--set kind=suite", "s")
t.equal(status, 0, "a suite: " .. err)
before = sums "s"
for _, how in ipairs { "--restart", "--restart-changed", "--accept-changes" } do
    status, _, err = run("--set kind=suite --set layer=5 " .. how, "s")
    t.check(status == 2 and err:find("all/student: " .. deep, 1, true), "a suite and %s: %d %s", how, status, err)
    t.equal(sums "s", before, how .. " changes nothing")
end
status, out, err = run("--set kind=suite", "s")
t.check(status == 0 and out:find("all/teacher: complete, taken", 1, true) and out:find("all/student: complete, taken", 1, true), "and it stands: %d %s%s", status, out, err)
status, out, err = run("--set kind=suite --set layer=0", "s")
t.check(status == 6 and not out:find("teacher", 1, true) and err:find("(run all/student was made with other settings", 1, true), "so is what differs: %d %s%s", status, out, err)
status, out, err = run(("--set kind=suite --set out='%s/file'"):format(shell.folder), "file")
t.equal(status, 0, "a teacher that is named by the file it will leave: " .. out .. err)
t.group "a mistake and a suite"

-- ---- numbers ----
status, _, err = run("--set wrong=nan", "n")
t.check(status == 1 and err:find("one: the loss is nan (loss_spoilt nan) at step 1 (learning rate ", 1, true) and err:find("); there is no checkpoint yet\n", 1, true),
    "a loss that is no number: %d %s", status, err)
t.equal(bind.state(shell.folder .. "/n/one").state, "failed", "its state")
local log = bind.log(shell.folder .. "/n/one")
local train = log:table "train"
log:free()
t.check(train.n == 1 and train.loss_ce[1] == train.loss_ce[1] and train.loss_spoilt[1] ~= train.loss_spoilt[1], "the step's row is in the log")
status, out, err = run("--set wrong=nan --resume", "n")
t.check(status == 1 and out:find("one: failed before its first checkpoint; begun anew", 1, true), "gone on with: %d %s%s", status, out, err)
t.group "a loss that is no number"

shell.clean()
return t.done()
