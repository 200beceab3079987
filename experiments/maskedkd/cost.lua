-- The cost columns of MaskedKD's tables: `bauta plan experiments/maskedkd/cost.lua --set pair=base-small --set keep=98`.
-- Nothing is trained: the pictures only stand for the 1,281,167 of ImageNet, so that totals are those of the papers
-- (DeiT-B at 98 of 196 patches, 300 epochs: 3,349 PFLOPs in their count, which is multiply-adds).
local bauta = require "bauta"

local p = bauta.params {
    bauta.choice("pair", "base-small", { "base-small", "small-tiny", "large-base" }, "teacher and student"),
    bauta.int("keep", 98, 2, 196, "patches the teacher sees; 196: all"),
    bauta.int("epochs", 300, 1, 10000, "of ImageNet"),
    bauta.int("batch", 128, 1, 4096, "images of a step"),
}
local data = bauta.data "scenes" { size = 224, train = 1281167, test = 50000 }
local big, small = p.pair:match "(%w+)-(%w+)"

local function deit(size) return bauta.arch "deit" { size = size, image = 224, patch = 16, classes = 1000 } end

return bauta.distill {
    name = p.pair .. "-" .. p.keep, data = data, student = deit(small), teacher = deit(big),
    mask = p.keep < 196 and bauta.mask "student" { keep = p.keep } or bauta.mask "none" {},
    losses = { bauta.loss "cross-entropy" { smoothing = 0.1 }, bauta.loss "logit" {} },
    optimiser = bauta.optimiser "adamw" { lr = 1e-3, weight_decay = 0.05 },
    epochs = p.epochs, batch = p.batch,
}
