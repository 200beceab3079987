-- protocol/linear: a linear classifier on the features of a frozen model, trained on augmented pictures and judged after each epoch.
--
--   dino   crops (bilinear) and flips; Linear with weights N(0, 0.01); momentum 0.9, rate times batch/256, a cosine that falls to 0 from epoch to epoch
--   mae    crops (bicubic, drawn once) and flips; batch normalisation without weights, then Linear; LARS, ten epochs of warm-up, a cosine that falls from step to step
--
-- Batch normalisation uses the step's statistics in training and running ones (momentum 0.1, unbiased variance) when it is judged.
local bind = require "bauta.bind.run"
local errors = require "bauta.errors"
local features = require "bauta.protocol.features"
local graph = require "bauta.bind.graph"
local optimiser = require "bauta.optimiser"
local pictures = require "bauta.pictures"
local schedule = require "bauta.schedule"

local linear = {}

linear.kinds = {
    dino = { epochs = 100, lr = 0.001, optimiser = "sgd", settings = { momentum = 0.9, lr_batch = 256 }, schedule = "cosine",
        shape = { warmup = 0, floor = 0, lag = false }, scale = 0.01, crop = { interpolation = "bilinear" } },
    mae = { epochs = 90, lr = 0.1, optimiser = "lars", settings = { momentum = 0.9, lr_batch = 256 }, schedule = "cosine-shifted",
        shape = { warmup = 10, floor = 0 }, norm = true, scale = 0.01, crop = { interpolation = "bicubic", once = true } },
}

local function stores_of(device, seed, width, classes, kind)
    local head, state = graph.store(device, seed), graph.store(device, seed)
    head:add("weight", { classes, width }, "normal", kind.scale)
    head:add("bias", { classes }, "zero")
    if kind.norm then
        state:add("mean", { 1, width }, "zero")
        state:add("variance", { 1, width }, "one")
    end
    return head, state
end

-- Columns with mean 0 and variance 1. training: by the batch, whose statistics move the running ones by a tenth.
function linear.normalised(b, x, state, training)
    local mean, variance = b:variable(state, "mean"), b:variable(state, "variance")
    if training then
        local rows, own = x:size(0), x:mean { axis = 0, keep = 1 }
        local spread = (x - own):square():mean { axis = 0, keep = 1 }
        b:op("ema", { mean, own }, { decay = 0.9 })
        b:op("ema", { variance, spread * (rows / math.max(rows - 1, 1)) }, { decay = 0.9 })
        mean, variance = own, spread
    end
    return (x - mean) / (variance + 1e-6):sqrt()
end

-- The classifier's logits on the features of the batch.
local function logits(b, given, kind, head, state, training)
    local x = given.node(b)
    b:role "student"
    if kind.norm then x = linear.normalised(b, x, state, training) end
    return b:op("linear", { x, b:variable(head, "weight"), b:variable(head, "bias") })
end

local function training(e, device, given, kind, head, state, moments, size)
    local b = features.builder(e, device, size, e.settings.student)
    local lr = b:input("lr", "f32")
    local loss = b:op("cross_entropy", { logits(b, given, kind, head, state, true), b:signal("batch", "labels") }, { smoothing = 0 })
        :mean { axis = -100 }
    local weights, wrt = {}, { b:variable(head, "weight"), b:variable(head, "bias") }
    for i, g in ipairs(b:grad(loss, wrt)) do
        weights[i] = { variable = wrt[i], gradient = g, name = i == 1 and "weight" or "bias", shape = g:shape() }
    end
    given.optimiser:update(b, weights, moments, { lr = lr, step = b:signal("batch", "step"), depth = e.settings.student.depth })
    b:fetch("loss", loss)
    return b:finish()
end

local function judging(e, device, given, kind, head, state, size)
    local b = features.builder(e, device, size, e.settings.student)
    local z, labels = logits(b, given, kind, head, state, false), b:signal("batch", "labels")
    b:fetch("first", b:op("correct", { z, labels }, { top = 1 }))
    b:fetch("fifth", b:op("correct", { z, labels }, { top = math.min(5, e.settings.data.classes) }))
    return b:finish()
end

local function judge(program, loader, size)
    local first, fifth, n, room = 0, 0, 0, {}
    loader:start(0, 0)
    for batch in function() return loader:next() end do
        features.feed(program, batch, size, room, 1)
        program:run()
        local one, five = program:view "first", program:view "fifth"
        for i = 0, batch.count - 1 do first, fifth = first + one[i], fifth + five[i] end
        n = n + batch.count
    end
    return 100 * first / n, 100 * fifth / n
end

-- One epoch; its mean loss, or nil when a signal came.
local function train(program, loader, run, epoch)
    local sum, room = 0, {}
    loader:start(epoch, 0)
    for batch in function() return loader:next() end do
        if bind.signal() ~= 0 then return nil end
        features.feed(program, batch, run.size, room, epoch * loader.batches + batch.number + 1, epoch)
        program:feed("lr", run.schedule:lr(run.peak, run.epochs, epoch, batch.number / loader.batches, loader.batches))
        program:run()
        local loss = program:read "loss"
        if loss ~= loss then errors.raise("numeric", ("the probe's loss is nan in epoch %d; a smaller lr than %g?"):format(epoch, run.peak)) end
        sum = sum + loss
    end
    return sum / loader.batches
end

-- given: protocol ("dino", "mae"), kind of features, store of the model, load (fills it), and, to change them, epochs, lr, batch, threads, warmup.
-- Returns { top1 (best), top5 (then), last, epochs, loss }; nil when a signal came. seen(epoch, loss, top1): called after each epoch.
function linear.run(e, device, given, seen)
    local kind = linear.kinds[given.protocol]
    local settings, shape = { lr = given.lr or kind.lr }, {}
    for k, v in pairs(kind.settings) do settings[k] = v end
    for k, v in pairs(kind.shape) do shape[k] = v end
    local epochs = given.epochs or kind.epochs
    if (shape.warmup or 0) >= epochs then shape.warmup = epochs / 10 end
    local train_loader, test_loader, size, test_size = pictures.probe_loaders(e, given.batch, given.threads, kind.crop)
    given.optimiser = optimiser.new(kind.optimiser, settings)
    given.node = function(b) return features.node(b, e.settings.student, given.store, given.kind, e.settings.data.settings.normalise) end
    local b = features.builder(e, device, 1, e.settings.student)
    local width = given.node(b):size(1)
    b:finish():free()
    local head, state = stores_of(device, e.settings.seed, width, e.settings.data.classes, kind)
    local moments = graph.store(device, 0)
    local step = training(e, device, given, kind, head, state, moments, size)
    local test = judging(e, device, given, kind, head, state, test_size)
    given.load()
    local run = { size = size, epochs = epochs, schedule = schedule.new(kind.schedule, shape), peak = given.optimiser:peak(size) }
    local out = { top1 = -1, epochs = epochs }
    for epoch = 0, epochs - 1 do
        out.loss = train(step, train_loader, run, epoch)
        if not out.loss then break end
        local first, fifth = judge(test, test_loader, test_size)
        if first > out.top1 then out.top1, out.top5 = first, fifth end
        out.last = first
        if seen then seen(epoch, out.loss, first) end
    end
    for _, x in ipairs { step, test, train_loader, test_loader, head, state, moments } do x:free() end
    return out.loss and out
end

return linear
