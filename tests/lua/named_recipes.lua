-- named_recipes: recipe = NAME: every one makes a run that can be described; what the script says stays; values of the published recipes; refusals.
local bauta = require "bauta"
local recipe = require "bauta.recipe"
local t = require "harness"

local function described(name, more, data, student)
    local d = { train = 96, test = 40, size = 40 }
    for k, v in pairs(data or {}) do d[k] = v end
    local a = { dim = 24, depth = 2, heads = 2, image = 40, patch = 8, classes = 10 }
    for k, v in pairs(student or {}) do a[k] = v end
    local s = { name = "x", data = bauta.data "scenes"(d), student = bauta.arch(name == "dino" and "dino" or "deit", a), recipe = name }
    if name == "dino" then s.student = bauta.arch "dino" { dim = 24, depth = 2, heads = 2, image = 40, patch = 8, classes = 10, head = true, outputs = 16 } end
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.train(s)
end

for _, name in ipairs(recipe.names()) do
    local s = described(name, { losses = { bauta.loss "cross-entropy" {} } }).settings
    t.check(s.epochs > 20 and s.optimiser.lr > 0 and #recipe.kinds[name].doc > 10, "%s can be described", name)
    t.check(recipe.standing({ settings = s, record = function() return described(name):record() end }):find("epochs = " .. s.epochs, 1, true), "%s stands", name)
end
t.group "every recipe"

-- ---- DeiT, as published ----
local s = described "deit".settings
t.equal(s.epochs .. " " .. s.batch, "300 1024", "epochs and batch")
t.near(s.optimiser:peak(1024), 1e-3, 1e-15, "peak rate of the batch")
t.near(s.schedule:lr(1e-3, 300, 299, 0, 1251), 1.01086e-5, 1e-9, "the rate of the last epoch, as in the published log")
t.near(s.schedule:lr(1e-3, 300, 2, 0, 1251), 2.008e-4, 1e-9, "and of the third")
t.equal(s.optimiser.weight_decay, 0.05, "decay")
t.check(s.mixing and s.mixing.mixup == 0.8 and s.mixing.cutmix == 1 and s.mixing.smoothing == 0.1, "mixing")
local d = s.data.settings
t.equal(("%d %g %g %g %d %g"):format(d.randaugment, d.magnitude, d.spread, d.erasing, d.repeats, d.jitter), "2 9 0.5 0.25 3 0", "augmentation")
t.equal(s.student.settings.drop_path, 0.1, "stochastic depth")
t.equal(s.student:params():fact "depth", 2, "the model is made with it")
local seed = described("seed").settings.schedule -- no run of SEED's was published whose rate lagged by an epoch
t.near(seed:lr(0.03, 200, 1, 0, 100), 1e-6 + (0.03 - 1e-6) / 5, 1e-12, "SEED's second epoch is the warm-up's second")
t.near(seed:lr(0.03, 200, 100, 0, 100), 0.015, 1e-12, "and half of the way is half of the rate")
local light, jitter = described "deit-light".settings, described "deit-light-jitter".settings
t.check(not light.mixing and light.data.settings.randaugment == 0 and light.data.settings.erasing == 0 and light.data.settings.repeats == 3, "light")
t.equal(jitter.data.settings.jitter, 0.3, "light as timm makes it")
local dino = described("dino").settings
t.check(dino.views and dino.views.locals == 8 and dino.freeze == "head.last_layer" and dino.optimiser.clip_each == 3 and dino.optimiser.weight_decay_end == 0.4 and
    dino.optimiser.decay_tokens, "DINO")
t.near(dino.optimiser:peak(512), 1e-3, 1e-15, "DINO's rate")
-- G2SD's first stage does not train its positions; its second, like MAE's fine-tuning, does.
for name, want in pairs { ["g2sd-generic"] = "fixed", ["g2sd-specific"] = "learned", ["mae-finetune"] = "learned" } do
    local student = bauta.arch "mae" { dim = 24, depth = 2, heads = 2, image = 40, patch = 8, classes = 10 }
    t.equal(described(name, { student = student }).settings.student.settings.positions, want, name .. ": positions")
end
-- Heads that begin anew.
for name, want in pairs { ["mae-finetune"] = 2e-5, ["g2sd-specific"] = 2e-5, linear = 0.01 } do t.equal(described(name).settings.head_deviation, want, name .. ": head") end
t.equal(described("deit").settings.head_deviation, nil, "DeiT's is left as it is")
t.equal(described("deit3").settings.losses[1].name .. " " .. described("deit").settings.losses[1].name, "binary-cross-entropy cross-entropy", "losses where none are given")
t.equal(described("deit3", { losses = { bauta.loss "logit" {} } }).settings.losses[1].name, "logit", "losses that are given")
t.raises("loss binary-cross-entropy.binary: mixing.smoothing = 0.1 makes every class a target; smoothing = 0 expected", function()
    described("deit3", { mixing = bauta.mixing {} })
end)
t.group "values of the papers"

-- ---- what the script says ----
local own = described("deit", { epochs = 7, batch = 32, optimiser = bauta.optimiser "sgd" {} }, { erasing = 0, repeats = 2 }, { drop_path = 0.3 }).settings
t.equal(own.epochs .. " " .. own.batch .. " " .. own.optimiser.kind, "7 32 sgd", "settings of the run stay")
t.equal(own.data.settings.erasing .. " " .. own.data.settings.repeats .. " " .. own.data.settings.randaugment, "0 2 2", "of the data too, the others are the recipe's")
t.equal(own.student.settings.drop_path, 0.3, "and of the student")
local shared = bauta.data "scenes" { train = 96, test = 40, size = 40 }
local with = described("deit", { data = shared }).settings.data
t.check(with ~= shared and shared.settings.erasing == 0, "the script's data is left alone")
t.check(with:split "train" == shared:split "train", "and opened once")
t.equal(described("deit", { minutes = 5 }).settings.epochs, 100, "bound by minutes: no epochs of the recipe's")
local settings = { name = "x", data = bauta.data "scenes" { train = 96, test = 40, size = 40, repeats = 3 }, epochs = 2, batch = 8,
    student = bauta.arch "deit" { dim = 24, depth = 2, heads = 2, image = 40, patch = 8, classes = 10, drop_path = 0.1 },
    optimiser = bauta.optimiser "adamw" { lr = 5e-4, lr_batch = 512, weight_decay = 0.05 }, schedule = bauta.schedule "cosine" { warmup = 1 } }
local a = described("deit-light", { batch = 8, epochs = 2, schedule = bauta.schedule "cosine" { warmup = 1 } })
local b = bauta.train(settings)
local identity = require "bauta.grid.identity"
t.equal(identity.of(a), identity.of(b), "a recipe is its settings: written out they are the same cell")
t.group "what the script says"

t.raises('recipe = "dait": no such recipe; did you mean deit?', function() described "dait" end)
t.refused(function() described(3) end, "a number")
t.refused(function() described("deit", { epochs = 3 }) end, "a warm-up longer than the run")
t.group "refusals"
return t.done()
