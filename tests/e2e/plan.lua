-- plan: the papers' cost columns, before a step runs: DeiT-S and DeiT-B teachers at 224 px, 300 epochs of ImageNet.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local shell = require "shell"
local t = require "harness"

local function plan(more)
    local status, out, err = shell.bauta(("plan '%s/paper.lua' --images 1281167 --json %s"):format(shell.here, more))
    t.equal(status, 0, "plan: " .. err)
    local teacher = out:match('"teacher": (%b{})') or ""
    local function number(name) return tonumber(teacher:match('"' .. name .. '": ([%d.e+]+)') or "nan") end
    return { papers = number "papers", macs = number "macs", kept = tonumber(out:match('"kept": (%d+)')),
        arena = tonumber(out:match('"arena": (%d+)')), out = out }
end

-- GFLOPs an image, PFLOPs of 300 epochs; within 0.3 % of what the papers print.
for _, row in ipairs { { "all", "small", 4.608, 1770 }, { "75%", "small", 3.338, 1282 }, { "50%", "small", 2.255, 866 },
    { "25%", "small", 1.145, 440 },
    { "50%", "base", 8.715, 3349 } } do
    local p = plan(("--set keep=%s --set teacher=%s"):format(row[1], row[2]))
    local name = ("DeiT %s at %s"):format(row[2], row[1])
    t.near(p.papers / 1e9, row[3], 0.003 * row[3], name .. ", GFLOPs")
    t.near(p.papers * 300 * 1281167 / 1e15, row[4], 0.003 * row[4], name .. ", PFLOPs")
    t.check(p.macs < p.papers, "%s: what is executed is cheaper", name)
    t.check(p.arena > 1e6, "%s: memory", name)
end
t.equal(plan("--set keep=75%").kept, 144, "75 % of the papers")
t.group "the papers' costs"

local status, out = shell.bauta(("plan '%s/paper.lua' --images 1281167 --nodes"):format(shell.here))
for _, word in ipairs { "teacher sees 98 of 196 patches", "papers' count", "peak memory", "student.backward",
    "whole run, executed", "attention" } do
    t.check(status == 0 and out:find(word, 1, true), "plan says %s", word)
end
status, out = shell.bauta(("plan '%s/tiny.lua' --measure"):format(shell.here))
t.check(status == 0 and tonumber(out:match "time: (%d+) img/s measured on noise, %d+ s for the training" or 0) > 0, "plan --measure: %s", out)
t.equal(shell.read(shell.folder .. "/runs/deit-small/state.json"), nil, "a plan leaves no run")
t.group "plan as text"
shell.clean()
return t.done()
