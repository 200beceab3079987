-- Quickstart: does the teacher need to see every patch? No download: pictures are drawn from a seed.
-- A small teacher is trained (or taken, when its run is complete), then the same student three times: alone, by plain logit
-- distillation, and by MaskedKD, where the teacher sees the half of the patches that the student looks at.
local bauta = require "bauta"

local p = bauta.params {
    bauta.int("teacher_epochs", 4, 1, 1000, "epochs of the teacher"),
    bauta.int("epochs", 5, 1, 1000, "epochs of each student"),
    bauta.float("keep", 0.5, 0.01, 0.99, "share of the patches the masked teacher sees"),
    bauta.int("train", 20000, 100, 1e7, "training pictures"),
    bauta.int("test", 2000, 100, 1e6, "test pictures"),
    bauta.int("seed", 0, 0, 2 ^ 31, "of every random stream"),
}

local data = bauta.data "scenes" { train = p.train, test = p.test }

local function vit(s)
    s.image, s.patch, s.classes, s.drop_path = 32, 4, data.classes, 0
    return bauta.arch("deit", s)
end

local function teacher(weights) return vit { dim = 96, depth = 4, heads = 3, weights = weights } end

local function run(s)
    s.data, s.batch, s.seed = data, 32, p.seed
    s.student = s.student or vit { dim = 64, depth = 3, heads = 2 }
    s.epochs = s.epochs or p.epochs
    s.optimiser = bauta.optimiser "adamw" { lr = 2e-3 }
    s.schedule = bauta.schedule "cosine-shifted" { warmup = math.min(1, s.epochs / 4) }
    s.losses = s.teacher and { bauta.loss "cross-entropy" { smoothing = 0 }, bauta.loss "logit" { temperature = 2 } } or nil
    return (s.teacher and bauta.distill or bauta.train)(s)
end

local first = run { name = "teacher", student = teacher(), epochs = p.teacher_epochs }

return bauta.suite {
    name = "quickstart",
    runs = {
        first,
        run { name = "student-alone" },
        run { name = "student-logit", teacher = teacher(first) },
        run { name = "student-masked", teacher = teacher(first), mask = bauta.mask "student" { keep = p.keep } },
    },
    report = bauta.summary,
}
