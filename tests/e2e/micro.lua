-- micro: steps in parts: the undivided batch's gradients up to rounding, bits that repeat and resume, memory, refusals.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local compare = require "compare"
local shell = require "shell"
local t = require "harness"

local function run(out, more)
    local status, _, err = shell.bauta(shell.tiny("--threads 1 " .. more, out))
    t.equal(status, 0, out .. ": " .. err)
    return out .. "/tiny"
end

local function close(a, b, tolerance, what)
    local x, y = compare.tables(a).train, compare.tables(b).train
    for _, name in ipairs { "loss", "loss_ce", "loss_kd", "grad_norm", "top1" } do
        t.check(#x[name] > 10 and #x[name] == #y[name], "%s: steps of %s: %d and %d", what, name, #x[name], #y[name])
        for i = 1, #x[name] do
            t.near(y[name][i], x[name][i], tolerance * (1 + math.abs(x[name][i])), ("%s: %s of step %d"):format(what, name, i))
        end
    end
end

-- What does not look across the batch and draws no numbers: the mean of the parts' gradients is the gradient.
local still = "--set student.drop_path=0 "
local whole, halves = run("whole", still), run("halves", still .. "--set micro=2")
close(whole, halves, 1e-4, "two parts")
close(whole, run("single", still .. "--set micro=16"), 1e-4, "a picture a part")
t.check(compare.numbers(whole, "train") ~= compare.numbers(halves, "train"), "it was cut")
t.group "parts add up to the batch"

compare.same_run(run("a", "--set micro=4"), run("b", "--set micro=4 --threads 2"), "again, with two threads")
local long = "--set micro=4 --set epochs=6"
run("c", long)
t.equal(shell.interrupted(shell.tiny("--threads 1 " .. long, "d"), "d/tiny/checkpoints/last", 0, "INT"), 130, "it was stopped before its end")
run("d", long .. " --resume")
compare.same_run("c/tiny", "d/tiny", "resumed")
t.group "the bits repeat, for any number of threads and after an interruption"

-- Weights that rest at first: parts add up in both phases, and a run that was interrupted in the second goes on as it was.
local resting = "--set freeze=head,norm --set epochs=4 --set freeze_epochs=2 "
local rested = run("rested", still .. resting)
local parts = run("parts", still .. resting .. "--set micro=2")
close(rested, parts, 1e-4, "resting weights in two parts")
t.check(compare.numbers(rested, "train") ~= compare.numbers(run("awake", still .. "--set epochs=4"), "train"), "they rested")
compare.same_run(parts, run("rested again", still .. resting .. "--set micro=2 --threads 2"), "resting, again")
local most = "--set freeze=head --set epochs=8 --set freeze_epochs=1 --set micro=4"
run("e", most)
t.equal(shell.interrupted(shell.tiny("--threads 1 " .. most, "f"), "f/tiny/checkpoints/epoch-0002.ckpt", 0, "INT"), 130, "it was stopped where they no longer rest")
run("f", most .. " --resume")
compare.same_run("e/tiny", "f/tiny", "resting, resumed")
t.group "weights that rest"

local function plan(more)
    local status, out, err = shell.bauta(("plan '%s/tiny.lua' --json %s"):format(shell.here, more))
    t.equal(status, 0, "plan: " .. err)
    return tonumber(out:match '"arena": (%d+)'), tonumber(out:match '"total": {.-"macs": ([%d.e+]+)')
end
local arena, macs = plan "--set batch=96"
local small, same = plan "--set batch=96 --set micro=8"
t.check(small < 0.35 * arena, "an eighth of the batch needs %d of %d bytes", small, arena)
t.near(same, macs, 0.01 * macs, "and as many multiply-adds an image")
t.group "plan: less memory, the same work"

local cost, gib = require "bauta.cost", 1024 ^ 3
local said = cost.too_much({ arena = 12 * gib, parts = { { role = "student", peak = 9 * gib }, { role = "teacher", peak = 3 * gib }, { role = "mask", peak = 1 } } }, 5 * gib, 128, 1)
t.equal(said, "no memory: at its peak a step needs 12.00 GiB (student 9.000 GiB, teacher 3.000 GiB), 5.000 GiB are free; a batch of 53 would fit, or micro = 4", "half")
said = cost.too_much({ arena = 12 * gib, parts = {} }, 1, 128, 128)
t.check(said:find("not even a picture at a time would fit", 1, true), "%s", said)
said = cost.too_much({ arena = 12 * gib, parts = {} }, 7 * gib, 96, 2)
t.check(said:find("a batch of 56 would fit, or micro = 4", 1, true), "already in parts: %s", said)
said = cost.too_much({ arena = 12 * gib, parts = {} }, 5 * gib, 128, 1, 4 * gib)
t.check(said:find(', or micro = 4, and with recompute = "blocks" a step needs 4.000 GiB', 1, true), "computing again: %s", said)
said = cost.too_much({ arena = 12 * gib, parts = {} }, 5 * gib, 128, 1, 13 * gib)
t.check(not said:find "recompute", "of no use: %s", said)
t.group "too little memory: what would fit"

for _, case in ipairs { { "micro=3", "micro = 3: a batch of 16 does not fall into so many equal parts" }, { "micro=0", "micro = 0" } } do
    local status, _, err = shell.bauta(shell.tiny("--set " .. case[1], "none"))
    t.equal(status, 2, case[1])
    t.check(err:find(case[2], 1, true), "%s: %s", case[1], err)
end
t.group "refusals"
shell.clean()
return t.done()
