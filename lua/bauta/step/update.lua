-- step/update: what follows the loss: gradients, the optimiser, averages of weights.
local errors = require "bauta.errors"

local update = {}

-- Whether a tensor of the student is trained. trains: "all", or beginnings of names with commas between.
local function is_trained(trains, name)
    if trains == "all" then return true end
    for beginning in trains:gmatch "[^,%s]+" do
        if name:sub(1, #beginning) == beginning then return true end
    end
    return false
end

-- Every trained tensor with its gradient: { variable, gradient, name (in the optimiser's state), shape, no_decay, of_loss }.
local function trained(b, e, list, loss)
    local all, wrt, out, trains = {}, {}, {}, e.settings.trains
    for _, part in ipairs { "student", "losses" } do
        local of_loss = part == "losses"
        for _, t in ipairs(list[part]:list()) do
            if of_loss or is_trained(trains, t.name) then
                local v = b:variable(list[part], t.name)
                all[#all + 1] = { variable = v, name = (of_loss and "losses/" or "") .. t.name, shape = t.shape,
                    no_decay = t.no_decay, of_loss = of_loss }
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

-- A beginning that no weight of the student has, or weights that no loss depends on: what is wrong, with the names there are.
local function nothing_trained(e, list, beginning)
    local seen, names = {}, {}
    for _, t in ipairs(list.student:list()) do
        local first = t.name:match "^[^.]+"
        if not seen[first] then names[#names + 1] = first end
        seen[first] = true
    end
    errors.fail("trains = %s: no weight of the student that the losses depend on begins so (its names begin with %s)",
        errors.show(beginning or e.settings.trains), table.concat(names, ", "))
end

local function judge_trains(e, list)
    for beginning in (e.settings.trains == "all" and "" or e.settings.trains):gmatch "[^,%s]+" do
        local found = false
        for _, t in ipairs(list.student:list()) do found = found or is_trained(beginning, t.name) end
        if not found then nothing_trained(e, list, beginning) end
    end
end

-- One step of the optimiser. Returns the norm of all gradients together.
function update.weights(b, e, list, loss, lr)
    local weights, students, o = trained(b, e, list, loss), 0, e.settings.optimiser
    for _, w in ipairs(weights) do students = students + (w.of_loss and 0 or 1) end
    if students == 0 then nothing_trained(e, list) end
    judge_trains(e, list)
    return o:update(b, weights, list.optimiser, { lr = lr, step = b:signal("batch", "step"), depth = e.settings.student.depth,
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
