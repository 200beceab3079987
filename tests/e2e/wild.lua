-- wild: plugins that are accepted and crash, hang, end the process or change what belongs to all of it: one line that names the plugin and
-- what it was doing, exit status 4. Data do so while a run goes on, which says why it failed and can be resumed; criteria while the runs are described,
-- before anything is on the disk.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local shell = require "shell"
local t = require "harness"
local sanitized = arg[3] == "sanitized" -- AddressSanitizer catches crashes itself

shell.write(shell.folder .. "/wild.lua", [[
local bauta = require "bauta"
local p = bauta.params { bauta.string("mask", "", ""), bauta.string("data", "tame", ""), bauta.int("at", 5, -1, 100, ""),
    bauta.string("name", "wild", "") }
local vit = bauta.arch "deit" { dim = 24, depth = 2, heads = 2, image = 16, patch = 4, classes = 10, drop_path = 0 }
return bauta.distill { name = p.name, data = bauta.data "wild-data" { how = p.data, at = p.at, augment = "none" }, student = vit,
    teacher = vit, epochs = 2, batch = 8, losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" {} },
    mask = p.mask == "" and bauta.mask "student" { keep = 0.5 } or bauta.mask "wild-mask" { keep = 0.5, how = p.mask } }
]])

local function run(name, more)
    return shell.sh(("BAUTA_PLUGIN_PATH='%s' '%s' run '%s/wild.lua' --out '%s/runs' --plugin-timeout 1 --set name=%s %s"):format(
        arg[2], shell.program, shell.folder, shell.folder, name, more))
end

local function state(name) return (shell.read(("%s/runs/%s/state.json"):format(shell.folder, name)) or ""):gsub("%s+", " ") end

-- want: the line.
local function ends(how, kind, want)
    local name = kind .. "-" .. how
    local status, _, err = run(name, ("--set %s=%s"):format(kind, how))
    local line = err:gsub("\n$", "")
    t.equal(status, 4, name .. ": status")
    t.check(line:find("^bauta: " .. want .. "$"), "%s: one line expected, got %s", name, line)
    if kind == "mask" then
        t.check(shell.sh(("test -e '%s/runs/%s'"):format(shell.folder, name)) ~= 0, "%s: nothing is begun", name)
        return
    end
    local s, reason = state(name), line:match "plugin wild.*"
    t.check(s:find('"state": "failed"', 1, true) and s:find('"exit_code": 4', 1, true) and reason and
        s:find('"reason": "' .. reason .. '"', 1, true), "%s: its state says so: %s", name, s)
    local left = shell.sh(("ls -A '%s/runs/%s' | grep -c -e '.tmp$' -e reserve"):format(shell.folder, name))
    t.equal(left, 1, name .. ": nothing temporary is left")
end

for how, signal in pairs { segv = "SIGSEGV", abort = "SIGABRT", divide = "SIGFPE", overflow = "SIGSEGV" } do
    if sanitized then t.skip("crash by " .. how, "AddressSanitizer has its own handler")
    else
        ends(how, "mask", "plugin wild%-mask: killed by " .. signal .. " in score")
        ends(how, "data", "plugin wild%-data: killed by " .. signal .. " in read of sample 5 %(step %d+%)")
    end
end
ends("hang", "mask", "plugin wild%-mask: not back after 1 s %(%-%-plugin%-timeout%) from score")
ends("hang", "data", "plugin wild%-data: not back after 1 s %(%-%-plugin%-timeout%) from read of sample 5 %(step %d+%)")
ends("exit", "mask", "plugin wild%-mask: ended the process in score")
ends("exit", "data", "plugin wild%-data: ended the process in read of sample 5 %(step %d+%)")
t.group "crashes, endless calls, exits"

for how, what in pairs { locale = "the locale", rounding = "the floating%-point mode", folder = "the working folder",
    handler = "signal handlers", closes = "the standard descriptors %(one was closed or opened%)" } do
    ends(how, "mask", ".*plugin wild%-mask: score changed " .. what .. ", which belongs to the whole process")
end
t.group "manners"

if not sanitized then
    local status = run("later", "--set at=-1 --set epochs=1")
    t.equal(status, 0, "a tame run")
    run("again", "--set epochs=2 --set at=-1 --set data=segv") -- sample -1 is never read
    t.check(state "again":find '"state": "complete"', "a run whose plugin never does its harm is complete: %s", state "again")
    run("broken", "--set data=segv")
    t.check(state "broken":find '"state": "failed"', "a run that crashed: %s", state "broken")
    local s, _, err = run("broken", "--set data=tame --resume --accept-changes")
    t.check(s == 0 and state "broken":find '"state": "complete"', "resumed with a plugin that does not: %s %s", err, state "broken")
end
t.group "afterwards"

shell.clean()
return t.done()
