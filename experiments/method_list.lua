-- method_list: small models of every architecture, and every method with what it needs besides its losses, for methods.lua and methods-table.lua.
--
--   local list = require "method_list"
--   list.setup { data = data, views = data_of_views, batch = 32 }
--
--   list.models        names of architectures; list.make[name](big, weights) makes one, small for a student or big for a teacher
--   list.names         names of methods, those with labels first; list.losses[name]() makes what it minimises
--   list.main          one method of each kind, without its variants
--   list.alone[name]   whether it has no teacher
--   list.student[name], list.special[name]   who learns by it where a DeiT cannot; settings of bauta.distill over the usual ones
--   list.elsewhere[name]                     architectures that cannot be among list.models: why, and where they are
--   list.one_view[name]                      whether masking the teacher is no question there
--   list.unlabelled(name)                    whether it leaves the classifier as it was, so that its accuracy says nothing
--
-- A loss of Bauta's that no method here minimises is one by itself, beside the labels and with its defaults; an architecture that is not made here is
-- made as a plain ViT. Only what that does not suit needs an entry.
local bauta = require "bauta"

local list = {}
list.names = { "cross-entropy", "binary-cross-entropy", "binary-cross-entropy-logit", "maskedkd-paper", "maskedkd-code", "kd-cifar", "hard", "deit-soft", "deit-soft-paper",
    "deit-soft-code", "deit-hard", "nkd", "dkd",
    "fitnet-last", "fitnet-last-6", "fitnet-all", "mgd-tokens", "mgd-channels", "vitkd", "vitkd-paper", "vitkd-mha", "vitkd-correlation", "vitkd-self-attention",
    "vitkd-cross-attention", "vitkd-nkd", "manifold", "attention", "attention-mass", "combined",
    -- without labels
    "attndistill", "attndistill-projector", "attndistill-max", "attndistill-mean", "attndistill-min", "attndistill-mse", "attndistill-values",
    "attndistill-all-layers", "attndistill-tokens", "attndistill-compress", "g2sd", "dino", "seed", "compress-1q", "compress-2q", "cc", "reg", "reg-absolute",
    "reg-relative", "simreg", "kdep" }
list.main = { "cross-entropy", "binary-cross-entropy", "maskedkd-paper", "hard", "deit-hard", "nkd", "dkd", "fitnet-last", "mgd-tokens", "vitkd", "manifold",
    "attention", "combined", "attndistill", "g2sd", "dino", "seed", "compress-1q", "compress-2q", "cc", "reg", "simreg", "kdep" }
list.alone = { ["cross-entropy"] = true, ["binary-cross-entropy"] = true }
list.models = { "deit", "distilled", "deit3", "cait", "dino", "mae", "clip", "swin", "convit", "convvit", "segmenter", "yolos" }
list.whole = { swin = true } -- no patch of it can be left out
list.headless = { dino = true, yolos = true } -- has no classes of pictures: teaches with its tokens and its attention, untrained
list.elsewhere = { ast = "sees spectrograms: experiments/esc10.lua, and for 50 steps tests/e2e/sound.lua" }

local data, batch = nil, 1 -- until they are set up

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
    mae = vit "mae", clip = vit "clip", cait = vit("cait", { layer_scale = 0.1 }), convit = vit("convit", { ["local"] = 2 }),
    segmenter = vit("segmenter", { decoder_depth = 1 }) }

-- Those of another build: Swin of four stages of one block, ConvViT with its stem, YOLOS with its patches of 16 pixels.
function make.swin(big, weights)
    return bauta.arch "swin" { image = 32, patch = 2, window = 2, depths = "1,1,1,1", heads = "1,2,2,4", dim = big and 24 or 16, classes = data.classes,
        drop_path = 0, weights = weights }
end

function make.convvit(big, weights)
    return bauta.arch "convvit" { image = 32, dim = big and 96 or 48, depth = 2, stem_depth = 1, heads = big and 3 or 2, classes = data.classes,
        drop_path = 0, weights = weights }
end

function make.yolos(big)
    return bauta.arch "yolos" { rows = 32, columns = 32, dim = big and 96 or 64, depth = big and 4 or 3, heads = big and 3 or 2, detections = 4 }
end

-- ---- methods ----
local function ce() return bauta.loss "cross-entropy" { smoothing = 0 } end
local function bce() return bauta.loss "binary-cross-entropy" {} end
local function kd() return bauta.loss "logit" {} end
local function with_ce(name, settings) return function() return { ce(), bauta.loss(name, settings) } end end
local function recipe(name) return function() return bauta.losses(name, {}) end end

local losses = {
    ["cross-entropy"] = function() return { ce() } end, ["binary-cross-entropy"] = function() return { bce() } end,
    ["binary-cross-entropy-logit"] = function() return { bce(), kd() } end, ["maskedkd-paper"] = recipe "maskedkd-paper", ["maskedkd-code"] = recipe "maskedkd-code",
    ["kd-cifar"] = recipe "kd-cifar", hard = recipe "hard", ["deit-soft"] = recipe "deit-soft", ["deit-hard"] = recipe "deit-hard",
    ["deit-soft-paper"] = recipe "deit-soft-paper", ["deit-soft-code"] = recipe "deit-soft-code",
    nkd = recipe "nkd", dkd = recipe "dkd",
    ["fitnet-last"] = with_ce("fitnet", { weight = 1e-4 }), ["fitnet-last-6"] = with_ce("fitnet", { weight = 1e-4, layers = "last-2" }),
    ["fitnet-all"] = with_ce("fitnet", { weight = 1e-4, layers = "all" }),
    ["mgd-tokens"] = with_ce("mgd", { weight = 1e-4 }), ["mgd-channels"] = with_ce("mgd", { weight = 1e-4, hide = "channels", share = 0.15 }),
    vitkd = with_ce("vitkd", { alpha = 1e-4, beta = 5e-5 }),
    ["vitkd-paper"] = function() return { ce(), bauta.loss "vitkd" { weight = 1 / batch, alpha = 1e-4, beta = 1e-4, form = "paper" } } end,
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

-- What a model without classes can teach.
function list.tokens_only() return { ce(), bauta.loss "fitnet" { weight = 1e-4 }, bauta.loss "attention" {} } end

-- Queues as long as a batch, which are full after the first step; statistics of the teacher's embeddings made on the spot.
for name, l in pairs {
    attndistill = { "attndistill", {} }, ["attndistill-projector"] = { "attndistill", { guidance = 0, projector = 2 } },
    ["attndistill-max"] = { "attndistill", { merge = "max" } }, ["attndistill-mean"] = { "attndistill", { merge = "mean" } },
    ["attndistill-min"] = { "attndistill", { merge = "min" } }, ["attndistill-mse"] = { "attndistill", { distance = "mse" } },
    ["attndistill-values"] = { "attndistill", { values = true } }, ["attndistill-all-layers"] = { "attndistill", { layers = "all" } },
    ["attndistill-tokens"] = { "attndistill", { align = "tokens" } }, ["attndistill-compress"] = { "attndistill", { compress = 1, queue = "batch" } },
    seed = { "seed", { queue = "batch", teacher_temperature = 0.01 } }, ["compress-1q"] = { "compress-1q", { queue = "batch" } },
    ["compress-2q"] = { "compress-2q", { queue = "batch" } }, reg = { "reg", {} }, ["reg-absolute"] = { "reg", { form = "absolute" } },
    ["reg-relative"] = { "reg", { form = "relative" } }, simreg = { "simreg", {} }, g2sd = { "g2sd", { layer = 0 } },
    dino = { "dino", { centre_momentum = 0 } }, -- so short a run has no time for a centre that follows slowly
    cc = { "cc", { statistics = "auto", clusters = 20 } }, kdep = { "kdep", { statistics = "auto" } },
} do
    losses[name] = function()
        if l[2].queue then l[2].queue = batch end
        return { bauta.loss(l[1], l[2]) }
    end
end
list.losses, list.make = losses, make

list.one_view = { ["cross-entropy"] = true, ["binary-cross-entropy"] = true, g2sd = true, cc = true }
list.student = { ["deit-soft"] = "distilled", ["deit-soft-paper"] = "distilled", ["deit-soft-code"] = "distilled", ["deit-hard"] = "distilled" }

-- By their first word.
local unlabelled = { attndistill = true, g2sd = true, dino = true, seed = true, compress = true, cc = true, reg = true, simreg = true, kdep = true }
function list.unlabelled(name) return unlabelled[name:match "^%w+"] or false end

-- What methods minimise, as a set of losses' names.
function list.used(methods)
    local out = {}
    for _, name in ipairs(methods) do
        for _, l in ipairs(losses[name]()) do out[l.name] = true end
    end
    return out
end

-- Puts a name among those with labels.
local function enter(names, name)
    local at = #names + 1
    for i = #names, 1, -1 do at = list.unlabelled(names[i]) and i or at end
    table.insert(names, at, name)
end

-- Makes methods of the losses, and models of the architectures, that are not here.
function list.complete(all_losses, archs)
    local known = list.used(list.names)
    for _, name in ipairs(all_losses) do
        if not known[name] then
            losses[name] = with_ce(name, {})
            enter(list.names, name)
            enter(list.main, name)
        end
    end
    for _, name in ipairs(archs) do
        if not make[name] and not list.elsewhere[name] then
            make[name] = vit(name)
            list.models[#list.models + 1] = name
        end
    end
end
list.complete(bauta.plugins "loss", bauta.plugins "arch")

local function autoencoder(big)
    return vit("mae", { pool = "class", decoder = true, decoder_dim = big and 48 or 32, decoder_depth = 2, decoder_heads = 2 })(big)
end

-- given: data; views, the data that DINO's views are cut from; batch.
function list.setup(given)
    data, batch = given.data, given.batch
    list.special = {
        -- masks its own student too
        g2sd = { student = autoencoder(false), teacher = autoencoder(true), mask = bauta.mask "random" { keep = 0.25, who = "both" } },
        -- learns from its own average, on several crops of each picture
        dino = { data = given.views or given.data, student = vit("dino", { head = true, outputs = 256 })(false), teacher = "ema",
            views = bauta.views { locals = 2, local_image = 16 }, freeze = "head.last_layer", freeze_epochs = 1 },
        -- its teacher does not run
        cc = { mask = bauta.mask "none" {} },
    }
end

return list
