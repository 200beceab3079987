-- losses: losses with learned parts in whole runs: the same bits for any number of threads and when interrupted and resumed, the exported student
-- free of them, two teachers with losses of their own, and what does not fit refused with one line before the first step.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local compare = require "compare"
local shell = require "shell"
local t = require "harness"

shell.write(shell.folder .. "/script.lua", [[
local bauta = require "bauta"
local p = bauta.params { bauta.string("name", "run", "its name"), bauta.choice("kind", "one", { "one", "two", "token", "wide", "deep", "none" }, "what is returned") }
local data = bauta.data "scenes" { size = 16, train = 64, test = 32 }
local function vit(more)
    local s = { dim = 24, depth = 3, heads = 2, image = 16, patch = 4, classes = data.classes }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch "deit"(s)
end
local s = { name = p.name, data = data, epochs = 2, batch = 16, seed = 5, overlays = 0, student = vit(), optimiser = bauta.optimiser "adamw" { lr = 1e-3 } }
local function ce() return bauta.loss "cross-entropy" {} end
local big, half = vit { dim = 36, depth = 4, heads = 3 }, bauta.mask "student" { keep = 0.5 }
if p.kind == "two" then
    s.teachers = { bauta.teacher { name = "big", model = big, mask = half, losses = { bauta.loss "vitkd" {}, bauta.loss "fitnet" {} } },
        bauta.teacher { name = "twin", model = vit(), losses = { bauta.loss "vitkd" {}, bauta.loss "manifold" {} } } }
    s.losses = { ce() }
    return bauta.distill(s)
end
s.teacher, s.mask = big, half
s.losses = { ce(), bauta.loss "vitkd" {}, bauta.loss "mgd" {}, bauta.loss "fitnet" { layers = "all" }, bauta.loss "manifold" {}, bauta.loss "attention" {} }
if p.kind == "token" then s.losses = bauta.losses("deit-hard", {}) end
if p.kind == "wide" then s.losses = { bauta.loss "vitkd" { generator = "cross-attention", share = 1 } } end
if p.kind == "deep" then s.losses = { ce(), bauta.loss "fitnet" { layers = "0,7" } } end
if p.kind == "none" then s.losses = { ce(), bauta.loss "attention" { teacher_layers = "0" } } end
return bauta.distill(s)
]])

local function run(more, out) return shell.bauta(("run '%s/script.lua' --out '%s/%s' %s"):format(shell.folder, shell.folder, out, more)) end

local status, _, err = run("--threads 1", "a")
t.equal(status, 0, "one thread; " .. err)
status, _, err = run("--threads 2", "b")
t.equal(status, 0, "two threads; " .. err)
compare.same_run("a/run", "b/run", "one and two threads")
t.group "the same bits for any number of threads"

local arguments = ("run '%s/script.lua' --out '%s/c' --threads 1"):format(shell.folder, shell.folder)
t.equal(shell.interrupted(arguments, "c/run/checkpoints/last", 0, "INT"), 130, "interrupted")
status, _, err = run("--threads 1 --resume", "c")
t.equal(status, 0, "resumed; " .. err)
compare.same_run("a/run", "c/run", "interrupted and resumed")
t.group "resumed with the learned parts of losses"

local function names(path)
    local bytes, out = shell.read(shell.folder .. "/" .. path), {}
    for name in bytes:sub(9, 20000):gmatch '"([%w_.]+)":{"dtype"' do out[#out + 1] = name end
    return table.concat(out, " ")
end
local exported = names "a/run/student.safetensors"
t.check(exported:find("blocks.2.mlp.fc2.weight", 1, true) and not exported:find "vitkd" and not exported:find "fitnet" and not exported:find "generator",
    "the exported student: %s", exported)
t.group "the exported student"

status, _, err = run("--set kind=two --set name=two", "d")
t.equal(status, 0, "two teachers; " .. err)
local rows = compare.tables("d/two").train
for _, column in ipairs { "loss_big_vitkd", "loss_big_fitnet", "loss_twin_vitkd", "loss_twin_manifold" } do
    t.check(rows[column] and rows[column][1] > 0, "column %s of %s", column, table.concat(rows.names, " "))
end
t.check(rows.loss_big_vitkd[1] ~= rows.loss_twin_vitkd[1], "each teacher has its own")
t.group "two teachers"

local function refused(kind, sentence)
    local code, out, said = run("--set kind=" .. kind .. " --set name=" .. kind, "e")
    t.equal(code, 2, kind .. ": status; " .. said)
    local _, lines = said:gsub("\n", "")
    t.check(lines == 1 and said:find(sentence, 1, true) and not out:find "epoch 1", "%s: %s", kind, said)
end
refused("token", "plugin hard: head = distillation: student has no distillation token (distilled = true of arch deit or mae gives it one)")
refused("wide", "plugin vitkd: share = 1 hides all 16 patches; cross-attention needs visible ones")
refused("deep", "plugin fitnet: blocks of the student: '7'; it has 3, so 0 to 2, all, last, last-N or first-N expected")
refused("none", "plugin attention: 3 blocks of the student, 1 of the teacher; equal numbers expected")
t.group "refused before the first step"
-- ---- what there is, by name ----
do
    local status, out, err = shell.bauta "recipes"
    t.check(status == 0 and out:find("\n  deit3 ", 1, true) and out:find("\n  deit-soft-code ", 1, true), "recipes and named losses: %s%s", out, err)
    status, out, err = shell.bauta "recipes vitkd"
    t.check(status == 0 and out:find("epochs = 300", 1, true) and out:find("\n  cross-entropy { smoothing = 0.1, weight = 1 } + vitkd\n", 1, true),
        "a name of both: %s%s", out, err)
    status, out, err = shell.bauta "recipes nkd-cnn"
    t.check(status == 0 and out:find("+ nkd { gamma = 1.5 }\n", 1, true), "of a loss: %s%s", out, err)
    status, _, err = shell.bauta "recipes deit-sofd"
    t.check(status == 2 and err:find('no such recipe "deit-sofd"; did you mean deit-soft?', 1, true), "of none: %s", err)
end
t.group "names"

shell.clean()
return t.done()
