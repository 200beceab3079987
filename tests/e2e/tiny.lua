-- tiny: the smallest distillation there is, for tests: seconds on one core.
local bauta = require "bauta"

local p = bauta.params {
    bauta.int("epochs", 2, 1, 1000, "epochs"),
    bauta.choice("kind", "distill", { "distill", "train", "lua", "suite", "nan" }, "what is returned"),
    bauta.string("name", "tiny", "the run's name"),
    bauta.int("teacher_seed", 3, 0, 1000, "of the suite's teacher"),
}
local data = bauta.data "scenes" { size = 16, train = 96, test = 40 }

local function vit(more)
    local s = { dim = 24, depth = 2, heads = 2, image = 16, patch = 4, classes = data.classes, drop_path = 0.1 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch "deit"(s)
end

local common = { data = data, epochs = p.epochs, batch = 16, seed = 3, ema = p.kind == "distill" and 0.9 or 0, overlays = 4,
    optimiser = bauta.optimiser "adamw" { lr = 1e-3, clip = 1 } }
if p.kind == "nan" then -- every weight times -999 at each step
    common.optimiser = bauta.optimiser "adamw" { lr = 100, weight_decay = 10 }
    common.schedule = bauta.schedule "constant" {}
end

local function run(make, more)
    local s = {}
    for k, v in pairs(common) do s[k] = v end
    for k, v in pairs(more) do s[k] = v end
    return make(s)
end

local losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" { temperature = 2 } }
local mine = bauta.mask.define { name = "mine", score = function(m) return m.class_attention {}:mean { axis = 1 } end }

if p.kind == "train" then return run(bauta.train, { name = p.name, student = vit() }) end
if p.kind == "suite" then
    local teacher = run(bauta.train, { name = "teacher", student = vit(), seed = p.teacher_seed })
    return bauta.suite { name = "all", runs = { teacher,
        run(bauta.distill, { name = "student", student = vit { dim = 12 }, teacher = vit { weights = teacher }, losses = losses,
            mask = bauta.mask "student" { keep = 0.5 } }) },
        report = bauta.summary }
end
local mask = p.kind == "lua" and mine { keep = 0.5 } or bauta.mask "student" { keep = 0.5 }
return run(bauta.distill, { name = p.name, student = vit(), teacher = vit { dim = 36 }, losses = losses, mask = mask })
