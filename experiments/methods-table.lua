-- Every method with one teacher, for the same time: what accuracy it buys, at which speed, cost and memory. One cell for each method and view, so
-- that a grid that was stopped goes on:
--
--   bauta grid run experiments/methods-table.lua --data cifar10.tar.gz              five minutes each, one after the other
--   bauta grid report experiments/methods-table.lua --data cifar10.tar.gz           runs/methods-table/report/report.md
--   bauta grid run experiments/methods-table.lua --set minutes=0.1 --set teacher_epochs=1 --set limit=50 --only dkd      in seconds, on drawn pictures
--
-- Methods without labels leave the classifier as it was: what their students have learned is told by the nearest neighbours (knn_top1), of all.
-- How many steps the minutes held stands in each run's log; --set minutes=0 --set steps=N repeats one to the bit.
local bauta = require "bauta"
local list = require "method_list"

local p = bauta.params {
    bauta.float("minutes", 5, 0, 1e4, "training of each cell; 0: as many epochs or steps as --set says"),
    bauta.int("teacher_epochs", 10, 1, 1000, "of the one teacher"),
    bauta.int("batch", 64, 2, 4096, "pictures of a step"),
    bauta.int("limit", 0, 0, 1e6, "training pictures of a class; 0: all"),
    bauta.int("seeds", 1, 1, 100, "runs of each cell"),
    bauta.choice("methods", "main", { "main", "all" }, "one of each kind, or with all their variants"),
}

local function pictures()
    if arg.data then return bauta.data "images" { path = arg.data, limit = p.limit } end
    return bauta.data "scenes" { train = 10 * (p.limit > 0 and p.limit or 200), test = 200 }
end
local data = pictures()
list.setup { data = data, batch = p.batch }

local function common(s)
    s.data, s.batch, s.overlays, s.probe = s.data or data, p.batch, 0, s.teacher and 0 or nil
    s.optimiser = bauta.optimiser "adamw" { lr = 1e-3 }
    s.schedule = bauta.schedule "cosine-shifted" {}
    return s
end

local teacher = bauta.train(common { name = "teacher", seed = 1000, epochs = p.teacher_epochs, student = list.make.deit(true),
    losses = list.losses["cross-entropy"]() })

local seeds = {}
for i = 1, p.seeds do seeds[i] = i - 1 end

return bauta.grid {
    name = "methods-table", axes = { method = p.methods == "main" and list.main or list.names, view = { "full", "masked" }, seed = seeds }, order = { "method", "view", "seed" },
    skip = function(c) return c.view == "masked" and list.one_view[c.method] or false end,
    cell = function(c)
        local s = { losses = list.losses[c.method](), student = list.make[list.student[c.method] or "deit"](), seed = c.seed, knn = 20,
            minutes = p.minutes, evaluate_every = 1000, checkpoint_every = 1,
            mask = c.view == "masked" and bauta.mask "student" { keep = 0.5 } or nil }
        if list.alone[c.method] then return bauta.train(common(s)) end
        for k, v in pairs(list.special[c.method] or {}) do s[k] = v end
        s.freeze, s.freeze_epochs = nil, nil -- the minutes may hold less than the epoch in which DINO's last layer rests
        s.teacher = s.teacher or list.make.deit(true, teacher)
        return bauta.distill(common(s))
    end,
    report = {
        title = "Methods, one teacher, equal time", metrics = { "top1", "knn_top1", "step", "time_train", "images_per_s", "total_macs", "teacher_macs", "memory_peak" },
        curves = {},
        text = ("Small models on 32x32 pictures, %g minutes of training each, nothing tuned for any of them: this says what a method costs and that it works, not " ..
            "which is best. top1 of methods without labels (from attndistill on) is that of an untrained classifier."):format(p.minutes),
    },
}
