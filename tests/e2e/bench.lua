-- bench: the timings run, say what they promise, and refuse what makes no sense. The figures themselves are no test's business.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local shell = require "shell"
local t = require "harness"

local small = " --image 32 --patch 8 --batch 2 --steps 2 --threads 1 --classes 10 --rough" -- no test streams what only machines of fast memory stream

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

status, out, err = shell.bauta "bench loader --seconds 0.1 --image 16 --batch 8 --threads 2 --source scenes"
t.check(status == 0 and out:find("scenes: decoded whole [%d.]+ ms of a core, %d+ img/s") and out:find("2 threads", 1, true) and not out:find "nan", "bench loader: %s%s", out, err)
for _, way in ipairs { "decoded each time", "packed, raw", "packed, raw, shorter side 18", "kept in memory" } do
    local ms, core, share, all = out:match("  " .. way:gsub("%p", "%%%0") .. " +([%d.]+) +(%d+) +([%d.]+) %% +(%d+)\n")
    t.check(tonumber(core or 0) > 0 and tonumber(all) > 0 and math.abs(tonumber(share) - 12000 / tonumber(core)) < 0.1 + 0.02 * tonumber(share),
        "%s: %s ms, %s", way, ms or "no", out)
end
status, out = shell.bauta "bench loader --seconds 0.1 --image 16 --batch 8 --threads 1 --json --rate 7"
t.check(status == 0 and out:find("JPEG of 500x375", 1, true) and (number(out, "decoded_ms") or 0) > 0 and number(out, "rate") == 7, "as JSON: %s", out)
t.group "bench loader"

-- Every timing of a device passes the gate and measures its ceilings first, and says both.
local function head(what, text)
    for _, line in ipairs { "^cpu: ", "\ngate: operations within", "\nceilings: products [%d.]+ GFLOP/s %(fp32.*; all of them roughly\n", "load: other processes" } do
        t.check(text:find(line), "bench %s says %s: %s", what, line, text)
    end
end

local function shares(what, text, names)
    for _, name in ipairs(names) do
        local v = number(text, name)
        t.check(v and v > 0 and v < 1e4, "bench %s: %s is a share: %s", what, name, tostring(v))
    end
end

status, out, err = shell.bauta("bench step" .. small)
t.check(status == 0 and out:find("img/s: median", 1, true) and out:find("roofline: ", 1, true), "bench step: %s%s", out, err)
head("step", out)
status, out = shell.bauta("bench step --keep 4 --json" .. small)
t.equal(status, 0, "with a teacher")
t.equal(number(out, "kept"), 4, "kept")
shares("step", out, { "mfu", "mfu_executed", "roofline" })
t.check(number(out, "mfu") > number(out, "mfu_executed"), "what is left out gets no credit in the one, and is not there in the other: %s", out)
t.check(number(out, "ideal") > 1 and number(out, "ideal_r") > 1 and number(out, "eta") and number(out, "eta_r"), "what masking realises: %s", out)
t.check(number(out, "loss") < number(out, "loss_first"), "the loss has fallen")
local memory = out:match '"memory": (%b{})'
t.equal(number(memory, "device") >= number(memory, "arena") + number(memory, "variables"), true, "the device's buffers: " .. memory)
t.check(number(memory, "device") < 1.02 * (number(memory, "arena") + number(memory, "variables")), "and no more than planned: %s", memory)
t.check(number(memory, "process") > number(memory, "device"), "the process has them too: %s", memory)
status, out = shell.bauta("bench step --size 16/2/2 --teacher-size 24/1/3 --keep 4" .. small)
t.check(status == 0 and out:find("deit 16/2/2 <- deit 24/1/3 at 4 of", 1, true), "bench step, models by dim, depth and heads: %s", out)
status, out, err = shell.bauta("bench step --recompute" .. small)
t.check(status == 0 and out:find("img/s: median", 1, true), "bench step --recompute: %s%s", out, err)
t.group "bench step"

status, out, err = shell.bauta("bench ops --keep 4" .. small)
t.check(status == 0 and out:find "student linear +%d+ +[%d.]+ +[%d.]+ %%" and out:find "teacher attention", "bench ops: %s%s", out, err)
head("ops", out)
status, out = shell.bauta("bench ops --json" .. small)
local floor, seconds = 0, 0
for one in out:match('"operations": (%b[])'):gmatch "%b{}" do
    floor, seconds = floor + number(one, "floor"), seconds + number(one, "seconds")
    t.check(one:find '"bound": "products"' or one:find '"bound": "memory"', "what it waits for: %s", one)
end
t.near(floor, number(out:gsub('"operations": %b[]', ""), "floor"), 1e-9, "the floors add up")
t.near(seconds, number(out:gsub('"operations": %b[]', ""), "seconds"), 1e-9, "and the seconds")
t.group "bench ops"

status, out, err = shell.bauta("bench teacher --teacher-size tiny" .. small)
t.check(status == 0 and out:find "16 of 16" and out:find "12 of 16" and out:find "8 of 16" and out:find "\n *4 of 16", "bench teacher: %s%s", out, err)
head("teacher", out)
status, out = shell.bauta("bench teacher --teacher-size tiny --json" .. small)
local before
for one in out:match('"keeps": (%b[])'):gmatch "%b{}" do
    local macs = number(one, "macs")
    t.check(not before or macs < before, "fewer patches, fewer MACs: %s", one)
    shares("teacher", one, { "mfu_executed", "roofline", "speedup" })
    before = macs
end
t.check(before, "it has rows: %s", out)
t.group "bench teacher"

-- What is dumped for a peer is what the step begins with and makes: dumped twice, the same bytes.
local folder = shell.folder .. "/dump"
for _, n in ipairs { 1, 2 } do
    status, out, err = shell.bauta(("bench step --teacher-size tiny --keep 4 --dump '%s%d'%s"):format(folder, n, small))
    t.equal(status, 0, "bench step --dump: " .. err)
end
for _, name in ipairs { "student.safetensors", "teacher.safetensors", "images.1.u8", "images.3.u8", "facts.json" } do
    t.check(shell.same("dump1/" .. name, "dump2/" .. name), "%s is the same", name)
end
t.equal(#shell.read(folder .. "1/images.2.u8"), 2 * 32 * 32 * 3, "bytes of a batch")
local facts = shell.read(folder .. "1/facts.json")
t.check(#facts:match('"first_kept": %[(.-)%]'):gsub("[^,]", "") == 2 * 4 - 1 and number(facts, "grad_norm") > 0, "facts: %s", facts)
t.group "bench step --dump"


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
fails(2, "bench step --keep 17" .. small)
fails(2, "bench step --precision fp8" .. small)
fails(2, "bench step --dump /nonexistent/folder" .. small)
t.group "refused"
shell.clean()
return t.done()
