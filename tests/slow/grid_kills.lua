-- grid_kills: a grid of 40 runs whose scheduler and whose runs are killed at random moments: in the end every run is complete, once, and
-- has the bits of a grid that nobody disturbed. bauta lua tests/slow/grid_kills.lua PROGRAM [KILLS]
local here = arg[0]:match "^(.*)/"
package.path = here .. "/../e2e/?.lua;" .. here .. "/../lua/?.lua;" .. package.path
arg[0] = here .. "/../e2e/grid_kills.lua" -- shell looks for what is beside the script
local bind = require "bauta.bind.run"
local shell = require "shell"
local t = require "harness"

local wanted, settings = tonumber(arg[2] or 20), "--set epochs=12 --set seeds=13 --jobs 2 --threads 2"
local function run(out)
    return ("grid run '%s/grid_tiny.lua' --out '%s/%s' %s"):format(shell.here, shell.folder, out, settings)
end

local function weights(out)
    local sums = {}
    local _, list = shell.sh(("cd '%s/%s/tiny' && ls -1 */student.safetensors"):format(shell.folder, out))
    for name in list:gmatch "[^\n]+" do
        sums[#sums + 1] = name .. " " .. bind.file_digest(("%s/%s/tiny/%s"):format(shell.folder, out, name))
    end
    return table.concat(sums, "\n"), #sums
end

-- Kills the scheduler, or one of its runs, after `delay` seconds. Returns the scheduler's status.
local function disturbed(delay, whom)
    local victim = whom == "scheduler" and "$p" or "$(pgrep -P $p | head -n 1)"
    return (shell.sh(("'%s' %s & p=$!; sleep %.3f; v=%s; [ -n \"$v\" ] && kill -KILL $v 2>/dev/null && echo killed; %swait $p"):format(shell.program,
        run "storm", delay, victim, whom == "scheduler" and "" or "sleep 0.5; kill -KILL $p 2>/dev/null; ")))
end

local status, out, err = shell.bauta(run "calm")
t.equal(status, 0, "the undisturbed grid; " .. err .. out)
local seed = tonumber(os.getenv "BAUTA_SEED") or os.time()
math.randomseed(seed)
print(("seed %d (BAUTA_SEED repeats it)"):format(seed))
local kills = 0
for i = 1, wanted do
    local s = disturbed(0.1 + 1.5 * math.random(), i % 5 == 0 and "run" or "scheduler")
    if s == 137 then kills = kills + 1 end
    t.check(s == 137 or s == 0 or s == 1, "kill %d: status %d", i, s)
end
print(("%d of %d kills met the scheduler alive"):format(kills, wanted))
t.check(2 * kills >= wanted, "%d of %d kills met the scheduler alive; at least half expected, or nothing is tested", kills, wanted)
status, out, err = shell.bauta(run "storm")
t.equal(status, 0, "after the last kill; " .. err .. out)
local calm, n = weights "calm"
local storm, m = weights "storm"
t.equal(n, 40, "runs of the undisturbed grid")
t.equal(m, 40, "every run once")
t.equal(storm, calm, "the same bits")
shell.clean()
return t.done()
