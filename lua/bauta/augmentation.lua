-- augmentation: how a data set's settings show a picture to a model, in training and in evaluation, and which of them say nothing there.
local errors = require "bauta.errors"

local augmentation = {}

-- The policy of training pictures of so many pixels.
local function policy_of(settings, image)
    return settings.augment == "deit" and (image <= 32 and "pad" or "crop") or settings.augment
end

-- What a loader is told. image: side of the pictures.
function augmentation.of(settings, image, training)
    if settings.frequency_mask then -- spectrograms
        return { policy = "none", image = image, frequency_mask = training and settings.frequency_mask or 0,
            time_mask = training and settings.time_mask or 0 }
    end
    local a = { image = image, interpolation = settings.interpolation, flip = settings.flip, scale_low = settings.scale_low }
    if not training then
        a.policy = image <= 32 and "none" or "evaluate"
        a.crop, a.interpolation = settings.test_crop, settings.test_interpolation
    else
        a.policy = policy_of(settings, image)
        a.pad = settings.border
        a.operations, a.magnitude, a.spread = settings.randaugment, settings.magnitude, settings.spread
        a.three = settings.three_augment
        a.jitter = settings.randaugment == 0 and 1 or 0 -- as in timm, jitter gives way to RandAugment
        a.brightness, a.contrast, a.saturation, a.hue = settings.jitter, settings.jitter, settings.jitter, settings.hue
    end
    return a
end

-- What a linear probe's classifier is shown in training: crops of 0.08 to 1 of the area (up to 32 pixels: out of a border) and flips, whatever the model
-- itself was trained with. how: { interpolation, once (one draw of the crop) } of the protocol. Spectrograms are shown whole.
function augmentation.of_probe(settings, image, how)
    if settings.frequency_mask then return { policy = "none", image = image } end
    return { policy = image <= 32 and "pad" or "crop", image = image, pad = settings.border, flip = settings.flip,
        interpolation = how.interpolation, once = how.once }
end

-- ---- settings that would say nothing ----

local function unless_policy(wanted)
    return function(_, policy) return policy ~= wanted and ("training pictures are not made by augment = %s here"):format(wanted) end
end
local function changes(_, policy) return policy == "none" and "augment = none changes no picture" end
local function operates(s) return s.randaugment == 0 and "there is no randaugment" end
local function resizes(s, policy)
    return policy ~= "crop" and (s.randaugment == 0 or policy == "none") and "no training picture is resized or turned"
end
local function whole(_, _, image) return image <= 32 and ("pictures of %d pixels are evaluated whole"):format(image) end
local function jitters(s, policy) return changes(s, policy) or s.randaugment > 0 and "randaugment takes its place" end

-- Settings, each with a function: why a value other than the default would be without effect, or nil.
local rules = {
    { "border", unless_policy "pad" }, { "flip", function(s, policy) return s.flip > 0 and changes(s, policy) end },
    { "scale_low", unless_policy "crop" }, { "randaugment", changes }, { "magnitude", operates }, { "spread", operates },
    { "jitter", jitters }, { "hue", jitters }, { "three_augment", changes },
    { "erasing_integers", function(s) return s.erasing == 0 and "there is no erasing" end },
    { "interpolation", resizes }, { "test_crop", whole }, { "test_interpolation", whole },
}

-- Of several views the pictures are cut and coloured as bauta.views says.
local of_views = { "augment", "border", "scale_low", "randaugment", "magnitude", "spread", "jitter", "hue", "three_augment", "erasing",
    "erasing_integers" }

local function views_defects(data, defaults, lines)
    for _, name in ipairs(of_views) do
        local v = data.settings[name]
        if v ~= defaults[name] then
            lines[#lines + 1] = ("data %s.%s = %s has no effect: with views, bauta.views says how pictures are cut and coloured"):format(data.name,
                name, errors.show(v))
        end
    end
end

-- What of a data set's settings has no effect on training with pictures of so many pixels: adds sentences. defaults: of the settings.
function augmentation.defects(data, defaults, image, views, lines)
    if data.channels == 1 then return end
    if views then return views_defects(data, defaults, lines) end
    local s, policy = data.settings, policy_of(data.settings, image)
    for _, rule in ipairs(rules) do
        local name, v = rule[1], s[rule[1]]
        local why = v ~= defaults[name] and rule[2](s, policy, image)
        if why then lines[#lines + 1] = ("data %s.%s = %s has no effect: %s"):format(data.name, name, errors.show(v), why) end
    end
end

return augmentation
