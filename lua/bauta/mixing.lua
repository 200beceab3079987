-- mixing: mixup and CutMix: each picture of a batch is mixed with its partner from the other end, and so are the labels, which
-- become soft targets. One draw a batch, the same for all its pictures, as timm's batch mode has it.
local check = require "bauta.check"
local errors = require "bauta.errors"

local mixing = {}
mixing.__index = mixing
mixing.class = "mixing"

local function share(name, default, doc) return { name = name, type = "float", default = default, min = 0, max = 1, doc = doc } end
local function alpha(name, default, doc) return { name = name, type = "float", default = default, min = 0, max = 100, doc = doc } end

mixing.rows = {
    alpha("mixup", 0.8, "both parameters of the Beta distribution of mixup's share; 0: no mixup"),
    alpha("cutmix", 1, "the same of CutMix, whose share is an area; 0: no CutMix"),
    share("swap", 0.5, "probability of CutMix where both are on"),
    share("probability", 1, "probability that a batch is mixed at all"),
    share("smoothing", 0.1, "of the targets: (1-s) on the label, s spread over all classes"),
}

function mixing.new(given)
    local s = check.settings(mixing.rows, given, "mixing")
    return setmetatable(s, mixing)
end

function mixing:schema() return mixing.rows end

-- What is wrong with it for a batch of so many, or nil.
function mixing:defect(batch)
    if self.mixup == 0 and self.cutmix == 0 then return "mixing: mixup and cutmix are both 0; leave mixing out instead" end
    if (self.mixup == 0 or self.cutmix == 0) and self.swap ~= 0.5 then
        return ("mixing.swap = %s has no effect: %s is 0, and there is nothing to swap"):format(errors.show(self.swap), self.mixup == 0 and "mixup" or "cutmix")
    end
    if batch % 2 == 1 then return ("mixing: batch = %d; partners need an even one"):format(batch) end
end

function mixing:describe()
    local out = {}
    for _, row in ipairs(mixing.rows) do out[row.name] = self[row.name] end
    return out
end

local function targets(self, b, plan, classes)
    local on = b:op("one_hot", { b:signal("batch", "labels") }, { classes = classes })
    return b:op("mix", { on * (1 - self.smoothing) + self.smoothing / classes, plan })
end

-- The nodes: returns the mixed pictures, f32 of 0..255, and the targets [B,classes].
function mixing:build(b, images, classes)
    local plan = b:op("mix_draw", { b:signal("batch", "step") }, { mixup = self.mixup, cutmix = self.cutmix, swap = self.swap,
        probability = self.probability, rows = images:size(1), columns = images:size(2) })
    return b:op("mix", { images, plan }), targets(self, b, plan, classes)
end

return mixing
