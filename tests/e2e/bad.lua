-- bad: training pictures that cannot be read: a run that stops, one that replaces them, one that leaves them out; bit for bit with any number of
-- threads, after a kill and after a stop; what the log says; what is refused.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local compare = require "compare"
local shell = require "shell"
local t = require "harness"

local path, tables, same_run = compare.path, compare.tables, compare.same_run

-- ---- two trees of one name, which the weights tell (tested): 18 training pictures, three of them cut off, and the 15 others alone ----
local picture, few = path "picture.png", {}
for i = 0, 3 do
    local status, _, err = shell.bauta(("mask show %d --data scenes:size=32:train=8:test=8 --student deit:dim=24:depth=1:heads=2:image=32:patch=8 --out '%s'"):format(i, picture))
    t.equal(status, 0, "a picture: " .. err)
    few[i] = shell.read(picture)
end
local cut = { [2] = true, [9] = true, [16] = true }
local function write(tree, split, class, i, text)
    shell.sh(("mkdir -p '%s'"):format(path(("%s/%s/%s"):format(tree, split, class))))
    shell.write(path(("%s/%s/%s/%02d.png"):format(tree, split, class, i)), text)
end
for i = 0, 17 do
    local class, whole = i < 9 and "a" or "b", few[i % 4]
    write("tree", "train", class, i, cut[i] and whole:sub(1, -30) or whole)
    if not cut[i] then write("good/tree", "train", class, i, whole) end
end
for i = 0, 3 do
    for _, tree in ipairs { "tree", "good/tree" } do write(tree, "test", i < 2 and "a" or "b", i, few[i]) end
end
shell.write(path "script.lua", [[
local bauta = require "bauta"
local data = bauta.data "images" { path = arg.data, augment = "crop" }
local function vit(dim) return bauta.arch "deit" { dim = dim, depth = 1, heads = 2, image = 48, patch = 16, classes = data.classes } end
return bauta.distill { name = "run", data = data, student = vit(24), teacher = vit(24), losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" {} },
    optimiser = bauta.optimiser "adamw" { lr = 1e-3 }, epochs = 3, batch = 3, seed = 5 }
]])
local function run(out, more, tree)
    return ("run '%s' --data '%s' --out '%s' %s"):format(path "script.lua", path(tree or "tree"), path(out), more or "")
end
local function events(out)
    local list, e = {}, require("bauta.archive").rows(path(out .. "/run"), "events")
    for i, kind in ipairs(e.kind) do
        if kind == "bad" then list[#list + 1] = e.text[i] end
    end
    return list
end

-- ---- stop ----
local status, out, err = shell.bauta(run "stop")
t.check(status == 3 and err:find("train/[ab]/%d%d.png: ") and select(2, err:gsub("\n", "\n")) == 1, "the first one ends the run: %d %s", status, err)
t.group "stop"

-- ---- replace ----
status, out, err = shell.bauta(run("one", "--set data.bad=replace --threads 1"))
t.equal(status, 0, "replaced; " .. err)
local b = tables("one/run").bad
t.equal(b and b.n, 9, "three pictures in each of three epochs")
local times, right = {}, true
for i = 1, b.n do
    local want = ("%02d.png"):format(b.sample[i])
    right = right and cut[b.sample[i]] and not cut[b.instead[i]] and b.instead[i] >= 0 and b.why[i]:find(want, 1, true) and b.step[i] >= 1 and
        math.floor((b.step[i] - 1) / 6) == b.epoch[i]
    times[b.sample[i]] = (times[b.sample[i]] or 0) + 1
end
t.check(right and times[2] == 3 and times[9] == 3 and times[16] == 3, "which, where, by what and why")
t.check(#tables("one/run").train.step == 18, "an epoch is as long as ever")
local said = events "one"
t.check(#said == 3 and said[1]:find("epoch 0: unreadable training samples, replaced: 3 (", 1, true) and said[3]:find("epoch 2: unreadable training samples, replaced: 3 (", 1, true),
    "a count for each epoch: %s", said[1])
t.check(out:find("epoch 0: unreadable", 1, true) and not out:find("epoch 1: unreadable", 1, true), "said once: %s", out)
t.equal(shell.bauta(run("three", "--set data.bad=replace --threads 3")), 0, "on three threads")
same_run("one/run", "three/run", "three threads")
for signal, code in pairs { KILL = 137, TERM = 85 } do
    local name = "replace-" .. signal
    t.equal(shell.interrupted(run(name, "--set data.bad=replace"), name .. "/run/checkpoints/epoch-0002.ckpt", 0, signal), code, "stopped by " .. signal)
    status, _, err = shell.bauta(run(name, "--set data.bad=replace --resume"))
    t.equal(status, 0, "resumed; " .. err)
    same_run("one/run", name .. "/run", "after " .. signal)
    t.equal(table.concat(events(name), "\n"), table.concat(said, "\n"), "counts after " .. signal)
end
t.group "replace"

-- ---- skip ----
status, out, err = shell.bauta(run("skip", "--set data.bad=skip --threads 2"))
t.check(status == 0 and out:find("unreadable training samples, left out: 3 (", 1, true), "left out: %s %s", out, err)
t.equal(shell.bauta(run("good", "", "good/tree")), 0, "without them")
t.check(#tables("skip/run").train.step == 15 and shell.same("skip/run/student.safetensors", "good/run/student.safetensors"), "as if they were not there")
b = tables("skip/run").bad
t.check(b.n == 3 and b.sample[1] == 2 and b.sample[2] == 9 and b.sample[3] == 16 and b.instead[1] == -1 and b.why[2]:find("09.png", 1, true), "rows of them")
t.equal(shell.interrupted(run("skip-KILL", "--set data.bad=skip"), "skip-KILL/run/checkpoints/epoch-0002.ckpt", 0, "KILL"), 137, "killed")
local broken = shell.read(path "tree/train/a/02.png")
write("tree", "train", "a", 2, few[2])
status, _, err = shell.bauta(run("skip-KILL", "--set data.bad=skip --resume"))
t.check(status == 6 and err:find("2 training samples cannot be read, and it was 3 when the run began", 1, true), "a picture is whole again: %d %s", status, err)
write("tree", "train", "a", 2, broken)
status, _, err = shell.bauta(run("skip-KILL", "--set data.bad=skip --resume"))
t.equal(status, 0, "resumed; " .. err)
same_run("skip/run", "skip-KILL/run", "after KILL")
t.group "skip"

-- ---- refusals ----
local function refused(command, code, text)
    local s, _, e = shell.bauta(command)
    t.check(s == code and e:find(text, 1, true) and select(2, e:gsub("\n", "\n")) == 1, "one line with '%s': %d %s", text, s, e)
end
refused(run("no", "--set data.bad=jump"), 2, 'expected "stop", "replace" or "skip"')
for i = 0, 17 do write("tree", "train", i < 9 and "a" or "b", i, broken) end
refused(run("no", "--set data.bad=skip"), 3, "none of 18 training samples can be read")
refused(run("no", "--set data.bad=replace"), 3, "neither it nor any of 16 others in its place can be read")
write("good/tree", "test", "a", 0, broken)
refused(run("no", "--set data.bad=replace", "good/tree"), 3, "test/a/00.png")
t.group "refusals"

shell.clean()
return t.done()
