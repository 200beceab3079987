-- pretend: a distillation on the CUDA device's host code with a pretended runtime (tests/cuda/pretend.h): recorded and replayed steps, pictures sent
-- while a step runs, the CPU's numbers, and the same bits whether the device works as late or as early as it may.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local compare = require "compare"
local shell = require "shell"
local t = require "harness"

local function run(name, more, before)
    local status, _, err = shell.sh(("%s '%s' %s"):format(before or "", shell.program, shell.tiny("--set kind=suite " .. more, name)))
    t.equal(status, 0, name .. ": " .. err)
    return name .. "/all/student"
end

local cpu, late = run("cpu", "--threads 1"), run("late", "--device pretend")
for _, name in ipairs { "loss", "loss_ce", "loss_kd", "grad_norm" } do
    local a, b = compare.tables(cpu).train[name], compare.tables(late).train[name]
    t.check(#a > 5 and #a == #b, "as many steps: %d and %d", #a, #b)
    for i = 1, #a do t.near(b[i], a[i], 2e-4 * (1 + math.abs(a[i])), ("%s of step %d"):format(name, i)) end
end
t.group "replayed steps give the CPU's losses"

compare.same_run(late, run("early", "--device pretend", "PRETEND_ORDER=early"), "copies as early as may be")
t.group "when copies are made does not show in a bit"

shell.clean()
return t.done()
