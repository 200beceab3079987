-- schedule: the learning rate of every step. A schedule knows nothing of the optimiser: it turns a base rate, the epoch and the
-- place in the epoch into a rate.
local check = require "bauta.check"
local errors = require "bauta.errors"

local schedule = {}
schedule.__index = schedule
schedule.class = "schedule"

local warmup = { name = "warmup", type = "float", min = 0, max = 1e5, optional = true, unit = "epochs",
                 doc = "epochs of linear warm-up; left out: 5, or a tenth of a run of less than 50 epochs" }
local floor = { name = "floor", type = "float", default = 1e-5, min = 0, max = 1, doc = "rate at the end" }

schedule.kinds = {
    cosine = {
        doc = "cosine per epoch as timm has it: the cosine begins at epoch 0, under the warm-up, not after it",
        rows = { warmup, floor,
            { name = "start", type = "float", default = 1e-6, min = 0, max = 1, doc = "rate at the beginning of the warm-up" },
            { name = "lag", type = "bool", default = true,
                doc = "epoch e >= 1 runs at the rate of e - 1, as the published runs did" } },
    },
    ["cosine-shifted"] = {
        doc = "cosine per step, beginning after the warm-up (MAE)",
        rows = { warmup, floor },
    },
    constant = { doc = "the base rate, always", rows = {} },
}

local function cosine(base, low, share) return low + 0.5 * (base - low) * (1 + math.cos(math.pi * share)) end

local rate = {}

function rate.cosine(s, base, epochs, epoch)
    local t, w = epoch, s:warm(epochs)
    if s.lag then
        if epoch == 0 then return w > 0 and s.start or base end
        t = epoch - 1
    end
    if t < w then return s.start + t * (base - s.start) / w end
    return cosine(base, s.floor, t / epochs)
end

rate["cosine-shifted"] = function(s, base, epochs, epoch, place)
    local t, w = epoch + (place or 0), s:warm(epochs)
    if t < w then return base * t / w end
    return cosine(base, s.floor, (t - w) / (epochs - w))
end

function rate.constant(_, base) return base end

-- Epochs of warm-up of a run of so many epochs.
function schedule:warm(epochs)
    if self.warmup then return self.warmup end
    return epochs >= 50 and 5 or epochs / 10
end

-- The rate of a step: base rate, epochs of the run, epoch from 0, place = step of the epoch / steps of an epoch.
function schedule:lr(base, epochs, epoch, place)
    return rate[self.kind](self, base, epochs, epoch, place)
end

-- What is wrong with it in a run of so many epochs, or nil.
function schedule:defect(epochs)
    if self.warmup and self.warmup >= epochs then
        return ("schedule.warmup = %s epochs; the run has %d"):format(errors.show(self.warmup), epochs)
    end
end

function schedule:describe()
    local out = { kind = self.kind }
    for _, row in ipairs(schedule.kinds[self.kind].rows) do
        out[row.name] = self[row.name] == nil and "automatic" or self[row.name]
    end
    return out
end

function schedule.new(kind, given)
    local k = schedule.kinds[kind]
    local s = check.settings(k.rows, given, "schedule")
    s.kind = kind
    return setmetatable(s, schedule)
end

return schedule
