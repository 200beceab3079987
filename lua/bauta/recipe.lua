-- recipe: how papers train, by name: what a run, its data and its student are told where the script does not say it.
--
--   bauta.distill { ..., recipe = "deit" }
--   bauta.distill { ..., recipe = "deit", epochs = 100, optimiser = bauta.optimiser "adamw" { lr = 3e-4 } }
--
-- What the script sets itself stays, setting by setting of data and student, and as a whole where it is an object of its own (optimiser, schedule,
-- mixing, views). Masks and models are no part of a recipe, nor are losses, but for the one that stands in where none are given. Where a paper and its code differ both are here.
local check = require "bauta.check"
local errors = require "bauta.errors"
local mixing = require "bauta.mixing"
local optimiser = require "bauta.optimiser"
local plugin = require "bauta.plugin"
local schedule = require "bauta.schedule"
local views = require "bauta.views"

local recipe = {}

-- An optimiser or a schedule, made when it is needed.
local function adamw(s) return { "adamw", s } end
local function sgd(s) return { "sgd", s } end
local function timm(s) return { "cosine", s } end
local function shifted(s) return { "cosine-shifted", s } end

local deit_rate = { lr = 5e-4, lr_batch = 512, weight_decay = 0.05 }
local function deit(more)
    local out = { run = { epochs = 300, batch = 1024, optimiser = adamw(deit_rate), schedule = timm { warmup = 5 }, mixing = {} },
        data = { randaugment = 2, erasing = 0.25, repeats = 3 }, student = { drop_path = 0.1 } }
    for part, settings in pairs(more) do
        if type(settings) ~= "table" then out[part] = settings end
        for k, v in pairs(type(settings) == "table" and settings or {}) do
            out[part][k] = v
            if v == "none" then out[part][k] = nil end
        end
    end
    return out
end

local no_mixing = { mixing = "none" }
local masked_autoencoder = { lr = 1e-3, lr_batch = 256, weight_decay = 0.05, layer_decay = 0.75 }

recipe.kinds = {
    ["deit"] = deit { doc = "DeiT, and MaskedKD for students of size S and B: AdamW, RandAugment, erasing, mixup and CutMix, repeated augmentation" },
    ["deit-light"] = deit { doc = "MaskedKD's for Tiny (and its \"simple\" set): crop and flip alone, as the paper says; repeated augmentation as the code has it",
        run = no_mixing, data = { randaugment = 0, erasing = 0 } },
    ["deit-light-jitter"] = deit { doc = "the same as timm makes it of RandAugment switched off: with colour jitter 0.3",
        run = no_mixing, data = { randaugment = 0, erasing = 0, jitter = 0.3 } },
    ["deit3"] = { loss = "binary-cross-entropy", doc = "DeiT III, size S at 224: LAMB, binary cross-entropy, 3-Augment and jitter",
        run = { epochs = 800, batch = 2048, optimiser = { "lamb", { lr = 4e-3, weight_decay = 0.05 } }, schedule = timm { warmup = 5 },
            mixing = { smoothing = 0 } },
        data = { three_augment = true, jitter = 0.3, repeats = 3, test_crop = 1 }, student = { drop_path = 0.05 } },
    ["mae-finetune"] = { doc = "MAE's fine-tuning, size L (H: student.drop_path = 0.3): layer decay, no repeated augmentation",
        run = { epochs = 50, batch = 1024, optimiser = adamw(masked_autoencoder), schedule = shifted { warmup = 5, floor = 1e-6 }, mixing = {}, head_deviation = 2e-5 },
        data = { randaugment = 2, erasing = 0.25 }, student = { drop_path = 0.2 } },
    ["vitkd"] = { doc = "ViTKD as its paper lists it, with mixup and CutMix",
        run = { epochs = 300, batch = 1024, optimiser = adamw { lr = 1e-3, weight_decay = 0.05, clip = 5 }, mixing = {},
            schedule = { "stepped", { warmup = 20 } } },
        data = { randaugment = 2, erasing = 0.25, erasing_integers = true }, student = { drop_path = 0 } },
    ["vitkd-code"] = { doc = "ViTKD as released: nothing is mixed during distillation",
        run = { epochs = 300, batch = 1024, optimiser = adamw { lr = 1e-3, weight_decay = 0.05, clip = 5 }, schedule = { "stepped", { warmup = 20 } } },
        data = { randaugment = 2, erasing = 0.25, erasing_integers = true }, student = { drop_path = 0 } },
    ["manifold"] = deit { doc = "Manifold: DeiT's with batches of 512, no stochastic depth, averaged weights", run = { batch = 512, ema = 0.99996 },
        student = { drop_path = 0 } },
    ["g2sd-generic"] = { doc = "G2SD, first stage: crops of at least a fifth and flips, tokens decay too, positions stay sines and cosines",
        run = { epochs = 300, batch = 4096, schedule = shifted { warmup = 10, floor = 2.5e-6 },
            optimiser = adamw { lr = 1.5e-4, lr_batch = 256, weight_decay = 0.05, beta2 = 0.95, decay_tokens = true } },
        data = { scale_low = 0.2 }, student = { drop_path = 0, positions = "fixed" } },
    ["g2sd-specific"] = { doc = "G2SD, second stage: as MAE's fine-tuning, 200 epochs",
        run = { epochs = 200, batch = 1024, optimiser = adamw(masked_autoencoder), schedule = shifted { warmup = 5, floor = 1e-6 }, mixing = {}, head_deviation = 2e-5 },
        data = { randaugment = 2, erasing = 0.25 }, student = { drop_path = 0 } },
    ["dino"] = { doc = "DINO, 100 epochs (vanilla): views, growing decay, each tensor clipped, the head's last layer at rest in the first epoch",
        run = { epochs = 100, batch = 512, views = {}, freeze = "head.last_layer", freeze_epochs = 1, schedule = { "dino", { warmup = 10 } },
            optimiser = adamw { lr = 5e-4, lr_batch = 256, weight_decay = 0.04, weight_decay_end = 0.4, clip_each = 3, decay_tokens = true } },
        data = {}, student = { drop_path = 0.1 } },
    ["attndistill"] = { doc = "AttnDistill on ImageNet, ViT-T (ViT-S: 800 epochs): crops of at least a fifth and flips, tokens and positions decay too",
        run = { epochs = 500, batch = 4096, schedule = shifted { warmup = 40, floor = 0 },
            optimiser = adamw { lr = 1.5e-4, lr_batch = 256, weight_decay = 0.05, beta2 = 0.95, decay_tokens = true } },
        data = { scale_low = 0.2 }, student = { drop_path = 0 } },
    ["linear"] = { doc = "DINO's linear probe, and with a teacher ECCV Table 8: the head alone learns",
        run = { epochs = 100, batch = 1024, trains = "head", head_deviation = 0.01, optimiser = sgd { lr = 1e-3, lr_batch = 256, momentum = 0.9 },
            schedule = timm { warmup = 0, floor = 0, lag = false } },
        data = { interpolation = "bilinear" }, student = { drop_path = 0 } },
    ["seed"] = { doc = "SEED: SGD, 200 epochs", data = {}, student = {},
        run = { epochs = 200, batch = 256, optimiser = sgd { lr = 0.03, lr_batch = 256, weight_decay = 1e-4 },
            schedule = timm { warmup = 5, floor = 0, lag = false } } },
    ["compress"] = { doc = "CompRess: SGD, crop and flip, a fifth of the rate after 90 and 120 epochs", data = {}, student = {},
        run = { epochs = 130, batch = 256, optimiser = sgd { lr = 0.01, weight_decay = 1e-4 }, schedule = { "steps", { factor = 0.2, at = "90,120" } } } },
    ["cc"] = { doc = "CC: SGD with Nesterov's momentum on clusters", data = {}, student = {},
        run = { epochs = 90, batch = 256, optimiser = sgd { lr = 0.1, nesterov = true, weight_decay = 1e-4 }, schedule = timm { warmup = 0, floor = 0, lag = false } } },
    ["simreg"] = { doc = "SimReg: SGD, 130 epochs", data = {}, student = {},
        run = { epochs = 130, batch = 256, optimiser = sgd { lr = 0.05, weight_decay = 1e-4 }, schedule = timm { warmup = 0, floor = 0, lag = false } } },
    ["ast"] = { doc = "AST on ESC-50 from ImageNet weights (from AudioSet's: optimiser.lr = 1e-5): Adam, the rate falls from the sixth epoch on",
        run = { epochs = 25, batch = 48, optimiser = { "adam", { lr = 1e-4 } }, schedule = { "exponential", { factor = 0.85, hold = 5 } } },
        data = { frequency_mask = 24, time_mask = 96 }, student = { drop_path = 0 } },
}

function recipe.names()
    local names = {}
    for name in pairs(recipe.kinds) do names[#names + 1] = name end
    table.sort(names)
    return names
end

local make = {
    optimiser = function(v) return optimiser.new(v[1], v[2]) end, schedule = function(v) return schedule.new(v[1], v[2]) end,
    mixing = mixing.new, views = views.new,
}

-- The settings of bauta.train or bauta.distill with what a recipe says filled in.
function recipe.filled(name, given)
    local r, out = recipe.kinds[name], {}
    if not r then errors.raise("arg", ("recipe = %s: %s"):format(errors.show(name), errors.unknown("recipe", tostring(name), recipe.names()))) end
    for k, v in pairs(given) do out[k] = v end
    for k, v in pairs(r.run) do
        local bound = k == "epochs" and ((given.steps or 0) ~= 0 or (given.minutes or 0) ~= 0)
        if given[k] == nil and not bound then out[k] = make[k] and make[k](v) or v end
    end
    for _, part in ipairs { "data", "student" } do
        local class = part == "data" and "data" or "arch"
        if check.class_of(given[part]) == class then out[part] = plugin.overlaid(given[part], r[part]) end
    end
    return out
end

-- The loss of a run that gives none. name: of its recipe, or nil.
function recipe.loss(name) return name and recipe.kinds[name].loss or "cross-entropy" end

-- What a recipe names, { name, value } ("optimiser.lr", "data.erasing"), in order.
function recipe.settings(name)
    local r, out = recipe.kinds[name], {}
    local function add(prefix, settings)
        local keys = {}
        for k in pairs(settings) do keys[#keys + 1] = k end
        table.sort(keys)
        for _, k in ipairs(keys) do
            local v = settings[k]
            if type(v) ~= "table" then out[#out + 1] = { prefix .. k, v }
            else
                out[#out + 1] = { prefix .. k, type(v[1]) == "string" and v[1] or "on" }
                add(prefix .. k .. ".", v[2] or v)
            end
        end
    end
    add("", r.run)
    if r.loss then out[#out + 1] = { "losses", r.loss } end
    add("data.", r.data)
    add("student.", r.student)
    return out
end

-- What an experiment has in the places that its recipe names, as text.
function recipe.standing(e)
    local record, out = e:record(), {}
    for _, one in ipairs(recipe.settings(e.settings.recipe)) do
        local v = record
        for part in one[1]:gmatch "[^.]+" do
            v = type(v) == "table" and (v[part] == nil and v.settings or v) or nil
            v = v and v[part]
        end
        if type(v) == "table" then v = v.kind or v[1] and v[1].plugin or "on" end
        if v ~= nil then out[#out + 1] = ("%s = %s"):format(one[1], tostring(v)) end
    end
    return table.concat(out, ", ")
end

return recipe
