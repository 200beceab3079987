-- step/update: what follows the loss: gradients, the optimiser, averages of weights.
local optimiser = require "bauta.optimiser"

local update = {}

-- Every trained tensor with its gradient: { variable, gradient, name (in the optimiser's state), shape, no_decay }.
local function trained(b, list, loss)
    local all, wrt, out = {}, {}, {}
    for _, part in ipairs { "student", "losses" } do
        for _, t in ipairs(list[part]:list()) do
            local v = b:variable(list[part], t.name)
            all[#all + 1] = { variable = v, name = (part == "losses" and "losses/" or "") .. t.name, shape = t.shape,
                no_decay = t.no_decay }
            wrt[#wrt + 1] = v
        end
    end
    for i, g in ipairs(b:grad(loss, wrt)) do
        all[i].gradient = g
        if g then out[#out + 1] = all[i] end
    end
    return out
end

-- One step of the optimiser. Returns the norm of all gradients together.
function update.weights(b, e, list, loss, lr)
    local weights = trained(b, list, loss)
    optimiser.state(list.student, list.optimiser, "")
    optimiser.state(list.losses, list.optimiser, "losses/")
    return e.settings.optimiser:update(b, weights, list.optimiser, lr, b:signal("batch", "step"))
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
end

return update
