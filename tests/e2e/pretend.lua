-- pretend: a distillation on the CUDA device's host code with a pretended runtime (tests/cuda/pretend.h): recorded and replayed steps, pictures sent
-- while a step runs, the CPU's numbers, and the same bits whether the device works as late or as early as it may.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local compare = require "compare"
local shell = require "shell"
local t = require "harness"

local run = compare.student

local cpu, late = run("cpu", "--threads 1"), run("late", "--device pretend")
compare.follows(cpu, late)
t.group "replayed steps give the CPU's losses"

compare.same_run(late, run("early", "--device pretend", "PRETEND_ORDER=early"), "copies as early as may be")
t.group "when copies are made does not show in a bit"

-- FP8: codes are the same bits as the CPU's, sums come in another order.
local narrow = "--set epochs=1 --set student.dim=32 --set teacher.dim=32 --set teacher_precision=fp8 --set teacher_precision.same=0 --set teacher_precision.kl=10 --set teacher_precision.difference=10 "
local a, b = compare.tables(run("cpu8", narrow .. "--threads 1")), compare.tables(run("fp8", narrow .. "--device pretend"))
for i = 1, #a.train.loss_kd do t.near(b.train.loss_kd[i], a.train.loss_kd[i], 5e-3 * (1 + a.train.loss_kd[i]), "distillation of step " .. i) end
t.equal(table.concat(b.fp8.scale, " "), table.concat(a.fp8.scale, " "), "scales")
local status, _, err = shell.sh(("PRETEND_MAJOR=8 '%s' %s"):format(shell.program, shell.tiny("--set kind=suite " .. narrow .. "--device pretend", "old")))
t.check(status == 5 and err:find "a teacher in fp8: this device multiplies no FP8; compute capability 8.9 or later is needed\n$", "compute capability 8.0: %s", err)
t.group "a teacher in FP8, and a device that has none"

shell.clean()
return t.done()
