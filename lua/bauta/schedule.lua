-- schedule: the learning rate of every step. A schedule knows nothing of the optimiser: it turns a base rate, the epoch and the
-- place in the epoch into a rate.
local check = require "bauta.check"
local errors = require "bauta.errors"

local schedule = {}
schedule.__index = schedule
schedule.class = "schedule"

local warmup = { name = "warmup", type = "float", min = 0, max = 1e5, optional = true, unit = "epochs",
                 doc = "epochs of linear warm-up; left out: 5, or a tenth of a run of less than 50 epochs" }
local function low(default) return { name = "floor", type = "float", default = default, min = 0, max = 1,
                                     doc = "rate at the end" } end
local floor = low(1e-5)

local function epochs_judge(v)
    if type(v) == "number" then v = tostring(v) end
    if type(v) ~= "string" or not (v .. ","):find "^[%d,]+$" then return nil, "is " .. errors.show(v) end
    local before = -1
    for one in (v .. ","):gmatch "([^,]*)," do
        local epoch = tonumber(one)
        if not epoch or epoch <= before then return nil, "is " .. errors.show(v) end
        before = epoch
    end
    return v
end

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
    dino = {
        doc = "cosine per step; the warm-up begins at 0 and holds both of its ends (DINO)",
        rows = { warmup, low(1e-6) },
    },
    stepped = {
        doc = "warm-up per step, then a cosine per epoch that begins after it (mmcls, ViTKD)",
        rows = { warmup, floor, { name = "start", type = "float", default = 1e-3, min = 0, max = 1,
            doc = "of the warm-up: share of the base rate" } },
    },
    exponential = {
        doc = "the base rate for some epochs, then smaller by a factor at each (AST)",
        rows = { { name = "factor", type = "float", default = 0.85, above = 0, max = 1, doc = "from one epoch to the next" },
            { name = "hold", type = "int", default = 5, min = 1, max = 100000, unit = "epochs", doc = "at the base rate" } },
    },
    steps = {
        doc = "the base rate, smaller by a factor from certain epochs on",
        rows = { { name = "factor", type = "float", default = 0.1, above = 0, max = 1, doc = "at each of them" },
            { name = "at", type = "any", default = "15,30,40", accept = epochs_judge, what = 'epochs as "15,30,40"',
                doc = "epochs (from 0), commas between" } },
    },
    polynomial = {
        doc = "falls per step from the base rate to the floor by a power of what is left (Segmenter)",
        rows = { low(0), { name = "power", type = "float", default = 0.9, above = 0, max = 10, doc = "1: a straight line" } },
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

function rate.dino(s, base, epochs, epoch, place, steps)
    local n, i = math.floor(s:warm(epochs) * steps + 0.5), math.floor((epoch + place) * steps + 0.5)
    if i < n then return n > 1 and base * i / (n - 1) or 0 end
    return cosine(base, s.floor, (i - n) / (epochs * steps - n))
end

function rate.stepped(s, base, epochs, epoch, place)
    local w = s:warm(epochs)
    local t = epoch + place
    if t < w then return base * (s.start + (1 - s.start) * t / w) end
    return cosine(base, s.floor, (epoch - w) / (epochs - w))
end

function rate.exponential(s, base, _, epoch) return base * s.factor ^ math.max(0, epoch + 1 - s.hold) end

function rate.steps(s, base, _, epoch)
    for one in s.at:gmatch "%d+" do
        if epoch >= tonumber(one) then base = base * s.factor end
    end
    return base
end

function rate.polynomial(s, base, epochs, epoch, place)
    return s.floor + (base - s.floor) * (1 - (epoch + place) / epochs) ^ s.power
end

function rate.constant(_, base) return base end

-- Epochs of warm-up of a run of so many epochs.
function schedule:warm(epochs)
    if self.warmup then return self.warmup end
    return epochs >= 50 and 5 or epochs / 10
end

-- The rate of a step: base rate, epochs of the run, epoch from 0, place = step of the epoch / steps of an epoch, steps of an epoch.
function schedule:lr(base, epochs, epoch, place, steps)
    return rate[self.kind](self, base, epochs, epoch, place or 0, steps or 1)
end

function schedule:schema() return schedule.kinds[self.kind].rows end

-- The highest rate of a run, looked for at the beginning, in the middle and at the end of every epoch.
local function highest(self, base, epochs)
    local most = 0
    for epoch = 0, math.ceil(epochs) - 1 do
        for _, place in ipairs { 0, 0.5, 0.99 } do most = math.max(most, self:lr(base, epochs, epoch, place, 100)) end
    end
    return most
end

-- What is wrong with it in a run of so many epochs at a base rate, or nil.
function schedule:defect(epochs, base)
    if self.warmup and self.warmup >= epochs then
        return ("schedule.warmup = %s epochs; the run has %s"):format(errors.show(self.warmup), errors.show(epochs))
    end
    local most = highest(self, base, epochs)
    if most < base / 10 then
        return ("schedule %s: the rate of a run of %s epochs stays at %g or below, its base is %g%s"):format(self.kind,
            errors.show(epochs), most, base, self.lag and "; lag = false or cosine-shifted begin at once" or "")
    end
    local said = {} -- settings that are not the defaults, which are meant for runs of any length
    for _, row in ipairs(self:schema()) do said[row.name] = self[row.name] ~= row.default end
    if said.start and self.warmup == 0 then
        return ("schedule.start = %s has no effect: there is no warm-up"):format(errors.show(self.start))
    end
    local last = said.at and tonumber(self.at:match "%d+$")
    if last and last >= epochs then return ("schedule.at: epoch %d is never reached, the run has %s (from 0)"):format(last, errors.show(epochs)) end
    if said.hold and self.hold >= epochs and self.factor < 1 then
        return ("schedule.hold = %d epochs; the run has %s, and its rate would never fall"):format(self.hold, errors.show(epochs))
    end
end

function schedule:describe()
    local out = { kind = self.kind }
    for _, row in ipairs(self:schema()) do
        out[row.name] = self[row.name] == nil and "automatic" or self[row.name]
    end
    return out
end

function schedule.new(kind, given)
    local k = schedule.kinds[kind]
    local s = check.settings(k.rows, given, "schedule")
    s.kind, s.given = kind, given or {} -- what was said, where --set puts another kind in its place
    return setmetatable(s, schedule)
end

return schedule
