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

local status, out, err = shell.bauta(("plan '%s/paper.lua' --images 1281167 --nodes"):format(shell.here))
for _, word in ipairs { "teacher sees 98 of 196 patches", "papers' count", "peak memory", "student.backward",
    "whole run, executed", "attention" } do
    t.check(status == 0 and out:find(word, 1, true), "plan says %s", word)
end
status, out = shell.bauta(("plan '%s/tiny.lua' --measure"):format(shell.here))
t.check(status == 0 and tonumber(out:match "time: (%d+) img/s measured on noise, %d+ s for the training" or 0) > 0, "plan --measure: %s", out)
t.equal(shell.read(shell.folder .. "/runs/deit-small/state.json"), nil, "a plan leaves no run")
t.group "plan as text"
-- ---- more than there is ----
local function huge(more) return shell.bauta(("plan '%s/paper.lua' --images 1281167 %s"):format(shell.here, more)) end
local small, middle, large = plan "--batch 32", plan "--batch 64", plan "--batch 65536"
t.check(large.out:find('"continued_from": [', 1, true) and large.out:find('"fits": false', 1, true) and small.out:find('"fits": true', 1, true),
    "a batch that no machine has the memory for: %s", large.out)
t.equal(large.macs, small.macs, "multiply-adds of an image")
local straight = middle.arena + (middle.arena - small.arena) / 32 * (65536 - 64)
t.check(math.abs(large.arena / straight - 1) < 0.01, "its memory: %.0f, wanted about %.0f", large.arena, straight)
status, out = huge "--batch 65536"
t.check(status == 0 and out:find("teacher, papers' convention: 2.255 GFLOPs an image", 1, true), "its plan: %d %s", status, out)
local needed, free = out:match "\ndoes not fit here: ([%d.]+) TiB of ([%d.]+) [MGT]iB that are free; "
t.check(needed and math.abs(tonumber(needed) * 2 ^ 40 / straight - 1) < 0.5 and free, "what it would take: %s", out)
local batch = 64 -- a step needs at most twice what is free: some number of parts fits beside the evaluation of such batches
while (middle.arena - small.arena) / 32 * batch < tonumber(large.out:match '"free": (%d+)') do batch = 2 * batch end
status, out = huge("--batch " .. batch)
local micro = tonumber(out:match "micro = (%d+) would" or "nan")
t.check(status == 0 and micro > 1 and batch % micro == 0, "what would fit: %s", out)
status, out = huge(("--batch %d --set micro=%d"):format(batch, micro))
t.check(status == 0 and not out:find("does not fit here", 1, true), "so many parts do: %s", out)
t.check(not select(2, huge "--batch 4"):find("does not fit", 1, true), "a batch that fits")
t.group "more memory than there is"

-- ---- what is wrong is said with its place ----
local function script(text)
    shell.write(shell.folder .. "/s.lua", "local bauta = require 'bauta'\nlocal data = bauta.data 'scenes' { train = 100, test = 40, size = 16 }\n" ..
        "local function vit(dim, classes) return bauta.arch('deit', { dim = dim, depth = 1, heads = 1, image = 16, patch = 8, classes = classes or 10 }) end\n" .. text)
    return ("'%s/s.lua' --out '%s/runs'"):format(shell.folder, shell.folder)
end
local function refused(text, line)
    local path = script(text)
    for _, verb in ipairs { "plan", "run" } do
        local s, o, e = shell.bauta(verb .. " " .. path)
        t.check(s == 2 and e:find(shell.folder .. "/s.lua:" .. line, 1, true) and not e:gsub("\n$", ""):find "\n", "%s: %d %s", verb, s, e)
        t.check(verb == "run" or o == "", "nothing else is printed: %s", o)
    end
end
refused("return bauta.train { name = 'many', data = data, student = vit(8), epochs = 1, batch = 1000 }", "4: ")
t.equal(shell.read(shell.folder .. "/runs/many/journal.bin"), nil, "a batch that the data cannot fill leaves no folder")
local taught = [[
local function run(name, teacher)
    local e = bauta.distill { name = name, data = data, student = vit(8), teacher = teacher, epochs = 1, batch = 16,
        losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" {} } }
    return e
end
return bauta.suite { name = "su", runs = { run("one", vit(8)), run("two", vit(8, 7)) } }
]]
status, out, err = shell.bauta("plan " .. script(taught))
t.equal(err, ("bauta: %s/s.lua:5: su/two: plugin logit: student has 10 classes, teacher has 7; logit distillation needs equal ones\n"):format(shell.folder),
    "the run of a suite, and its line")
local _, _, run_err = shell.bauta("run " .. script(taught))
t.equal(run_err, err, "and as the run says it")
t.check(status == 2 and out:find("su/one: distill", 1, true) and out:find("\nthe teacher has no weights: it keeps what it was initialised with\n", 1, true),
    "the others, and a teacher without weights: %s", out)
t.group "places"

shell.clean()
return t.done()
