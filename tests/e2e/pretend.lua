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

shell.clean()
return t.done()
