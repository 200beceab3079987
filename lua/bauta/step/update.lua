-- step/update: what follows the loss: gradients, the optimiser, averages of weights.
local errors = require "bauta.errors"
local layers = require "bauta.layers"

local update = {}

-- Whether a name begins with one of the beginnings, commas between.
local function begins(beginnings, name)
    for beginning in beginnings:gmatch "[^,%s]+" do
        if name:sub(1, #beginning) == beginning then return true end
    end
    return false
end

-- Whether a tensor of the student is trained. trains: "all", or beginnings of names.
local function is_trained(trains, name) return trains == "all" or begins(trains, name) end

-- Every tensor that is trained in an epoch with its gradient: { variable, gradient, name (in the optimiser's state), shape, no_decay, of_loss,
-- step (of its own, where it was frozen at first: the optimiser counts from its first one) }.
local function trained(b, e, list, loss, epoch)
    local all, wrt, out, trains, frozen = {}, {}, {}, e.settings.trains, e:resting()
    local late = frozen and epoch >= frozen.epochs and b:input("step_freed", "i32") or nil
    for _, part in ipairs { "student", "losses" } do
        local of_loss = part == "losses"
        for _, t in ipairs(list[part]:list()) do
            local waits = frozen and not of_loss and begins(frozen.names, t.name)
            if not t.fixed and (of_loss or is_trained(trains, t.name)) and (late or not waits) then
                local v = b:variable(list[part], t.name)
                all[#all + 1] = { variable = v, name = (of_loss and "losses/" or "") .. t.name, shape = t.shape,
                    no_decay = t.no_decay, of_loss = of_loss, step = waits and late or nil, part = part, own = t.name }
                wrt[#wrt + 1] = v
            end
        end
    end
    for i, g in ipairs(b:grad(loss, wrt)) do
        all[i].gradient = g
        if g then out[#out + 1] = all[i] end
    end
    return out
end

-- A beginning (of the setting `which`) that no weight of the student has, or weights that no loss depends on: what is wrong, with the names there are.
local function nothing_trained(e, list, which, beginning)
    local seen, names = {}, {}
    for _, t in ipairs(list.student:list()) do
        local first = t.name:match "^[^.]+"
        if not seen[first] then names[#names + 1] = first end
        seen[first] = true
    end
    errors.fail("%s = %s: no weight of the student that the losses depend on begins so (its names begin with %s)", which,
        errors.show(beginning or e.settings[which]), table.concat(names, ", "))
end

-- Each beginning has to be one.
local function judge_beginnings(e, list, which)
    local beginnings = e.settings[which]
    for beginning in (beginnings and beginnings ~= "all" and beginnings or ""):gmatch "[^,%s]+" do
        local found = false
        for _, t in ipairs(list.student:list()) do found = found or begins(beginning, t.name) end
        if not found then nothing_trained(e, list, which, beginning) end
    end
end

-- What is trained in an epoch, with its gradients: a list for update.weights.
function update.gradients(b, e, list, loss, epoch)
    judge_beginnings(e, list, "trains")
    judge_beginnings(e, list, "freeze")
    local weights, students = trained(b, e, list, loss, epoch), 0
    for _, w in ipairs(weights) do students = students + (w.of_loss and 0 or 1) end
    if students == 0 then nothing_trained(e, list, "trains") end
    return weights
end

-- Adds the gradients of a part of a batch to their mean, in the store `gradients`; share: (i - 1) / i at part i.
function update.accumulate(b, list, weights, share)
    b:role("optimiser")
    for _, w in ipairs(weights) do
        list.gradients:add(w.name, w.shape, "zero")
        b:op("ema", { b:variable(list.gradients, w.name), w.gradient, share })
    end
end

-- The same weights as another step sees them that takes their gradients from there.
function update.accumulated(b, list, weights)
    local out, late = {}, nil
    for i, w in ipairs(weights) do
        late = late or w.step and b:input("step_freed", "i32")
        out[i] = { variable = b:variable(list[w.part], w.own), gradient = b:variable(list.gradients, w.name), name = w.name,
            shape = w.shape, no_decay = w.no_decay, of_loss = w.of_loss, step = w.step and late }
    end
    return out
end

-- How deep in the student each weight lies, for rates that fall towards the embedding.
local function layer_of(e, list)
    local names, student = {}, e.settings.student
    for i, t in ipairs(list.student:list()) do names[i] = t.name end
    return layers.of(names, student.depth, "the student, arch " .. student.name)
end

-- One step of the optimiser. Returns the norm of all gradients together.
function update.weights(b, e, list, weights, lr)
    local o = e.settings.optimiser
    return o:update(b, weights, list.optimiser, { lr = lr, step = b:signal("batch", "step"), depth = e.settings.student.depth,
        layer_of = o.layer_decay < 1 and layer_of(e, list) or nil,
        weight_decay = o.weight_decay_end and b:input("weight_decay", "f32") or nil })
end

local function average(b, to, from, inputs, settings)
    for _, t in ipairs(from:list()) do
        local pair = { b:variable(to, t.name), b:variable(from, t.name) }
        for _, x in ipairs(inputs) do pair[#pair + 1] = x end
        b:op("ema", pair, settings)
    end
end

-- The averages of the student's weights, after the step. They begin as copies.
function update.averages(b, e, list)
    b:role("optimiser")
    if list.ema then
        if list.ema:count() == 0 then list.ema:take(list.student) end
        average(b, list.ema, list.student, {}, { decay = e.settings.ema })
    end
    if list.average then average(b, list.average, list.student, { b:signal("batch", "momentum") }) end
end

return update
