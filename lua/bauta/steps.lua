-- steps: the compiled programs of an experiment, written with the builder: one training step, and evaluation.
--
--   student(images) -> criterion -> kept -> teacher(kept patches) -> losses -> gradients -> clip, AdamW, average
--
-- The roles name the rows of the cost ledger: student, mask, teacher, loss, optimiser.
local builder = require "bauta.builder"
local graph = require "bauta.bind.graph"
local optimiser = require "bauta.optimiser"

local steps = {}

-- Short names of losses in tables: loss_ce, loss_kd (as everybody calls them).
local short = { ["cross-entropy"] = "ce", logit = "kd" }

-- One column name for each loss of an experiment.
function steps.loss_names(e)
    local names, used = {}, {}
    for i, loss in ipairs(e.settings.losses) do
        local base = "loss_" .. (short[loss.name] or loss.name:gsub("%-", "_"))
        used[base] = (used[base] or 0) + 1
        names[i] = used[base] > 1 and base .. "_" .. used[base] or base
    end
    return names
end

-- The stores of a run, empty until a step is described. seed: of the initialisers.
function steps.stores(e, device)
    local s = e.settings
    local out = { student = graph.store(device, s.seed), losses = graph.store(device, s.seed),
        optimiser = graph.store(device, s.seed) }
    if s.teacher then out.teacher = graph.store(device, s.seed) end
    if s.ema > 0 then out.ema = graph.store(device, s.seed) end
    return out
end

local function new_builder(e, device, batch)
    return builder.new { device = device, seed = e.settings.seed, precision = e.precision or e.settings.precision, batch = batch }
end

-- What the teacher is shown: the kept patches, or nil for all of them.
local function kept_of(b, e)
    local k = e:kept()
    if not k then return nil end
    b:declare("teacher", e.settings.teacher)
    local scores = b:score(e.settings.mask, "teacher")
    return scores and b:keep(scores, k, e.settings.mask.settings.select)
end

local function build_losses(b, e, stores)
    local total
    for i, name in ipairs(steps.loss_names(e)) do
        local loss = b:loss(e.settings.losses[i], e.settings.losses[i].name .. (i > 1 and "-" .. i or ""), stores.losses)
        b:fetch(name, loss)
        total = total and total + loss or loss
    end
    b:role("loss")
    b:fetch("loss", total)
    return total
end

-- Every trained tensor with its gradient.
local function trained(b, loss, stores)
    local list, wrt = {}, {}
    for _, part in ipairs { "student", "losses" } do
        for _, t in ipairs(stores[part]:list()) do
            local v = b:variable(stores[part], t.name)
            list[#list + 1] = { variable = v, name = (part == "losses" and "losses/" or "") .. t.name, shape = t.shape,
                no_decay = t.no_decay }
            wrt[#wrt + 1] = v
        end
    end
    local out = {}
    for i, g in ipairs(b:grad(loss, wrt)) do
        list[i].gradient = g
        if g then out[#out + 1] = list[i] end
    end
    return out
end

local function average(b, e, stores)
    stores.ema:take(stores.student)
    b:role("optimiser")
    for _, t in ipairs(stores.student:list()) do
        b:op("ema", { b:variable(stores.ema, t.name), b:variable(stores.student, t.name) }, { decay = e.settings.ema })
    end
end

-- The training step. Inputs: images, labels, step (from 1), epoch, lr. Fetched: loss, loss_*, grad_norm, correct [B], kept [B,k].
-- load(stores): called when the stores hold all tensors and none was averaged yet.
function steps.train(e, device, stores, load)
    local s = e.settings
    local b = new_builder(e, device, s.batch)
    b:pictures(s.batch, s.student.image_rows, s.student.image_columns)
    local lr = b:input("lr", "f32")
    local normalise = s.data.settings.normalise
    local logits = b:model("student", s.student, { store = stores.student, training = true, normalise = normalise })
    if s.teacher then
        local kept = kept_of(b, e)
        local t = b:model("teacher", s.teacher, { store = stores.teacher, kept = kept, normalise = normalise })
        b:role("loss")
        b:fetch("teacher_top1", b:accuracy(t))
        if kept then b:fetch("kept", kept) end
    end
    local loss = build_losses(b, e, stores)
    b:fetch("top1", b:accuracy(logits))
    local weights = trained(b, loss, stores)
    optimiser.state(stores.student, stores.optimiser, "")
    optimiser.state(stores.losses, stores.optimiser, "losses/")
    b:fetch("grad_norm", s.optimiser:update(b, weights, stores.optimiser, lr, b:signal("batch", "step")))
    if load then load(stores) end
    if stores.ema then average(b, e, stores) end
    return b:finish()
end

-- Evaluation of the weights in `store`. Fetched, a number per picture: correct1, correct5, loss; with a criterion kept [B,k];
-- with `teacher` also teacher1, whether the teacher is right about the kept patches.
function steps.evaluate(e, device, store, stores, batch, teacher)
    local s = e.settings
    local b = new_builder(e, device, batch)
    b:pictures(batch, s.student.image_rows, s.student.image_columns)
    local normalise = s.data.settings.normalise
    local labels = b:signal("batch", "labels")
    local logits = b:model("student", s.student, { store = store, normalise = normalise })
    b:role("metric")
    b:fetch("correct1", b:op("correct", { logits, labels }, { top = 1 }))
    b:fetch("correct5", b:op("correct", { logits, labels }, { top = math.min(5, s.student.classes) }))
    b:fetch("loss", b:op("cross_entropy", { logits, labels }, { smoothing = 0 }))
    if s.teacher then
        local kept = kept_of(b, e)
        if kept then b:fetch("kept", kept) end
        if teacher then
            local t = b:model("teacher", s.teacher, { store = stores.teacher, kept = kept, normalise = normalise })
            b:role("metric")
            b:fetch("teacher1", b:op("correct", { t, labels }, { top = 1 }))
        end
    end
    return b:finish()
end

return steps
