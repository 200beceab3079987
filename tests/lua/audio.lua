-- audio: spectrograms: AST of one channel, fed by a script, its teacher masked by what the student's two tokens attend to: that the inputs are normalised as
-- published, that a distillation trains from the level below, that pictures and spectrograms are not taken for each other.
local bauta = require "bauta"
local t = require "harness"

local B, bins, frames, classes = 8, 32, 64, 4
local function ast(dim, depth, more)
    local s = { dim = dim, depth = depth, heads = 2, bins = bins, frames = frames, stride = 8, classes = classes }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch "ast"(s)
end
local student, teacher = ast(16, 2), ast(24, 3)
t.equal(student.patches, 3 * 7, "patches: 3 along the frequencies, 7 along time")

-- Log-mel energies as a front end gives them: silence at -15.9, and a tone of each class's own in a band of time.
local seed = tonumber(os.getenv "BAUTA_SEED" or os.time())
math.randomseed(seed)
print("seed " .. seed)
local function clips()
    local x, labels = {}, {}
    for b = 1, B do
        local class, from = math.random(classes), math.random(frames - 20)
        labels[b] = class - 1
        for f = 1, bins do
            for n = 1, frames do
                local tone = n >= from and n < from + 20 and math.floor((f - 1) / (bins / classes)) == class - 1
                x[((b - 1) * bins + f - 1) * frames + n] = (tone and 2 or -14) + 2 * math.random()
            end
        end
    end
    return x, labels
end

local stores = { student = bauta.store(1), teacher = bauta.store(2), moments = bauta.store(3) }
local feeds = { spectrogram = { "f32", { B, bins, frames, 1 } }, labels = { "i32", { B } }, lr = { "f32", {} } }
local step = bauta.graph({ batch = B, feeds = feeds }, function(g, batch)
    local logits = g:model("student", student, { store = stores.student, images = batch.spectrogram, training = true })
    g:declare("teacher", teacher)
    local scores = g:score(bauta.mask "student" { keep = 12 }, "teacher")
    local kept = g:keep(scores, 12, "top", "teacher")
    g:model("teacher", teacher, { store = stores.teacher, images = batch.spectrogram, kept = kept })
    local loss = g:loss(bauta.loss "cross-entropy" { smoothing = 0 }) + g:loss(bauta.loss "logit" {})
    local weights, wrt = {}, {}
    for i, w in ipairs(stores.student:list()) do wrt[i] = g:variable(stores.student, w.name) end
    for i, w in ipairs(stores.student:list()) do
        weights[i] = { variable = wrt[i], gradient = g:grad(loss, wrt)[i], name = w.name, shape = w.shape, no_decay = w.no_decay }
    end
    bauta.optimiser "adamw" {}:update(g, weights, stores.moments, { lr = batch.lr, step = batch.step, depth = student.depth })
    g:fetch("loss", loss)
    g:fetch("kept", kept)
    g:fetch("first", logits)
    t.equal(table.concat(g:signal("teacher", "features"):shape(), ","), ("%d,%d,24"):format(B, 2 + 12), "the masked teacher: two tokens and 12 patches")
end)
local first, last = 0, 0
local x, labels = clips()
for n = 1, 80 do
    for name, v in pairs { spectrogram = x, labels = labels, lr = 5e-3, step = n } do step:feed(name, v) end
    step:run()
    local loss = step:read "loss"
    if n <= 10 then first = first + loss / 10 elseif n > 70 then last = last + loss / 10 end
end
t.check(last < 0.9 * first, "the loss falls: %g, then %g", first, last)
local before
for i, patch in ipairs(step:read "kept") do
    if (i - 1) % 12 > 0 then t.check(patch > before, "kept patches ascend") end
    t.check(patch >= 0 and patch < 21, "a patch of the grid")
    before = patch
end
step:free()
t.group "masked distillation of spectrograms"

-- (x + 6.6268077) / (2 * 5.358466), as published; padding with 0 becomes +0.618, the filter that covers no bin -0.869.
local numbers = bauta.graph({ batch = 1, feeds = { x = { "f32", { 1, 16, 16, 1 } } } }, function(g, batch)
    local scale, shift = g:normalisation("audio", 1)
    g:fetch("y", g:op("patches", { batch.x, scale, shift }, { patch = 16 }))
end)
x = {}
for i = 1, 256 do x[i] = i % 2 == 0 and 0 or -15.9424 end
numbers:feed("x", x)
numbers:run()
local y = numbers:read "y"
t.near(y[2], 0.61835, 1e-4, "padding")
t.near(y[1], -0.86924, 1e-4, "an empty filter")
t.group "normalisation"

local function built(arch, channels, as)
    return function()
        bauta.graph({ batch = 2, feeds = { x = { "f32", { 2, arch.image_rows, arch.image_columns, channels } } } }, function(g, batch)
            g:fetch("y", g:model("student", arch, { store = bauta.store(1), images = batch.x, as = as }))
        end)
    end
end
local vit = bauta.arch "deit" { dim = 16, depth = 1, heads = 1, image = 16, patch = 8, classes = 4 }
t.raises("student: arch ast sees 1 channel, and the pictures have 3", built(student, 3))
t.raises("student: arch deit sees 3 channels, and the pictures have 1", built(vit, 1))
t.raises("normalise = audio is for one channel; the model sees 3", built(vit, 3, "audio"))
t.raises("normalise = imagenet is for three channels; the model sees 1", built(student, 1, "imagenet"))
built(student, 1, "none")()
t.group "refusals"
return t.done()
