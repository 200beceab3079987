-- sound: from clips that are written here to a masked distillation: a run twice to the same bits, resumed and evaluated; what verbs say that are for
-- pictures; settings that do not go together.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local bauta = require "bauta"
local runs = require "bauta.bind.run"
local shell = require "shell"
local t = require "harness"

local function path(name) return shell.folder .. "/" .. name end

-- ---- clips: class c is a tone of 400 (c + 1) Hz that begins somewhere; fold f of 1, 2 ----
local function little(v, n)
    local out = {}
    for i = 1, n do
        out[i] = string.char(v % 256)
        v = math.floor(v / 256)
    end
    return table.concat(out)
end

local function wav(rate, hertz, from)
    local data, n = {}, math.floor(0.4 * rate)
    for i = 0, n - 1 do
        local v = (i > from * n and 12000 * math.sin(2 * math.pi * hertz * i / rate) or 0) + math.random(-200, 200)
        data[i + 1] = little(math.floor(v) % 65536, 2)
    end
    data = table.concat(data)
    return "RIFF" .. little(36 + #data, 4) .. "WAVEfmt " .. little(16, 4) .. little(1, 2) .. little(1, 2) .. little(rate, 4) .. little(2 * rate, 4) ..
        little(2, 2) .. little(16, 2) .. "data" .. little(#data, 4) .. data
end

math.randomseed(7)
for class = 0, 3 do
    shell.sh(("mkdir -p '%s'"):format(path("clips/tone " .. class)))
    for i = 0, 11 do
        shell.write(path(("clips/tone %d/%d-%d-A.wav"):format(class, i % 3 == 0 and 1 or 2, i)),
            wav(i % 2 == 0 and 16000 or 22050, 400 * (class + 1), math.random() / 2))
    end
end
local clips = path "clips"

local data = bauta.data "sound" { path = clips, fold = 1, bins = 32, frames = 40 }
local readable, why = pcall(function() return data.classes end)
if not readable and tostring(why):find("without libsndfile", 1, true) then
    t.skip("clips", tostring(why))
    t.check(not readable, "said at the line that names the data")
    shell.clean()
    return t.done()
end
t.equal(data.classes, 4, "classes")
t.equal(data.channels, 1, "channels")

-- ---- runs ----
local script = path "sounds.lua"
shell.write(script, [[
local bauta = require "bauta"
local data = bauta.data "sound" { path = arg.data, fold = 1, bins = 32, frames = 40, frequency_mask = 4, time_mask = 8, mean = -8, deviation = 5 }
local function ast(dim, weights)
    return bauta.arch "ast" { dim = dim, depth = 2, heads = 2, bins = 32, frames = 40, stride = 8, classes = data.classes, weights = weights }
end
local function run(s)
    s.data, s.batch, s.seed, s.epochs, s.optimiser = data, 8, 3, 13, bauta.optimiser "adam" { lr = 2e-3 }
    return (s.teacher and bauta.distill or bauta.train)(s)
end
local teacher = run { name = "teacher", student = ast(32) }
return bauta.suite { name = "s", report = bauta.summary, runs = { teacher, run { name = "student", student = ast(16), teacher = ast(32, teacher), knn = 3, probe = 16,
    shadow = { bauta.mask "random" { keep = 0.5 } }, mask = bauta.mask "student" { keep = 0.5, rows = "extra" },
    losses = { bauta.loss "cross-entropy" { smoothing = 0 }, bauta.loss "logit" {} } } } }
]])
local function run(arguments)
    local status, out, err = shell.bauta(arguments)
    t.equal(status, 0, arguments .. ": " .. err)
    return out
end
local out = run(("run '%s' --data '%s' --out '%s' --threads 1 --loaders 1"):format(script, clips, path "one"))
t.check(out:find("s/student", 1, true) and out:find("6 (50.0 %)", 1, true), "%s", out)
local best = tonumber(out:match "s/teacher%s+([%d.]+)")
t.check(best and best > 30, "tones are told apart better than by chance, 25 %%: %s %%", tostring(best))
-- As tests/slow/methods.lua has it of all other architectures: 50 steps as a student, and of another student that learns from it, masked.
for _, who in ipairs { "teacher", "student" } do
    local log = runs.log(path("one/s/" .. who))
    local steps, losses = #log:table "train".step, log:table "eval".train_loss
    t.check(steps >= 50 and #losses == 13 and losses[13] < 0.9 * losses[1], "%s: the loss falls in %d steps: %s", who, steps, table.concat(losses, " "))
    log:free()
end
run(("run '%s' --data '%s' --out '%s' --threads 2 --loaders 2"):format(script, clips, path "two"))
t.check(shell.same("one/s/student/student.safetensors", "two/s/student/student.safetensors"), "another student on two threads")
local png = shell.read(path "one/s/student/report/teacher-view.png")
t.check(png and #png > 1000 and png:sub(2, 4) == "PNG", "what the teacher was shown is drawn")
out = run(("inspect '%s'"):format(path "one/s/student/student.safetensors"))
t.check(out:find("mean = -8", 1, true) and out:find("std = 10", 1, true), "the normalisation is written into the file: %s", out)
out = run(("eval '%s' --data '%s' --out '%s'"):format(script, clips, path "one"))
t.check(out:find("top-1", 1, true), "%s", out)
out = run(("plan '%s' --data '%s'"):format(script, clips))
t.check(out:find("student", 1, true), "%s", out)
t.group "masked distillation"

-- Stopped in the middle and taken up: the bits of the whole run.
local slow = ("run '%s' --data '%s' --out '%s' --threads 1 --loaders 1"):format(script, clips, path "three")
t.equal(shell.interrupted(slow, "three/s/teacher/checkpoints/last", 0, "TERM"), 85, "stopped by the signal")
run(slow .. " --resume")
t.check(shell.same("one/s/student/student.safetensors", "three/s/student/student.safetensors"), "another student after an interruption")
t.group "resumed"

-- Wide ones: neither what the teacher was shown nor how often patches are kept fits as it is.
local wide = path "wide.lua"
shell.write(wide, [[
local bauta = require "bauta"
local data = bauta.data "sound" { path = arg.data, fold = 1, bins = 32, frames = 2000 }
local function ast() return bauta.arch "ast" { dim = 8, depth = 1, heads = 1, bins = 32, frames = 2000, stride = 10, classes = data.classes } end
return bauta.distill { name = "wide", data = data, student = ast(), teacher = ast(), batch = 8, seed = 3, epochs = 1, overlays = 8, probe = 2,
    mask = bauta.mask "random" { keep = 0.5 }, losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" {} } }
]])
run(("run '%s' --data '%s' --out '%s' --threads 2 --loaders 2"):format(wide, clips, path "five"))
for _, name in ipairs { "teacher-view", "selection" } do
    local drawn = shell.read(path(("five/wide/report/%s.png"):format(name)))
    t.check(drawn and drawn:sub(2, 4) == "PNG", "%s is drawn", name)
end
local said
require("bauta.pictures").attempt({ event = function(_, kind, text) said = kind .. ": " .. text end }, error, "no room\nfor it")
t.check(said and said:find "^not_drawn: .*no room" and not said:find "\n", "a drawing that cannot be made is an event: %s", tostring(said))
t.group "wide spectrograms"

-- ---- verbs ----
out = run(("data check 'sound:path=%s:fold=1'"):format(clips))
t.check(out:find("train: 32 clips in 4 classes, 8 in each", 1, true) and out:find("no test clip is a training clip", 1, true), "%s", out)
run(("plugin check '%s/plugins/data/sound.so' --set path='%s' --set fold=1"):format(shell.program:match "^(.*)/core/[^/]*$" or ".", clips))
local function refuses(arguments, says)
    local status, _, err = shell.bauta(arguments)
    t.check(status ~= 0 and err:find(says, 1, true) and not err:find("\n.*\n"), "%s: status %d: %s", arguments, status, err)
end
refuses(("mask show 0 --run '%s' --out '%s'"):format(path "one/s/student", path "x.png"), "student ast sees spectrograms; mask show draws pictures")
refuses(("mask show 0 --data 'sound:path=%s:fold=1' --student deit:dim=8:depth=1:heads=1:image=8:patch=4 --out '%s'"):format(clips, path "x.png"),
    "data sound gives spectrograms; mask show draws pictures")
refuses(("bench loader --data 'sound:path=%s:fold=1'"):format(clips), "data sound gives spectrograms; bench loader measures pictures")
refuses("bench loader --source sound", "data sound gives spectrograms; bench loader measures pictures")
refuses(("data pack 'sound:path=%s:fold=1' '%s'"):format(clips, path "x.pack"), "only pictures are packed")
t.group "verbs"

-- ---- what does not go together ----
local function ast(more)
    local s = { dim = 8, depth = 1, heads = 1, bins = 32, frames = 40, stride = 8, classes = 4 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch "ast"(s)
end
local function train(s)
    return function()
        s.name, s.data, s.student = "x", s.data or data, s.student or ast()
        return bauta.train(s)
    end
end
local vit = bauta.arch "deit" { dim = 8, depth = 1, heads = 1, image = 8, patch = 4, classes = 4 }
t.raises("data sound gives spectrograms, and student (deit) sees pictures", train { student = vit })
t.raises("data scenes gives pictures, and student (ast) sees spectrograms", train { data = bauta.data "scenes" { size = 16 } })
t.raises("data sound gives spectrograms, and teacher (deit) sees pictures", function()
    return bauta.distill { name = "x", data = data, student = ast(), teacher = vit, losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" {} } }
end)
t.raises("views are crops of pictures, and data sound gives spectrograms", train { views = bauta.views { globals = 2, locals = 0 } })
t.raises("data sound.erasing: no such setting; known: bad, bins, deviation, fold, frames, frequency_mask, labels, limit, mean, normalise, path, repeats, time_mask",
    function() return bauta.data "sound" { erasing = 0.25 } end)
t.raises("data sound.mean = 1 has no effect: nothing is normalised", function() return bauta.data "sound" { normalise = "none", mean = 1 } end)
t.refused(function() return bauta.data "sound" { deviation = 0 } end, "no deviation")
local other = path "other.lua"
shell.write(other, (shell.read(script):gsub("frames = 40, stride", "frames = 48, stride")))
refuses(("run '%s' --data '%s' --out '%s'"):format(other, clips, path "four"), "data sound gives spectrograms of 32 rows and 40 columns, ast sees 32 and 48")
t.group "settings"

shell.clean()
return t.done()
