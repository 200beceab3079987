-- step/inputs: the batch as models, criteria and losses see it: for training erased and mixed, with soft targets.
local builder = require "bauta.builder"

local inputs = {}

-- Declares the inputs of a step; the pictures get known as batch.images when they are ready.
local function declare(b, e, batch, views)
    local s = e.settings
    local a = s.student
    b.batch_size = batch
    b:feed("step", "i32")
    b:feed("epoch", "i32")
    b:feed("progress", "f32")
    b:feed("labels", "i32", { batch })
    return b:input("images", builder.dtype(a.channels), { batch * (views and views.globals or 1), a.image_rows, a.image_columns, a.channels })
end

local function erased(b, data, images)
    if (data.erasing or 0) == 0 then return images end
    local scale, shift = b:normalisation(data.normalise)
    return b:op("erase", { images, scale, shift, b:signal("batch", "step") }, { probability = data.erasing,
        integers = data.erasing_integers and 1 or 0 })
end

-- The inputs of a training step.
function inputs.train(b, e, batch)
    local s, targets = e.settings, nil
    b:role("augment")
    local images = erased(b, s.data.settings, declare(b, e, batch, s.views))
    if s.mixing then images, targets = s.mixing:build(b, images, s.student.classes) end
    b:put("batch", "images", -1, images)
    if s.views then
        local v = s.views
        b.batch_size = batch * v.globals
        if v.locals > 0 then b:feed("local_images", "u8", { batch * v.locals, v.local_image, v.local_image, 3 }) end
    end
    if targets then b:put("batch", "targets", -1, targets) end
    if inputs.momentum(e) then b:feed("momentum", "f32") end
    if inputs.wants_samples(e) then
        b:feed("samples", "i32", { batch })
        b:say("data", { images = s.data:split("train").count })
    end
end

-- Those of evaluation: the pictures as they are.
function inputs.evaluate(b, e, batch) b:put("batch", "images", -1, declare(b, e, batch)) end

-- Whether a loss asks which pictures of the training set the batch holds.
function inputs.wants_samples(e)
    for _, l in ipairs(e:losses()) do
        for _, need in ipairs(l.loss.plugin.needs or {}) do
            if need == "batch.samples" then return true end
        end
    end
    return false
end

-- Of an averaged teacher: { at first, at the end }, on a cosine; nil when there is none.
function inputs.momentum(e)
    for _, t in ipairs(e.settings.teachers) do
        if t:averaged() then return { t.settings.momentum, t.settings.momentum_end } end
    end
end

-- The value of step i (from 0) of n on the way from..to: half a cosine that comes near its end and does not reach it.
function inputs.cosine(from, to, i, n) return to + 0.5 * (from - to) * (1 + math.cos(math.pi * i / n)) end

-- The numbers that a training step is fed, by name. done: steps before it, of so many in all; place: which of its epoch (from 0), of so many
-- an epoch.
function inputs.numbers(e, done, epoch, place, per_epoch, steps)
    local s, o, momentum = e.settings, e.settings.optimiser, inputs.momentum(e)
    local part, epochs, rest = place / per_epoch, e:epochs(), e:resting()
    return { step = done + 1, epoch = epoch, progress = (epoch + part) / epochs,
        lr = s.schedule:lr(o:peak(s.batch), epochs, epoch, part, per_epoch),
        weight_decay = o.weight_decay_end and inputs.cosine(o.weight_decay, o.weight_decay_end, done, steps) or nil,
        momentum = momentum and inputs.cosine(momentum[1], momentum[2], done, steps) or nil,
        step_freed = rest and epoch >= rest.epochs and done + 1 - rest.epochs * per_epoch or nil }
end

return inputs
