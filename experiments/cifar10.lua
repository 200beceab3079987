-- CIFAR-10: a ViT teacher, and one student four times: alone, by logit distillation, by MaskedKD and with random patches, both
-- at half of the patches. --data names cifar10.tar (or .tar.gz, or the folder train/CLASS/*.jpg, test/CLASS/*.jpg); with
-- --set format=binary the folder of data_batch_*.bin. The default sizes are for half an hour on two cores.
local bauta = require "bauta"

local p = bauta.params {
    bauta.choice("format", "images", { "images", "binary" }, "of --data: pictures in folders or an archive, or CIFAR's own"),
    bauta.int("teacher_epochs", 5, 1, 1000, "epochs of the teacher"),
    bauta.int("epochs", 4, 1, 1000, "epochs of each student"),
    bauta.float("keep", 0.5, 0.01, 0.99, "share of the patches the masked teacher sees"),
    bauta.int("limit", 0, 0, 1e9, "images used, of each class (binary: in all); 0: all"),
    bauta.int("seed", 0, 0, 2 ^ 31, "of every random stream"),
}
if not arg.data then bauta.fail "where is CIFAR-10? bauta run experiments/cifar10.lua --data cifar10.tar" end

local data = bauta.data(p.format == "binary" and "cifar" or "images", { path = arg.data, limit = p.limit })

local function vit(s)
    s.image, s.patch, s.classes, s.drop_path = 32, 4, data.classes, 0
    return bauta.arch("deit", s)
end

local function teacher(weights) return vit { dim = 96, depth = 4, heads = 3, weights = weights } end

local function run(s)
    s.data, s.batch, s.seed = data, 32, p.seed
    s.student = s.student or vit { dim = 64, depth = 3, heads = 2 }
    s.epochs = s.epochs or p.epochs
    s.optimiser = bauta.optimiser "adamw" { lr = 1e-3 }
    s.schedule = bauta.schedule "cosine-shifted" { warmup = math.min(1, s.epochs / 4) }
    s.losses = { bauta.loss "cross-entropy" { smoothing = 0 }, s.teacher and bauta.loss "logit" { temperature = 2 } or nil }
    return (s.teacher and bauta.distill or bauta.train)(s)
end

local first = run { name = "teacher", student = teacher(), epochs = p.teacher_epochs }

return bauta.suite {
    name = "cifar10",
    runs = {
        first,
        run { name = "student-alone" },
        run { name = "student-logit", teacher = teacher(first) },
        run { name = "student-masked", teacher = teacher(first), mask = bauta.mask "student" { keep = p.keep } },
        run { name = "student-random", teacher = teacher(first), mask = bauta.mask "random" { keep = p.keep } },
    },
    report = bauta.summary,
}
