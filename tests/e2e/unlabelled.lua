-- unlabelled: runs with losses that need no labels, for tests: seconds on one core. --set kind=LOSS, --set keep=N masks the teacher.
local bauta = require "bauta"

local p = bauta.params {
    bauta.int("epochs", 1, 1, 1000, "epochs"),
    bauta.string("kind", "seed", "the loss, or two-queues, tokens, values"),
    bauta.int("keep", 0, 0, 16, "patches that the teacher sees; 0: all"),
    bauta.string("criterion", "student", "that chooses them"),
    bauta.string("statistics", "", "file for kdep and cc, or auto"),
}
local data = bauta.data "scenes" { size = 16, train = 96, test = 40 }

local function vit(more)
    local s = { dim = 24, depth = 2, heads = 2, image = 16, patch = 4, classes = data.classes, drop_path = 0 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch "deit"(s)
end
local function mae(dim, depth)
    return bauta.arch "mae" { dim = dim, depth = 2, heads = 2, image = 16, patch = 4, classes = data.classes, drop_path = 0, pool = "class",
        decoder = true, decoder_dim = dim, decoder_depth = depth, decoder_heads = 2 }
end

local student, teacher = vit(), vit { dim = 36, heads = 3 }
local mask = p.keep > 0 and bauta.mask(p.criterion) { keep = p.keep } or nil
local kinds = {
    ["compress-1q"] = { queue = 64 }, ["compress-2q"] = { queue = 64 }, seed = { queue = 64, teacher_temperature = 0.01 }, reg = {}, simreg = {},
    attndistill = {}, kdep = { statistics = p.statistics }, cc = { statistics = p.statistics, clusters = 6 }, g2sd = { layer = 1 },
    tokens = { "attndistill", { align = "tokens", layers = "all", merge = "max", form = "norm" } },
    values = { "attndistill", { values = true, projector = 2, compress = 0.1, queue = 64 } },
    ["two-queues"] = { "compress-2q", { queue = 64, keys = "slow" } },
}
local kind = kinds[p.kind] or bauta.fail("kind = %s: no such loss here", p.kind)
local loss = bauta.loss(kind[1] or p.kind, kind[2] or kind)
local common = { name = "run", data = data, epochs = p.epochs, batch = 16, seed = 3, overlays = 0, probe = 0, student = student,
    optimiser = bauta.optimiser "adamw" { lr = p.kind == "seed" and 2e-3 or 1e-3 } }
if p.kind == "g2sd" then
    common.student, teacher = mae(24, 2), mae(36, 3)
    mask = bauta.mask "random" { keep = p.keep > 0 and p.keep or 4, who = "both" }
end
if p.kind == "two-queues" then
    common.teachers = { bauta.teacher { name = "big", model = teacher, mask = mask, losses = { loss } },
        bauta.teacher { name = "slow", model = "ema", momentum = 0.9, momentum_end = 0.9 } }
else
    common.teacher, common.mask, common.losses = teacher, mask, { loss }
end
return bauta.distill(common)
