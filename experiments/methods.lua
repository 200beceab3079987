-- Every method and every architecture, side by side: a few steps of each, to see that it trains, or some minutes of each, to compare.
--
--   bauta run experiments/methods.lua                                           50 steps of everything on drawn pictures
--   bauta run experiments/methods.lua --set loss=vitkd --set view=masked        of one method, with half of the patches
--   bauta run experiments/methods.lua --set loss=logit --set student=deit3      of another student (or teacher)
--   bauta run experiments/methods.lua --data cifar10.tar.gz                     the same on CIFAR-10
--   bauta run experiments/methods.lua --data cifar10.tar.gz --set minutes=5     then as many epochs as five minutes hold, by the
--                                                                               speed of the first pass below --out, with one teacher
-- The report is a table: the loss of the first pass and of the last; with minutes what came out and what it cost.
local bauta = require "bauta"

local losses = { "cross-entropy", "maskedkd-paper", "maskedkd-code", "kd-cifar", "hard", "deit-soft", "deit-hard", "nkd", "dkd", "fitnet-last",
    "fitnet-last-6", "fitnet-all", "mgd-tokens", "mgd-channels", "vitkd", "vitkd-paper", "vitkd-mha", "vitkd-correlation", "vitkd-self-attention",
    "vitkd-cross-attention", "vitkd-nkd", "manifold", "attention", "attention-mass", "combined",
    -- without labels
    "attndistill", "attndistill-projector", "attndistill-max", "attndistill-mean", "attndistill-min", "attndistill-mse", "attndistill-values",
    "attndistill-all-layers", "attndistill-tokens", "attndistill-compress", "g2sd", "seed", "compress-1q", "compress-2q", "reg", "reg-absolute",
    "reg-relative", "simreg" }
local models = { "deit", "distilled", "deit3", "cait", "dino", "mae", "clip", "swin", "convit", "convvit" }

local function choices(list, ...)
    local out = { "all", ... }
    for _, name in ipairs(list) do out[#out + 1] = name end
    return out
end

local p = bauta.params {
    bauta.choice("loss", "all", choices(losses, "architectures"), "which method; architectures: none, but every model as student and as teacher"),
    bauta.choice("student", "all", choices(models), "whose loss: all = a DeiT for every method, and every architecture with logit distillation"),
    bauta.choice("teacher", "all", choices(models), "who teaches; all as for the student"),
    bauta.choice("view", "both", { "both", "full", "masked" }, "what the teacher sees: every patch, or the half that the student looks at"),
    bauta.int("steps", 50, 10, 1e6, "steps of each run, and of the teacher"),
    bauta.float("minutes", 0, 0, 1e4, "training of each run instead; needs --data and a first pass without"),
    bauta.string("speeds", "runs/methods", "the folder of that first pass"),
    bauta.int("teacher_epochs", 10, 1, 1000, "epochs of the teacher when minutes are given"),
    bauta.int("seed", 0, 0, 2 ^ 31, "of every random stream"),
}
local batch, epoch_images = 32, 50000
if p.minutes > 0 and not arg.data then bauta.fail "minutes = %g: where is CIFAR-10? --data cifar10.tar.gz" end

-- The steps are five passes over the same pictures, so that the first pass and the last can be compared.
local passes, data = 5, nil
local pictures = math.ceil(p.steps / passes) * batch
if not arg.data then data = bauta.data "scenes" { train = pictures, test = 200, augment = "none" }
elseif p.minutes > 0 then data = bauta.data "images" { path = arg.data }
else data = bauta.data "images" { path = arg.data, limit = math.ceil(pictures / 10), augment = "none" } end

-- ---- models: small ones of every architecture; big: a teacher ----
local function vit(name, more)
    return function(big, weights)
        local s = { image = 32, patch = 4, classes = data.classes, dim = big and 96 or 64, depth = big and 4 or 3, heads = big and 3 or 2,
            drop_path = 0, weights = weights }
        for k, v in pairs(more or {}) do s[k] = v end
        return bauta.arch(name, s)
    end
end

local make = { deit = vit "deit", distilled = vit("deit", { distilled = true }), deit3 = vit("deit3", { layer_scale = 0.1 }), dino = vit "dino",
    mae = vit "mae", clip = vit "clip", cait = vit("cait", { layer_scale = 0.1 }), convit = vit("convit", { ["local"] = 2 }) }

-- Those of another build: Swin of four stages of one block, ConvViT with its stem.
function make.swin(big, weights)
    return bauta.arch "swin" { image = 32, patch = 2, window = 2, depths = "1,1,1,1", heads = "1,2,2,4", dim = big and 24 or 16, classes = data.classes,
        drop_path = 0, weights = weights }
end

function make.convvit(big, weights)
    return bauta.arch "convvit" { image = 32, dim = big and 96 or 48, depth = 2, stem_depth = 1, heads = big and 3 or 2, classes = data.classes,
        drop_path = 0, weights = weights }
end

local whole = { swin = true }    -- no patch of it can be left out
local headless = { dino = true } -- has no classes: teaches with its tokens and its attention, untrained

-- ---- methods ----
local function ce() return bauta.loss "cross-entropy" { smoothing = 0 } end
local function kd() return bauta.loss "logit" {} end
local function with_ce(name, settings) return function() return { ce(), bauta.loss(name, settings) } end end
local function recipe(name) return function() return bauta.losses(name, {}) end end

local recipes = {
    ["cross-entropy"] = function() return { ce() } end, ["maskedkd-paper"] = recipe "maskedkd-paper", ["maskedkd-code"] = recipe "maskedkd-code",
    ["kd-cifar"] = recipe "kd-cifar", hard = recipe "hard", ["deit-soft"] = recipe "deit-soft", ["deit-hard"] = recipe "deit-hard",
    nkd = recipe "nkd", dkd = recipe "dkd",
    ["fitnet-last"] = with_ce("fitnet", { weight = 1e-4 }), ["fitnet-last-6"] = with_ce("fitnet", { weight = 1e-4, layers = "last-2" }),
    ["fitnet-all"] = with_ce("fitnet", { weight = 1e-4, layers = "all" }),
    ["mgd-tokens"] = with_ce("mgd", { weight = 1e-4 }), ["mgd-channels"] = with_ce("mgd", { weight = 1e-4, hide = "channels", share = 0.15 }),
    vitkd = with_ce("vitkd", { alpha = 1e-4, beta = 5e-5 }), ["vitkd-paper"] = with_ce("vitkd", { alpha = 1e-4, beta = 1e-4, form = "paper" }),
    ["vitkd-mha"] = with_ce("vitkd", { alpha = 1e-4, beta = 5e-5, module = "mha" }),
    ["vitkd-correlation"] = with_ce("vitkd", { alpha = 1e-4, beta = 5e-5, align = "correlation" }),
    ["vitkd-self-attention"] = with_ce("vitkd", { alpha = 1e-4, beta = 5e-5, generator = "self-attention" }),
    ["vitkd-cross-attention"] = with_ce("vitkd", { alpha = 1e-4, beta = 5e-5, generator = "cross-attention" }),
    ["vitkd-nkd"] = function() return { ce(), bauta.loss "vitkd" { alpha = 1e-4, beta = 5e-5 }, bauta.loss "nkd" {} } end,
    manifold = function() return { ce(), kd(), bauta.loss "manifold" {} } end,
    attention = recipe "attention", ["attention-mass"] = function() return { ce(), kd(), bauta.loss "attention" { under_mask = "mass" } } end,
    combined = function()
        return { ce(), kd(), bauta.loss "fitnet" { weight = 1e-4 }, bauta.loss "manifold" { layers = "last" }, bauta.loss "attention" {} }
    end,
}
local function tokens_only() return { ce(), bauta.loss "fitnet" { weight = 1e-4 }, bauta.loss "attention" {} } end

local function alone(name, settings) return function() return { bauta.loss(name, settings) } end end

-- Queues as long as a batch, which are full after the first step.
for name, l in pairs {
    attndistill = { "attndistill", {} }, ["attndistill-projector"] = { "attndistill", { guidance = 0, projector = 2 } },
    ["attndistill-max"] = { "attndistill", { merge = "max" } }, ["attndistill-mean"] = { "attndistill", { merge = "mean" } },
    ["attndistill-min"] = { "attndistill", { merge = "min" } }, ["attndistill-mse"] = { "attndistill", { distance = "mse" } },
    ["attndistill-values"] = { "attndistill", { values = true } }, ["attndistill-all-layers"] = { "attndistill", { layers = "all" } },
    ["attndistill-tokens"] = { "attndistill", { align = "tokens" } }, ["attndistill-compress"] = { "attndistill", { compress = 1, queue = batch } },
    seed = { "seed", { queue = batch, teacher_temperature = 0.01 } }, ["compress-1q"] = { "compress-1q", { queue = batch } },
    ["compress-2q"] = { "compress-2q", { queue = batch } }, reg = { "reg", {} }, ["reg-absolute"] = { "reg", { form = "absolute" } },
    ["reg-relative"] = { "reg", { form = "relative" } }, simreg = { "simreg", {} }, g2sd = { "g2sd", { layer = 0 } },
} do recipes[name] = alone(l[1], l[2]) end

-- Who learns by a method, where a DeiT cannot.
local learner = { ["deit-soft"] = "distilled", ["deit-hard"] = "distilled" }
-- By their first word: what leaves the classifier as it was, so that its accuracy says nothing; compared by probes instead.
local unlabelled = { attndistill = true, g2sd = true, seed = true, compress = true, reg = true, simreg = true }

-- What a method needs beside its losses: settings of bauta.distill, over the usual ones.
local function autoencoder(big)
    return vit("mae", { pool = "class", decoder = true, decoder_dim = big and 48 or 32, decoder_depth = 2, decoder_heads = 2 })(big)
end
local special = { g2sd = { student = autoencoder(false), teacher = autoencoder(true), mask = bauta.mask "random" { keep = 0.25, who = "both" } } }

-- ---- runs ----
local runs, teachers = {}, {}

-- Epochs that fit into the minutes, at the speed of the first pass.
local function epochs_of(name)
    if p.minutes == 0 then return passes end
    local ok, t = pcall(bauta.rows, p.speeds .. "/" .. name, "result")
    if not ok or t.n == 0 then bauta.fail("no result of %s below %s; run this script without minutes first, or name the folder: speeds", name, p.speeds) end
    return math.max(1, math.floor(p.minutes * 60 * t.images_per_s[t.n] / epoch_images + 0.5))
end

local function add(name, s)
    s.name, s.data, s.batch, s.seed, s.overlays = name, data, batch, p.seed, 0
    s.epochs = s.epochs or epochs_of(name)
    s.evaluate_every, s.checkpoint_every = s.epochs, s.epochs
    s.optimiser = bauta.optimiser "adamw" { lr = 1e-3 }
    s.schedule = bauta.schedule "cosine-shifted" { warmup = 0.1 }
    runs[#runs + 1] = (s.teacher and bauta.distill or bauta.train)(s)
    return runs[#runs]
end

-- One trained teacher of each kind that is needed.
local function teacher(kind)
    if headless[kind] then return make[kind](true) end
    teachers[kind] = teachers[kind]
        or add("teacher-" .. kind, { student = make[kind](true), epochs = p.minutes > 0 and p.teacher_epochs or passes })
    return make[kind](true, teachers[kind])
end

local function merged(s, more)
    for k, v in pairs(more or {}) do s[k] = v end
    return s
end

local function add_views(name, list, student, kind)
    for _, view in ipairs { "full", "masked" } do
        local possible = view == "full" or not (whole[kind] or special[name])
        if possible and (p.view == "both" or p.view == view or special[name]) then
            add(name .. "-" .. view, merged({ losses = list(), student = make[student](), teacher = teacher(kind),
                mask = view == "masked" and bauta.mask "student" { keep = 0.5 } or nil }, special[name]))
        end
    end
end

if headless[p.student] then bauta.fail("student = %s has no classes; it learns without labels only", p.student) end
local student, kind = p.student == "all" and "deit" or p.student, p.teacher == "all" and "deit" or p.teacher
for _, name in ipairs(losses) do
    if (p.loss == "all" or p.loss == name) and not (p.minutes > 0 and unlabelled[name:match "^%w+"]) then
        if name == "cross-entropy" then add("cross-entropy", { losses = { ce() }, student = make[student]() })
        else add_views(name, recipes[name], p.student == "all" and learner[name] or student, kind) end
    end
end
if (p.loss == "all" or p.loss == "architectures") and p.minutes == 0 then
    for _, model in ipairs(models) do
        if p.student == "all" and model ~= "deit" and not headless[model] then add_views("student-" .. model, recipes["maskedkd-paper"], model, kind) end
        if p.teacher == "all" and model ~= "deit" then
            add_views("teacher-is-" .. model, headless[model] and tokens_only or recipes["maskedkd-paper"], student, model)
        end
    end
end

-- ---- reports ----
local function average(list, from, to)
    local sum = 0
    for i = from, to do sum = sum + list[i] end
    return sum / (to - from + 1)
end

local function falls(results)
    local out = { { "run", "loss, first pass", "last pass", "falls", "img/s" } }
    for _, r in ipairs(results) do
        local t = bauta.rows(r.path, "train")
        local some = t.n / passes
        local first, last = average(t.loss, 1, some), average(t.loss, t.n - some + 1, t.n)
        out[#out + 1] = { r.name, ("%.4f"):format(first), ("%.4f"):format(last), last < first and "yes" or "NO", ("%.0f"):format(r.images_per_s) }
    end
    return bauta.table(out)
end

local function compared(results)
    local out = { "| method | top-1 % | epochs | img/s | MACs of a step, an image | of the teacher | peak memory |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |" }
    for _, r in ipairs(results) do
        local cost, peak = bauta.rows(r.path, "cost"), 0
        for i = 1, cost.n do peak = peak + cost.peak_memory[i] end
        out[#out + 1] = ("| %s | %.2f | %d | %.0f | %.1f M | %.1f M | %.0f MiB |"):format(r.name:match "[^/]+$", r.top1, r.epochs, r.images_per_s,
            r.total_macs / 1e6, r.teacher_macs / 1e6, peak / 2 ^ 20)
    end
    return table.concat(out, "\n")
end

return bauta.suite { name = p.minutes > 0 and "methods-minutes" or "methods", runs = runs, report = p.minutes > 0 and compared or falls }
