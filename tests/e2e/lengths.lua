-- lengths: runs bound by steps and by minutes: how long they are, that minutes are repeated to the bit by steps, also when they were interrupted,
-- and what excludes each other.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local bauta = require "bauta"
local shell = require "shell"
local t = require "harness"

local function path(p) return shell.folder .. "/" .. p end

-- 8 steps an epoch; a student with everything that a step may change: average, queue, averaged teacher.
shell.write(path "script.lua", [[
local bauta = require "bauta"
local p = bauta.params { bauta.string("mark", "", "the first run without this file makes it and stops") }
local data = bauta.data "scenes" { train = 64, test = 20, size = 16 }
local function vit(dim) return bauta.arch "deit" { dim = dim, depth = 1, heads = 1, image = 16, patch = 8, classes = data.classes } end
return bauta.distill { name = "a", data = data, student = vit(16), batch = 8, seed = 3, ema = 0.9, epochs = 2, schedule = bauta.schedule "cosine-shifted" {}, overlays = 0, probe = 0,
    teachers = {
        bauta.teacher { name = "slow", model = "ema", momentum = 0.5, losses = { bauta.loss "reg" {} } },
        bauta.teacher { name = "other", model = vit(24), mask = bauta.mask "student" { keep = 0.5 }, losses = { bauta.loss "seed" { queue = 32 } } },
    },
    after_epoch = function(run)
        local f = p.mark ~= "" and not io.open(p.mark, "rb") and io.open(p.mark, "wb")
        if f then
            f:close()
            error("interrupted on purpose")
        end
    end }
]])
local function run(out, more) return shell.bauta(("run '%s' --out '%s' %s"):format(path "script.lua", path(out), more)) end
local function result(out) return bauta.rows(path(out .. "/a"), "result") end

-- ---- steps ----
local status, out, err = run("s", "--set steps=11")
local r = status == 0 and result "s"
t.check(r and r.step[1] == 11 and r.epochs[1] == 2, "steps = 11: status %d, %s", status, err)
local train, eval = bauta.rows(path "s/a", "train"), bauta.rows(path "s/a", "eval")
t.equal(train.n, 11, "rows of training")
t.equal(eval.n, 2, "evaluations")
local sum = 0
for i = 9, 11 do sum = sum + train.loss[i] / 3 end
t.near(eval.train_loss[2], sum, 1e-9, "mean loss of an epoch that is cut short")
t.check(train.lr[11] > 0 and train.lr[11] < train.lr[5], "the rate falls until the last step: %g then %g", train.lr[5], train.lr[11])
status = run("e", "--set steps=16")
t.check(status == 0 and run("f", "") == 0 and shell.same("e/a/student.safetensors", "f/a/student.safetensors"), "two epochs are 16 steps")
status, out = shell.bauta(("plan '%s' --set steps=11"):format(path "script.lua"))
t.check(status == 0 and out:find("11 steps (1.38 epochs)", 1, true), "plan of steps: %s", out)
t.group "steps"

-- ---- minutes ----
status, out, err = run("m", "--set minutes=0.005")
local n = tonumber(out:match "(%d+) steps fit into")
t.check(status == 0 and n and n >= 1 and result("m").step[1] == n, "minutes: status %d, %s%s", status, out, err)
t.check(run("n", "--set steps=" .. (n or 0)) == 0 and shell.same("m/a/student.safetensors", "n/a/student.safetensors"), "%s steps repeat the minutes to the bit", n)
status, out, err = run("i", ("--set minutes=0.005 --set mark='%s'"):format(path "mark"))
t.check(status ~= 0 and err:find("interrupted on purpose", 1, true), "interrupted after an epoch: %d %s", status, err)
n = tonumber(out:match "(%d+) steps fit into")
status, out, err = run("i", ("--resume --set minutes=0.005 --set mark='%s'"):format(path "mark"))
t.check(status == 0 and not out:find("fit into", 1, true) and result("i").step[1] == n, "the number of steps stays: %d, %s%s", status, out, err)
t.check(run("j", "--set steps=" .. (n or 0)) == 0 and shell.same("i/a/student.safetensors", "j/a/student.safetensors"), "also of a resumed run")
local rest = " --set freeze=blocks --set freeze_epochs=1"
status, out, err = run("k", "--set minutes=0.03" .. rest)
n = tonumber(out:match "(%d+) steps fit into")
t.check(status == 0 and n and n > 8, "minutes and weights that rest in the first epoch: %d, %s%s", status, out, err)
t.check(run("l", "--set steps=" .. (n or 0) .. rest) == 0 and shell.same("k/a/student.safetensors", "l/a/student.safetensors"), "they rest as long when steps say so")
t.check(not shell.same("k/a/student.safetensors", "m/a/student.safetensors"), "and resting changes what comes out")
status, out = shell.bauta(("plan '%s' --set minutes=5"):format(path "script.lua"))
t.check(status == 0 and out:find("5 minutes", 1, true), "plan of minutes: %s", out)
t.group "minutes"

-- ---- refusals ----
local function refused(more, sentence)
    local status, _, err = run("x", more)
    t.check(status == 2 and err:find(sentence, 1, true), "%s: %d, %s", more, status, err)
end
refused("--set steps=3 --set minutes=1", "steps = 3 and minutes = 1: one of them expected")
refused("--set minutes=1 --set 'teachers.other.mask.keep=0: all, 1: 0.5'", "minutes: how many epochs they hold is not known yet")
refused("--set steps=11 --set schedule.warmup=1.5", "schedule.warmup = 1.5 epochs; the run has 1.375")
refused("--set minutes=0.002 --set schedule.warmup=50000", "schedule.warmup = 50000 epochs; the run has")
refused("--set steps=-1", "steps = -1")
refused("--set steps=11 --set epochs=3", "epochs = 3 has no effect beside steps = 11: one of them expected (steps = 0: not given)")
refused("--set minutes=1 --set epochs=3", "epochs = 3 has no effect beside minutes = 1: one of them expected (minutes = 0: not given)")
t.group "refusals"

shell.clean()
return t.done()
