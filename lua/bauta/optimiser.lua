-- optimiser: which one and its settings, and the nodes of one update. What they share: which weights decay, clipping, rates that
-- fall from the head to the embedding.
local check = require "bauta.check"

local optimiser = {}
optimiser.__index = optimiser
optimiser.class = "optimiser"

local function share(name, default, doc) return { name = name, type = "float", default = default, min = 0, max = 0.9999999,
    doc = doc } end
local function at_least_0(name, default, max, doc) return { name = name, type = "float", default = default, min = 0, max = max,
    doc = doc } end

local shared = {
    { name = "lr_batch", type = "int", default = 0, min = 0, max = 65536, unit = "images",
        doc = "the batch that lr is meant for: it is multiplied by batch / lr_batch; 0: taken as it is" },
    { name = "decay_all", type = "bool", default = false, doc = "decay every tensor" },
    { name = "decay_tokens", type = "bool", default = false,
        doc = "decay also tokens and positions, which by default are spared like all tensors of one axis" },
    at_least_0("clip", 0, 1e9, "largest norm of all gradients together; 0: no clipping"),
    at_least_0("clip_each", 0, 1e9, "largest norm of each tensor's gradient by itself; 0: no clipping"),
    { name = "layer_decay", type = "float", default = 1, above = 0, max = 1,
        doc = "factor of the rate from each block to the one before; the head has the full rate, the embedding the least" },
}

local function rows(lr, more, defaults)
    local out = { { name = "lr", type = "float", default = lr, min = 0, max = 100, doc = "learning rate at its peak" } }
    for _, row in ipairs(more) do out[#out + 1] = row end
    for _, row in ipairs(shared) do
        local copy = {}
        for k, v in pairs(row) do copy[k] = v end
        if defaults and defaults[row.name] ~= nil then copy.default = defaults[row.name] end
        out[#out + 1] = copy
    end
    return out
end

local function with_moments(more, beta1)
    return { share("beta1", beta1 or 0.9, "decay of the first moment"), share("beta2", 0.999, "decay of the second moment"),
        at_least_0("eps", 1e-8, 1, "added to the root of the second moment"), unpack(more) }
end

optimiser.kinds = {
    adamw = {
        doc = "AdamW: decoupled decay; none on tensors of one axis, tokens and positions",
        rows = rows(5e-4, with_moments {
            at_least_0("weight_decay", 0.05, 10, "times the scheduled rate"),
            { name = "weight_decay_end", type = "float", optional = true, min = 0, max = 10,
                doc = "of the last step, on a cosine from weight_decay; left out: it stays" },
        }),
    },
    adam = {
        doc = "Adam with the classic decay, part of the gradient, of all tensors (AST)",
        rows = rows(1e-4, with_moments({ at_least_0("weight_decay", 5e-7, 10, "times the weight, added to the gradient") }, 0.95),
            { decay_all = true }),
    },
    lamb = {
        doc = "LAMB: Adam's direction in steps of each tensor's own size (DeiT III)",
        rows = rows(4e-3, with_moments { at_least_0("weight_decay", 0.05, 10, "times the weight, added to the direction") },
            { clip = 1 }),
    },
    sgd = {
        doc = "gradient descent with momentum",
        rows = rows(0.1, { share("momentum", 0.9, "decay of the sum of gradients"),
            { name = "nesterov", type = "bool", default = false, doc = "look ahead" },
            at_least_0("weight_decay", 0, 10, "times the weight, added to the gradient") }),
    },
    lars = {
        doc = "gradient descent with momentum in steps of each matrix's own size (linear probes)",
        rows = rows(0.1, { share("momentum", 0.9, "decay of the sum of gradients"),
            at_least_0("trust", 0.001, 1, "share of the weight's norm that a step may have"),
            at_least_0("weight_decay", 0, 10, "times the weight, added to the gradient") }, { lr_batch = 256 }),
    },
}

function optimiser.new(kind, given)
    local s = check.settings(optimiser.kinds[kind].rows, given, "optimiser")
    s.kind, s.given = kind, given or {} -- what was said, where --set puts another kind in its place
    return setmetatable(s, optimiser)
end

function optimiser:schema() return optimiser.kinds[self.kind].rows end

function optimiser:describe()
    local out = { kind = self.kind }
    for _, row in ipairs(self:schema()) do out[row.name] = self[row.name] end
    return out
end

-- What is wrong with its settings together, or nil.
function optimiser:defect()
    local decays = self.weight_decay > 0 or (self.weight_decay_end or 0) > 0
    if self.nesterov and self.momentum == 0 then return "optimiser.nesterov = true has no effect: momentum is 0" end
    if self.kind == "lars" and self.decay_all then
        return "optimiser.decay_all = true: LARS leaves tensors of one axis as they are; decay_tokens expected"
    end
    if self.decay_tokens and (self.decay_all or not decays) then
        return ("optimiser.decay_tokens = true has no effect: %s"):format(decays and "decay_all is true" or "weight_decay is 0")
    end
    if self.decay_all and not decays and self.kind ~= "adam" then return "optimiser.decay_all = true has no effect: weight_decay is 0" end
end

-- The rate at its peak for a batch of so many.
function optimiser:peak(batch) return self.lr_batch > 0 and self.lr * batch / self.lr_batch or self.lr end

-- ---- the nodes of one update ----

-- The rate of every weight; equal ones share a node. given: lr, and with layer_decay depth and layer_of.
local function rates(self, weights, given)
    local by_power, out = {}, {}
    for i, w in ipairs(weights) do
        local power = self.layer_decay < 1 and not w.of_loss and given.depth + 1 - given.layer_of(w.name) or 0
        by_power[power] = by_power[power] or (power == 0 and given.lr or given.lr * self.layer_decay ^ power)
        out[i] = by_power[power]
    end
    return out
end

-- The factors of clipping, one of all gradients and one of each; false where there is none.
local function factors(self, b, weights, norm)
    local all = self.clip > 0 and b:op("clip_factor", { norm }, { max = self.clip }) or false
    local out = {}
    for i, w in ipairs(weights) do
        out[i] = all
        if self.clip_each > 0 then
            local own = b:op("clip_factor", { b:op("grad_norm", { w.gradient }) }, { max = self.clip_each })
            out[i] = all and own * all or own
        end
    end
    return out
end

-- A tensor of the optimiser's state, as large as the weight.
local function kept(b, state, what, w)
    state:add(what .. "/" .. w.name, w.shape, "zero")
    return b:variable(state, what .. "/" .. w.name)
end

-- by * |a| / |b|, or 1 where either is 0.
local function ratio(b, x, y, by)
    local zero, a, c = b:constant(0), b:op("grad_norm", { x }), b:op("grad_norm", { y })
    local both = b:op("less", { zero, a }) * b:op("less", { zero, c })
    return b:op("where", { both, a / c * by, b:constant(1) })
end

local apply = {}

function apply.adamw(self, b, w, state, u)
    local given = { w.variable, w.gradient, kept(b, state, "m", w), kept(b, state, "v", w), u.lr, u.step, u.factor }
    if self.weight_decay_end and not u.spared then given[8] = u.scheduled_decay end
    b:op("adamw", given, { beta1 = self.beta1, beta2 = self.beta2, eps = self.eps, weight_decay = u.decay })
end

local function direction(self, b, w, state, u, decays)
    decays.beta1, decays.beta2, decays.eps = self.beta1, self.beta2, self.eps
    return b:op("adam_direction", { w.gradient, kept(b, state, "m", w), kept(b, state, "v", w), u.step, w.variable, u.factor }, decays)
end

function apply.adam(self, b, w, state, u)
    b:op("sgd", { w.variable, direction(self, b, w, state, u, { l2 = u.decay }), u.lr })
end

function apply.lamb(self, b, w, state, u)
    local step = direction(self, b, w, state, u, { weight_decay = u.decay })
    local by = u.decay > 0 and ratio(b, w.variable, step, 1) or false
    b:op("sgd", { w.variable, step, u.lr, false, false, by })
end

function apply.sgd(self, b, w, state, u)
    local mu = self.momentum > 0 and kept(b, state, "mu", w) or false
    b:op("sgd", { w.variable, w.gradient, u.lr, mu, u.factor }, { momentum = self.momentum, weight_decay = u.decay,
        nesterov = self.nesterov and 1 or 0 })
end

function apply.lars(self, b, w, state, u)
    local mu = self.momentum > 0 and kept(b, state, "mu", w) or false
    if #w.shape <= 1 then
        b:op("sgd", { w.variable, w.gradient, u.lr, mu, u.factor }, { momentum = self.momentum })
        return
    end
    local g = u.factor and w.gradient * u.factor or w.gradient
    if u.decay > 0 then g = g + w.variable * u.decay end
    b:op("sgd", { w.variable, g, u.lr, mu, false, ratio(b, w.variable, g, self.trust) }, { momentum = self.momentum })
end

-- One update. weights: list of { variable, gradient, name (in the state), shape, no_decay, of_loss, step (its own, or nil) }; given: lr, step, weight_decay
-- (tensors; the last with weight_decay_end only); with layer_decay also depth, the student's number of blocks, and layer_of, a function
-- (layers.of). Returns the norm of all gradients.
function optimiser:update(b, weights, state, given)
    local gradients = {}
    b:role("optimiser")
    for i, w in ipairs(weights) do gradients[i] = w.gradient end
    local norm = b:op("grad_norm", gradients)
    local lr, factor = rates(self, weights, given), factors(self, b, weights, norm)
    for i, w in ipairs(weights) do
        local spared = not self.decay_all and (#w.shape <= 1 or (w.no_decay and not self.decay_tokens))
        apply[self.kind](self, b, w, state, { lr = lr[i], step = w.step or given.step, factor = factor[i],
            spared = spared, decay = spared and 0 or self.weight_decay, scheduled_decay = given.weight_decay })
    end
    return norm
end

return optimiser
