-- losses: what papers and their code minimise, as lists of losses by name.
--
--   losses = bauta.losses "maskedkd-code" {}
--   losses = bauta.losses "vitkd" { vitkd = { share = 0.7 }, ["cross-entropy"] = { smoothing = 0 } }
--
-- The table that follows the name changes settings of the parts, by the name of the loss. Where a paper and its code differ both are here.
local check = require "bauta.check"
local errors = require "bauta.errors"
local plugin = require "bauta.plugin"

local losses = {}

local function ce(weight) return { "cross-entropy", { weight = weight, smoothing = 0.1 } } end
local function kd(settings) return { "logit", settings } end

losses.kinds = {
    ["maskedkd-paper"] = { doc = "CE + lambda KD, lambda 1, temperature 1, mean over the batch", ce(1), kd {} },
    ["maskedkd-code"] = { doc = "(1-a) CE + a KD with a = 0.5: half of the paper's", ce(0.5), kd { weight = 0.5 } },
    ["deit-soft"] = { doc = "DeiT: 0.9 CE + 0.1 KD on the distillation head, temperature 3, divided by the classes: the paper's numbers in its code",
        ce(0.9), kd { weight = 0.1, temperature = 3, reduction = "numel", head = "distillation" } },
    ["deit-soft-paper"] = { doc = "deit-soft as the paper has it: mean over the batch",
        ce(0.9), kd { weight = 0.1, temperature = 3, head = "distillation" } },
    ["deit-soft-code"] = { doc = "deit-soft with the defaults of its code: 0.5 CE + 0.5 KD, temperature 1, divided by the classes",
        ce(0.5), kd { weight = 0.5, reduction = "numel", head = "distillation" } },
    ["deit-hard"] = { doc = "DeiT: 0.5 CE + 0.5 of the teacher's decision on the distillation head",
        ce(0.5), { "hard", { weight = 0.5, head = "distillation" } } },
    ["hard"] = { doc = "0.5 CE + 0.5 of the teacher's decision, without a distillation token", ce(0.5), { "hard", { weight = 0.5 } } },
    ["kd-imagenet"] = { doc = "Hinton's distillation as mdistiller and cls_KD have it on ImageNet: 0.5 CE + 0.5 KD, temperature 1",
        ce(0.5), kd { weight = 0.5 } },
    ["kd-cifar"] = { doc = "Hinton's distillation on CIFAR: 0.1 CE + 0.9 KD, temperature 4", ce(0.1), kd { weight = 0.9, temperature = 4 } },
    ["nkd"] = { doc = "CE + NKD, gamma 1, temperature 1: vision transformers", ce(1), { "nkd", {} } },
    ["nkd-cnn"] = { doc = "CE + NKD with the gamma of convolutional networks, 1.5", ce(1), { "nkd", { gamma = 1.5 } } },
    ["dkd"] = { doc = "CE + DKD, alpha 1, beta 0.5, temperature 1", ce(1), { "dkd", {} } },
    ["dkd-cifar"] = { doc = "CE + DKD, beta 8, temperature 4, growing over 20 epochs", ce(1),
        { "dkd", { beta = 8, temperature = 4, warmup = 20 } } },
    ["fitnet"] = { doc = "CE + squared error of the last block's tokens", ce(1), { "fitnet", {} } },
    ["mgd"] = { doc = "CE + masked generative distillation of tokens", ce(1), { "mgd", {} } },
    ["vitkd"] = { doc = "CE + mimicking of two blocks + generation of the last, as its code has it", ce(1), { "vitkd", {} } },
    ["vitkd-paper"] = { doc = "vitkd with the paper's random masks, without 1/lambda and summed over the batch", ce(1), { "vitkd", { form = "paper" } } },
    ["vitkd-nkd"] = { doc = "ViTKD and NKD", ce(1), { "vitkd", {} }, { "nkd", {} } },
    ["manifold"] = { doc = "Manifold's recipe: KD and three terms between tokens, no CE", kd {}, { "manifold", {} } },
    ["attention"] = { doc = "CE + KD + 0.1 times the attention of the class token in all blocks", ce(1), kd {}, { "attention", {} } },
}

-- Their names, sorted.
function losses.names()
    local out = {}
    for name in pairs(losses.kinds) do out[#out + 1] = name end
    table.sort(out)
    return out
end

-- What one consists of, in words: "cross-entropy { smoothing = 0.1, weight = 0.5 } + hard { weight = 0.5 }".
function losses.parts(name)
    local out = {}
    for i, part in ipairs(losses.kinds[name]) do
        local settings = {}
        for k, v in pairs(part[2]) do settings[#settings + 1] = ("%s = %s"):format(k, errors.show(v)) end
        table.sort(settings)
        out[i] = part[1] .. (#settings > 0 and " { " .. table.concat(settings, ", ") .. " }" or "")
    end
    return table.concat(out, " + ")
end

-- The settings of one part: the recipe's, and over them what was given for it.
local function settings_of(part, given)
    local out = {}
    for k, v in pairs(part[2]) do out[k] = v end
    for k, v in pairs(given[part[1]] or {}) do out[k] = v end
    return out
end

local function judge(name, given)
    local recipe, parts = losses.kinds[name], {}
    for i, part in ipairs(recipe) do parts[i] = part[1] end
    for key, v in pairs(given) do
        local known = false
        for _, part in ipairs(parts) do known = known or part == key end
        if not known then errors.fail("losses %s: %s", name, errors.unknown("part", tostring(key), parts)) end
        if type(v) ~= "table" or check.class_of(v) then
            errors.fail("losses %s: %s: a table of settings expected, got %s", name, key, errors.show(v))
        end
    end
end

-- The list of losses.
function losses.new(name, given)
    if type(given) ~= "table" or check.class_of(given) then
        errors.fail("losses %s: a table of settings by loss expected, got %s", name, errors.show(given))
    end
    judge(name, given)
    local out = {}
    for i, part in ipairs(losses.kinds[name]) do out[i] = plugin.describe("loss", part[1], settings_of(part, given)) end
    return out
end

return losses
