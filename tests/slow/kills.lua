-- kills: a run killed at 50 random moments and resumed each time ends with the same bits as one that nobody disturbed.
-- bauta lua tests/slow/kills.lua PROGRAM [KILLS]
local here = arg[0]:match "^(.*)/"
package.path = here .. "/../e2e/?.lua;" .. here .. "/../lua/?.lua;" .. package.path
arg[0] = here .. "/../e2e/kills.lua" -- shell looks for tiny.lua beside the script
local compare = require "compare"
local shell = require "shell"
local t = require "harness"

local wanted, settings = tonumber(arg[2] or 50), "--set epochs=90 --threads 1"
local status, out, err = shell.bauta(shell.tiny(settings, "calm"))
t.equal(status, 0, "the undisturbed run; " .. err)

math.randomseed(os.time())
local killed, finished, tries = 0, 0, 0
while killed < wanted and tries < 4 * wanted do
    tries = tries + 1
    local mode = (tries == 1 or finished > 0) and "--restart" or "--resume"
    finished = 0
    local s = shell.sh(("'%s' %s & p=$!; sleep %.3f; kill -KILL $p 2>/dev/null; wait $p"):format(shell.program,
        shell.tiny(settings .. " " .. mode, "storm"), 0.02 + 1.2 * math.random()))
    if s == 137 then killed = killed + 1 else finished = 1 end
    t.check(s == 137 or s == 0, "try %d: status %d", tries, s)
end
print(("%d kills met the run alive, in %d tries"):format(killed, tries))
t.equal(killed, wanted, "kills")
status, out, err = shell.bauta(shell.tiny(settings .. " --resume", "storm"))
t.equal(status, 0, "resumed after the last kill; " .. err)
compare.same_run("calm/tiny", "storm/tiny", ("after %d kills"):format(killed))
shell.clean()
return t.done()
