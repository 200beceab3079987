-- Quickstart: does the teacher need to see every patch? No download: pictures are drawn from a seed.
-- A small teacher is trained (or taken, when its run is complete), then the same student three times: alone, by plain logit
-- distillation, and by MaskedKD, where the teacher sees the half of the patches that the student looks at.
local bauta = require "bauta"

local p = bauta.params {
    bauta.int("teacher_epochs", 12, 1, 1000, "epochs of the teacher"),
    bauta.int("epochs", 8, 1, 1000, "epochs of each student"),
    bauta.float("keep", 0.5, 0.01, 0.99, "share of the patches the masked teacher sees"),
    bauta.int("train", 20000, 100, 1e7, "training pictures"),
    bauta.int("test", 2000, 100, 1e6, "test pictures"),
    bauta.int("seed", 0, 0, 2 ^ 31, "of every random stream"),
}

local data = bauta.data "scenes" { train = p.train, test = p.test }

local function vit(settings)
    settings.image, settings.patch, settings.classes, settings.drop_path = 32, 4, data.classes, 0
    return bauta.arch "deit"(settings)
end

local function run(settings)
    settings.data, settings.batch, settings.seed = data, 64, p.seed
    settings.optimiser = bauta.optimiser "adamw" { lr = 1e-3 }
    settings.schedule = bauta.schedule "cosine-shifted" { warmup = 0.5 }
    return settings.teacher and bauta.distill(settings) or bauta.train(settings)
end

local function student() return vit { dim = 64, depth = 4, heads = 2 } end

local teacher = run { name = "teacher", student = vit { dim = 96, depth = 5, heads = 3 }, epochs = p.teacher_epochs }
local taught = { dim = 96, depth = 5, heads = 3, weights = teacher }
local losses = { bauta.loss "cross-entropy" { smoothing = 0 }, bauta.loss "logit" { temperature = 2 } }

return bauta.suite {
    name = "quickstart",
    runs = {
        teacher,
        run { name = "student-alone", student = student(), epochs = p.epochs },
        run { name = "student-logit", student = student(), teacher = vit(taught), losses = losses, epochs = p.epochs },
        run { name = "student-masked", student = student(), teacher = vit { dim = 96, depth = 5, heads = 3, weights = teacher }, losses = losses,
            mask = bauta.mask "student" { keep = p.keep }, epochs = p.epochs },
    },
    report = bauta.summary,
}
