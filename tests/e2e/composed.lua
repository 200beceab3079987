-- composed: small runs of every way in which a step can be put together, for tests.
local bauta = require "bauta"

local p = bauta.params {
    bauta.int("epochs", 4, 1, 1000, "epochs"),
    bauta.choice("kind", "two", { "two", "student", "both", "schedule", "guided", "dino", "own", "large", "drawn", "tome", "drop", "strategy", "recipe",
        "expect", "card", "others", "restless", "views" }, "how the step is put together"),
}
local data = bauta.data "scenes" { size = 16, train = 96, test = 40 }

local function vit(more)
    local s = { dim = 24, depth = 2, heads = 2, image = 16, patch = 4, classes = data.classes, drop_path = 0.1 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch "deit"(s)
end

local logit, ce = bauta.loss "logit" { temperature = 2 }, bauta.loss "cross-entropy" {}
local guided = bauta.mask.define { name = "guided",
    score = function(m) return m.class_attention { who = "auxiliary" }:mean { axis = 1 } end }
local kinds = {
    two = { teachers = {
        bauta.teacher { name = "big", model = vit { dim = 36 }, mask = bauta.mask "student" { keep = 0.5 }, losses = { logit } },
        bauta.teacher { name = "small", model = vit { depth = 1 }, losses = { logit }, weight = 0.5 } } },
    student = { teacher = vit { dim = 36 }, mask = bauta.mask "student" { keep = 0.5, who = "student" }, losses = { ce, logit } },
    both = { teacher = vit { dim = 36 }, mask = bauta.mask "student" { keep = 0.5, who = "both" }, losses = { ce, logit } },
    schedule = { teacher = vit { dim = 36 }, losses = { ce, logit }, ema = 0.9,
        mask = bauta.mask "student" { keep = { [0] = "all", [1] = 0.5, [3] = 4 } } },
    views = { student = bauta.arch "dino" { dim = 24, depth = 2, heads = 2, image = 16, patch = 4, head = true, outputs = 32, drop_path = 0.1 },
        teacher = "ema", mask = bauta.mask "student" { keep = 0.5 }, losses = { bauta.loss "dino" {} }, freeze = "head.last_layer",
        views = bauta.views { locals = 3, local_image = 8 } },
    recipe = { teacher = "ema", momentum = 0.9, losses = { ce, logit, bauta.loss "fitnet" {} }, ema = 0.9, mixing = bauta.mixing {},
        mask = bauta.mask "student" { keep = 0.5 }, optimiser = bauta.optimiser "adamw" { lr = 1e-3, weight_decay = 0.04,
            weight_decay_end = 0.4, clip_each = 3, layer_decay = 0.75 }, schedule = bauta.schedule "dino" {},
        data = bauta.data "scenes" { size = 16, train = 96, test = 40, erasing = 0.25, randaugment = 2, repeats = 3 } },
    guided = { teacher = vit { dim = 36 }, mask = guided { keep = 0.5, model = vit { dim = 12 } }, losses = { ce, logit } },
    dino = { teacher = vit { dim = 36 }, losses = { ce, logit },
        mask = bauta.mask "dino" { keep = 0.5, ranked = 5, model = vit { dim = 12, patch = 8 } } },
    own = { teacher = vit { dim = 36 }, mask = bauta.mask "teacher" { keep = 0.5, softmax = "patches" }, losses = { ce, logit } },
    large = { teacher = vit { dim = 36, image = 24 }, mask = bauta.mask "student" { keep = 8, source = "patches" }, losses = { ce, logit } },
    tome = { teacher = vit { dim = 36 }, reducer = bauta.reducer "tome" { r = 4 }, losses = { ce, logit } },
    drop = { teacher = vit { dim = 36 }, mask = bauta.mask "student" { keep = 0.5 }, reducer = bauta.reducer "drop" { keep = 3 },
        losses = { ce, logit } },
    strategy = { teacher = vit { dim = 36 }, mask = bauta.mask "disagreement" { keep = 0.5 }, losses = { ce, logit } },
    drawn = { teacher = vit { dim = 36 }, mask = bauta.mask "student" { keep = 0.5, select = "sampled" }, losses = { ce, logit } },
}
local s, known = kinds[p.kind], nil
-- Of these the teacher is trained before; one has other classes and teaches with its tokens.
local trained = { expect = { expect = 99.5 }, card = {}, restless = { drop_path = 0.9 }, others = { classes = 7, partial = "head" } }
if trained[p.kind] then
    known = bauta.train { name = "teacher", data = data, student = vit(), epochs = 1, batch = 16 }
    trained[p.kind].weights = known
    s = { teacher = vit(trained[p.kind]), losses = { ce, p.kind == "others" and bauta.loss "fitnet" {} or logit },
        teacher_training = p.kind == "restless" or nil }
end
s.losses = s.losses or { ce }
for k, v in pairs { name = "run", data = data, student = vit(), epochs = p.epochs, batch = 16, seed = 3, overlays = 2,
    optimiser = bauta.optimiser "adamw" { lr = 1e-3 } } do
    if s[k] == nil then s[k] = v end
end
local run = bauta.distill(s)
return known and bauta.suite { runs = { known, run } } or run
