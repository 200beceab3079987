-- methods: experiments/methods.lua whole: 50 steps of every method and of every architecture as student and as teacher, the teacher
-- masked and not. Every run is complete and every loss falls.
-- bauta lua tests/slow/methods.lua PROGRAM SCRIPT ['loss=vitkd steps=30']
local here = arg[0]:match "^(.*)/"
package.path = here .. "/../e2e/?.lua;" .. here .. "/../lua/?.lua;" .. package.path
local shell = require "shell"
local t = require "harness"

local status, out, err = shell.bauta(("run '%s' --out '%s/runs' --interval 100000 %s"):format(arg[2], shell.folder,
    (arg[3] or ""):gsub("%S+", "--set %0")))
t.equal(status, 0, "the suite; " .. err)
local report, runs = shell.read(shell.folder .. "/runs/methods/report.txt") or "", 0
for line in report:gmatch "[^\n]+" do
    local name, first, last, falls = line:match "^methods/(%S+)%s+([-%d.]+)%s+([-%d.]+)%s+(%a+)%s+%d+$"
    if name then
        runs = runs + 1
        t.check(falls == "yes" and tonumber(last) < tonumber(first), "%s: the loss goes from %s to %s", name, first, last)
    end
end
t.check(runs >= 3, "%d runs in the report:\n%s%s", runs, out, report)
print(runs .. " runs")
shell.clean()
return t.done()
