-- optimiser: which one and its settings, and the nodes of one update.
local check = require "bauta.check"

local optimiser = {}
optimiser.__index = optimiser
optimiser.class = "optimiser"

local function share(name, default, doc) return { name = name, type = "float", default = default, min = 0, max = 0.9999999,
    doc = doc } end

optimiser.kinds = {
    adamw = {
        doc = "AdamW: decoupled decay; none on tensors of one axis, tokens and positions",
        rows = {
            { name = "lr", type = "float", default = 5e-4, min = 0, max = 100, doc = "learning rate at its peak" },
            share("beta1", 0.9, "decay of the first moment"),
            share("beta2", 0.999, "decay of the second moment"),
            { name = "eps", type = "float", default = 1e-8, min = 0, max = 1, doc = "added to the root of the second moment" },
            { name = "weight_decay", type = "float", default = 0.05, min = 0, max = 10, doc = "times the scheduled rate" },
            { name = "decay_all", type = "bool", default = false, doc = "decay every tensor" },
            { name = "clip", type = "float", default = 0, min = 0, max = 1e9,
                doc = "largest norm of all gradients together; 0: no clipping" },
        },
    },
}

function optimiser.new(kind, given)
    local s = check.settings(optimiser.kinds[kind].rows, given, "optimiser")
    s.kind = kind
    return setmetatable(s, optimiser)
end

function optimiser:describe()
    local out = { kind = self.kind }
    for _, row in ipairs(optimiser.kinds[self.kind].rows) do out[row.name] = self[row.name] end
    return out
end

-- Adds the tensors of the optimiser's state for every weight of a store.
function optimiser.state(store, state, prefix)
    for _, t in ipairs(store:list()) do
        state:add("m/" .. prefix .. t.name, t.shape, "zero")
        state:add("v/" .. prefix .. t.name, t.shape, "zero")
    end
end

-- The nodes of one update. weights: list of { variable, gradient, name in the state, shape, no_decay }; lr, step: inputs.
-- Returns the norm of all gradients.
function optimiser:update(b, weights, state, lr, step)
    local gradients = {}
    b:role("optimiser")
    for i, w in ipairs(weights) do gradients[i] = w.gradient end
    local norm = b:op("grad_norm", gradients)
    local factor = self.clip > 0 and b:op("clip_factor", { norm }, { max = self.clip }) or false
    for _, w in ipairs(weights) do
        local free = not self.decay_all and (#w.shape <= 1 or w.no_decay)
        b:op("adamw", { w.variable, w.gradient, b:variable(state, "m/" .. w.name), b:variable(state, "v/" .. w.name), lr, step,
            factor },
            { beta1 = self.beta1, beta2 = self.beta2, eps = self.eps, weight_decay = free and 0 or self.weight_decay })
    end
    return norm
end

return optimiser
