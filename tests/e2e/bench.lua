-- bench: the timings run, say what they promise, and refuse what makes no sense. The figures themselves are no test's business.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local shell = require "shell"
local t = require "harness"

local small = " --image 32 --patch 8 --batch 2 --steps 2 --threads 1 --classes 10"

local function number(text, name) return tonumber(text:match('"' .. name .. '": ([%-%d%.e+]+)')) end

local status, out, err = shell.bauta("bench mask --teacher-size tiny --keep 4 --json" .. small)
t.equal(status, 0, "bench mask: " .. err)
t.equal(number(out, "kept"), 4, "kept")
t.equal(number(out, "patches"), 16, "patches")
t.check(out:find('"same": true', 1, true), "the criterion in Lua builds the step that the one in C builds: %s", out)
t.check((number(out, "ideal") or 0) > 1.2 and (number(out, "ideal") or 9) < 2, "fewer FLOPs with 4 of 16 patches: %s", out)
for _, name in ipairs { "eta", "speedup", "saliency_percent", "lua_percent", "random_percent" } do
    t.check(number(out, name), "%s is a number: %s", name, out)
end
t.check(number(out, "saliency_percent") > 0 and number(out, "saliency_percent") < 50, "a share: %s", out)
status, out = shell.bauta("bench mask --teacher-size tiny" .. small)
t.check(status == 0 and out:find("student %(Lua%) +8 of 16") and out:find("eta = ", 1, true), "as text: %s", out)
t.group "bench mask"

status, out, err = shell.bauta "bench loader --seconds 0.1 --image 16 --batch 8 --threads 2"
t.check(status == 0 and out:find("scenes: read and decoded %d+ img/s") and out:find("with 2 threads", 1, true), "bench loader: %s%s", out, err)
status, out = shell.bauta "bench loader --seconds 0.1 --image 16 --batch 8 --threads 2 --json"
t.check(status == 0 and (number(out, "read_per_s") or 0) > 0 and (number(out, "kept_images_per_s") or 0) > 0, "as JSON: %s", out)
for _, what in ipairs { "step", "ops", "teacher" } do
    status, out, err = shell.bauta(("bench %s --teacher-size tiny%s"):format(what, small))
    t.check(status == 0 and #out > 20, "bench %s: %s%s", what, out, err)
end
t.group "the others"

local function fails(want, arguments)
    local s, _, e = shell.bauta(arguments)
    t.check(s == want and not e:gsub("\n$", ""):find "\n" and e:find "^bauta: ", "%s: status %d, wanted %d: %s", arguments, s, want, e)
end
fails(2, "bench nothing")
fails(2, "bench mask --keep 0" .. small)
fails(2, "bench mask --keep 17" .. small)
fails(2, "bench mask --keep half" .. small)
fails(4, "bench loader --source nosuch")
fails(3, "bench loader --data /nonexistent")
fails(2, "bench step --size enormous" .. small)
t.group "refused"
shell.clean()
return t.done()
