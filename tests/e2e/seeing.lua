-- seeing: what a run's probe logs, against what is known of a made student; that it changes nothing and can be resumed; the pictures
-- that bauta mask draws; and what it refuses.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bauta = require "bauta"
local compare = require "compare"
local known = require "known"
local shell = require "shell"
local t = require "harness"

local path = compare.path
local weights = path "known.safetensors"
known.write(weights)

local function run(out, more)
    return ("run '%s/watched.lua' --data '%s' --threads 2 --out '%s' %s"):format(shell.here, weights, path(out), more or "")
end

local function done(out, more)
    local status, text, err = shell.bauta(run(out, more))
    t.equal(status, 0, out .. "; " .. err .. text)
    return compare.tables(out .. "/run")
end

-- ---- a student whose attention is known ----
local order, mass, all = {}, {}, 0
for j = 1, known.N do
    order[j], mass[j] = j, math.exp(math.sqrt(2) / 2 * known.cosine(j))
    all = all + mass[j]
end
table.sort(order, function(a, b) return known.cosine(a) > known.cosine(b) end)
local kept, half, quarter, lowest = {}, 0, 0, 0
for i, j in ipairs(order) do
    kept[j] = i <= 8 and 1 or 0
    half = half + (i <= 8 and 100 * mass[j] / all or 0)
    quarter = quarter + (i <= 4 and 100 * mass[j] / all or 0)
    lowest = lowest + (i > 8 and 100 * mass[j] / all or 0)
end

local r = done "a"
local p, s, f, pictures = r.probe, r.shadow, r.frequency, r.pictures
t.equal(p.n, 3, "rows of probe: before the first step, and after each epoch")
t.equal(table.concat(p.epoch, " "), "0 1 2", "their epochs")
t.equal(p.pictures[1], 40, "all there are")
t.equal(p.kept[1], 8, "kept patches")
t.near(p.saliency[1], half, 1e-3, "share of the attention that is kept")
t.check(p.overlap[1] ~= p.overlap[1], "nothing before it to compare with")
t.equal(p.agreement_full[1], 100, "teacher and student are the same model: agreement")
t.near(p.kl_full[1], 0, 1e-6, "KL")
t.near(p.cosine_full[1], 1, 1e-6, "cosine")
t.equal(p.teacher_top1_full[1], p.student_top1[1], "accuracy")
t.near(p.recall[1] * p.object_share[1] * known.N, 100 * p.on_object[1] * p.kept[1], 0.01, "hits, counted from both sides")
for i = 1, known.N do t.equal(f.share[i], 100 * kept[i], "patch " .. f.patch[i]) end
t.equal(f.n, 3 * known.N, "rows of frequency")
t.equal(pictures.n, 9, "three pictures, three times")
t.equal(table.concat({ pictures.picture[1], pictures.picture[2], pictures.picture[3] }, " "), "0 13 26", "spread over the set")
for i = 1, 3 do t.equal(pictures.kept[i], table.concat(kept), "the choice for each picture") end
t.equal(table.concat({ s.criterion[1], s.criterion[2], s.criterion[3] }, " "), "student student-2 bottom-k", "names of shadows")
t.equal(s.overlap[1], 100, "the same criterion chooses the same")
t.equal(s.teacher_top1[1], p.teacher_top1[1], "and the teacher makes the same of it")
t.equal(s.overlap[2], 50, "half of it is half of it")
t.equal(s.overlap[3], 0, "the others have nothing in common with it")
t.near(s.saliency[2], quarter, 1e-3, "attention of a quarter")
t.near(s.saliency[3], lowest, 1e-3, "attention of the others")
t.equal(s.kept[2], 4, "its own number")
t.equal(s.kept[3], 8, "the run's number")
t.near(s.on_object[1], p.on_object[1], 0, "the object is where it is")
for epoch = 0, 2 do
    local mean = 0
    for i = 1, f.n do
        if f.epoch[i] == epoch then mean = mean + f.share[i] / known.N end
    end
    t.near(mean, 50, 1e-9, "the mean frequency is k / N in epoch " .. epoch)
end
t.check(shell.read(path "a/run/report/selection.png"), "the map is drawn")
t.group "known attention"

-- ---- a teacher of larger pictures with as many patches: the same choice, and the object where it was ----
local larger = done("larger", "--set kind=larger")
for _, name in ipairs { "on_object", "object_share", "recall" } do t.equal(larger.probe[name][1], p[name][1], "probe: " .. name) end
for i = 1, 3 do
    for _, name in ipairs { "overlap", "on_object", "recall" } do t.equal(larger.shadow[name][i], s[name][i], ("shadow %d: %s"):format(i, name)) end
end
t.equal(larger.mask.object_share[1], r.mask.object_share[1], "evaluation: object_share")
t.group "another size"

-- ---- it changes nothing, and goes on where it was ----
local without = done("without", "--set kind=plain --set probe=0")
local with = done("with", "--set kind=plain --set probe=7")
t.check(not without.probe and not without.frequency and with.probe.n == 3, "probe = 0: no tables")
for _, name in ipairs { "train", "eval", "mask" } do
    t.equal(compare.numbers("with/run", name), compare.numbers("without/run", name), "the probe changes nothing: " .. name)
end
t.check(shell.same("with/run/student.safetensors", "without/run/student.safetensors"), "nor the weights")
local status, out, err = shell.bauta(run("none", "--set probe=0"))
t.check(status == 2 and err:find("shadow criteria are evaluated on the probe, and probe = 0", 1, true), "shadows without a probe: %s", err)
done("m", "--set kind=moving")
done("n", "--set kind=moving --threads 1")
compare.same_run("m/run", "n/run", "one thread")
for signal, code in pairs { TERM = 85, KILL = 137 } do
    local out = "m-" .. signal
    t.equal(shell.interrupted(run(out, "--set kind=moving"), out .. "/run/checkpoints/epoch-0002.ckpt", 0, signal), code, "stopped by " .. signal)
    status, _, err = shell.bauta(run(out, "--set kind=moving --resume"))
    t.equal(status, 0, "resumed; " .. err)
    compare.same_run("m/run", out .. "/run", "stopped by " .. signal)
end
local m = compare.tables "m/run"
t.equal(table.concat(m.probe.kept, " "), "8 8 8 4 4", "the schedule's numbers")
t.check(m.probe.overlap[2] > 20 and m.probe.overlap[2] < 50, "random, drawn anew: 4 of 12 are expected to be the same: %g", m.probe.overlap[2])
t.check(m.probe.kl[5] ~= m.probe.kl_full[5], "masked, the teacher says something else")
t.equal(m.probe.pictures[1], 24, "as many pictures as were asked for")
for i = 1, m.shadow.n do
    if m.shadow.criterion[i] == "random" then
        t.check(m.shadow.kept[i] == 4 and m.shadow.overlap[i] < 100, "another random choice: %g", m.shadow.overlap[i])
    end
end
t.group "resumed"

-- ---- evaluation and probe see the same ----
-- With a probe of the whole test set, what the criterion shows is the same draw in both: at the same moment of the training.
for _, kind in ipairs { "ranked", "sampled", "random" } do
    local tables = done(kind, "--set kind=" .. kind)
    local mask, probe = tables.mask, tables.probe
    t.check(mask.n == 4 and probe.n == 5, "%s: an evaluation an epoch, and one probe more", kind)
    for i = 1, mask.n do
        t.equal(probe.epoch[i + 1], mask.epoch[i], kind .. ": the epoch")
        for _, column in ipairs { "kept", "on_object", "object_share" } do
            t.equal(probe[column][i + 1], mask[column][i], ("%s: %s after epoch %d"):format(kind, column, mask.epoch[i]))
        end
    end
    t.equal(probe.teacher_top1[5], mask.teacher_top1[4], kind .. ": the teacher on what it is shown")
    t.check(mask.on_object[1] ~= mask.on_object[2] or mask.on_object[2] ~= mask.on_object[3], "%s: another draw each time", kind)
end
t.group "evaluation and probe"

-- ---- what is shown ----
status, out, err = shell.bauta(("show '%s'"):format(path "a/run"))
t.check(status == 0 and out:find("probe of 40 test pictures after epoch 2", 1, true) and out:find("student-2", 1, true), "show: %s %s", out, err)
os.remove(path "a/run/report/selection.png")
status, out, err = shell.bauta(("mask report '%s'"):format(path "a/run"))
t.check(status == 0 and shell.read(path "a/run/report/selection.png"), "mask report: %s %s", out, err)
local first, second = path "one.png", path "two.png"
status, out, err = shell.bauta(("mask show 0 1 --run '%s' --criterion student,bottom-k,random:keep=4 --out '%s'"):format(path "a/run", first))
t.check(status == 0 and shell.read(first):sub(2, 4) == "PNG", "mask show: %s %s", out, err)
t.check(out:find("bottom%-k +8  16 +0.00") and out:find("student +8  16 +100.00") and out:find("random:keep=4 +4  16"), "overlaps: %s", out)
status, out, err = shell.bauta(("mask show '%s' --student deit:dim=24:depth=2:heads=2:image=32:patch=4 --keep 25%% --out '%s'"):format(first,
    second))
t.check(status == 0 and out:find("untrained", 1, true) and out:find("student +16  64"), "a file, an untrained student: %s %s", out, err)
local helper = "deit:dim=24:depth=2:heads=2:image=32:patch=8"
status, out, err = shell.bauta(("mask show '%s' --student deit:dim=24:depth=2:heads=2:image=32:patch=4 --model %s --teacher %s --keep 4 " ..
    "--criterion student,dino,teacher,rollout --out '%s'"):format(first, helper, helper, second))
t.check(status == 0 and out:find("dino +4  16") and out:find("teacher +4  16"), "the teacher's grid, other models: %s %s", out, err)
t.group "pictures"

-- ---- data sets ----
-- One picture per class and split, drawn by mask show; some are copied to where they should not be, one is cut.
local small = "--student deit:dim=24:depth=2:heads=2:image=32:patch=4 --out '" .. second .. "' "
shell.sh(("mkdir -p '%s/train/a' '%s/train/b' '%s/test/a' '%s/test/b'"):format(path "tree", path "tree", path "tree", path "tree"))
for i, place in ipairs { "train/a/1", "train/a/2", "train/b/1", "test/a/1", "test/b/1" } do
    shell.bauta(("mask show %d --data scenes:size=32:train=64:test=16 %s"):format(i, small))
    shell.write(path("tree/" .. place .. ".png"), shell.read(second))
end
local list = path "list.txt"
status, out, err = shell.bauta(("data check '%s' --list '%s' --strict"):format(path "tree", list))
t.check(status == 0 and out:find("train: 3 pictures in 2 classes, 1 (b) to 2 (a) in each", 1, true)
    and out:find("no test picture is a training picture", 1, true), "a good tree: %s %s", out, err)
status, out = shell.bauta(("data check images:path=%s --compare '%s'"):format(path "tree", list))
t.check(status == 0 and out:find("0 of 5 pictures differ", 1, true), "compared: %s", out)
shell.write(path "tree/test/b/1.png", shell.read(path "tree/train/b/1.png"))
status, out = shell.bauta(("data check '%s'"):format(path "tree"))
t.check(status == 0 and out:find("1 test pictures are training pictures, too; the first: test sample 1 (b) is train sample 2 (b)", 1, true),
    "in both: %s", out)
status, out = shell.bauta(("data check '%s' --strict --compare '%s'"):format(path "tree", list))
t.check(status == 3 and out:find("1 of 5 pictures differ\n  test sample 1: other pixels", 1, true), "strict, and changed: %d %s", status, out)
shell.write(path "tree/train/a/3.png", shell.read(path "tree/train/a/1.png"))
shell.write(path "tree/test/a/1.png", shell.read(path "tree/test/a/1.png"):sub(1, -20))
status, out = shell.bauta(("data check '%s'"):format(path "tree"))
t.check(status == 3 and out:find("test: 1 pictures cannot be read", 1, true) and out:find("tree/test/a/1.png", 1, true)
    and out:find("train: 1 pictures are there again", 1, true), "a broken one: %d %s", status, out)
t.group "data sets"

-- ---- refusals ----
local function refused(arguments, code, want)
    local got, _, text = shell.bauta(arguments)
    t.check(got == code and text:find(want, 1, true) and select(2, text:gsub("\n", "\n")) == 1, "%s: %d %s", arguments, got, text)
end
refused("mask draw x", 2, 'no such action "draw"')
refused("mask show " .. small .. "--criterion studnet " .. first, 4, "did you mean 'student'?")
refused("mask show " .. small .. "--criterion student:layr=1 " .. first, 2, "did you mean layer?")
refused("mask show " .. small .. "--criterion student:layer=x " .. first, 2, "layer")
refused("mask show " .. small .. "--criterion student:layer " .. first, 2, "NAME:setting=value")
refused("mask show " .. small .. "--criterion none " .. first, 2, "keeps every patch")
refused("mask show " .. small .. "--criterion teacher " .. first, 2, "--teacher ARCH:weights=FILE expected")
refused("mask show " .. small .. "--criterion dino " .. first, 2, "--model ARCH:weights=FILE expected")
refused("mask show " .. small .. "--keep 2000 " .. first, 2, "the model has 64 patches")
refused("mask show " .. small .. "--keep x " .. first, 2, '--keep = "x"')
refused("mask show " .. small .. "/nowhere.png", 3, "No such file")
refused("mask show " .. small .. weights, 3, "JPEG or PNG expected")
refused("mask show " .. small .. "5", 2, "--data or --run expected")
refused("mask show " .. small .. "99 --data scenes:size=32:train=64:test=16", 2, "sample 99; 0..15 expected")
refused("mask show " .. small .. "--run /nowhere " .. first, 3, "/nowhere")
refused("mask show " .. small .. "--weights " .. first .. " " .. first, 3, first)
refused("mask report /nowhere", 3, "/nowhere")
refused("mask report '" .. path "without/run" .. "'", 3, "its log has no probe")
refused("data chek x", 2, "did you mean check?")
refused("data check /nowhere", 3, "/nowhere")
refused("data check scenes:sise=32", 2, "did you mean size?")
refused("data check scenes:train=64:test=16 --compare /nowhere", 3, "No such file")
shell.write(list, "what is this\n")
refused("data check scenes:train=64:test=16 --compare '" .. list .. "'", 3, "line 1: a checksum")
local function raises(want, more) t.raises(want, function() known.distill(weights, more) end) end
raises("shadow: mask none keeps every patch; there is nothing to compare", { shadow = { bauta.mask "none" {} } })
raises("shadow random.keep is missing, and teacher sees every patch; how many patches?", { mask = bauta.mask "none" {},
    shadow = { bauta.mask "random" {} } })
raises('shadow student.who = "both": a shadow shows its choice to the teacher only', { shadow = { bauta.mask "student" { who = "both" } } })
raises("shadow random.keep = 99; the model has 16 patches (4x4)", { shadow = { bauta.mask "random" { keep = 99 } } })
raises("distill.probe = -1; expected an integer 0..1000000", { probe = -1 })
raises("distill.shadow has an arch at place 1; expected a list of mask, as { bauta.mask \"student\" {} }", { shadow = { known.distill(weights).settings.student } })
t.group "refusals"

shell.clean()
return t.done()
