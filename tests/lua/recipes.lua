-- recipes: what a step does besides the model: optimisers against their formulas and the golden values, mixing of pictures and labels,
-- erasing, averaged teachers, frozen parts.
local bauta = require "bauta"
local inputs = require "bauta.step.inputs"
local session = require "bauta.session"
local steps = require "bauta.steps"
local t = require "harness"

-- ---- optimisers ----
-- Steps an optimiser with constant gradients. weights: name = { shape, numbers, gradient }. Returns the weights after each step.
local function stepped(o, weights, n, more)
    local store, state = bauta.store(1), bauta.store(1)
    local feeds, names = { lr = { "f32", {} } }, {}
    for name, w in pairs(weights) do
        store:add(name, w[1])
        store:write(name, w[2])
        feeds["g_" .. name:gsub("%.", "_")] = { "f32", w[1] }
        names[#names + 1] = name
    end
    table.sort(names)
    local step = bauta.graph({ feeds = feeds }, function(g, batch)
        local list = {}
        for i, name in ipairs(names) do
            list[i] = { variable = g:variable(store, name), gradient = batch["g_" .. name:gsub("%.", "_")], name = name,
                shape = weights[name][1], no_decay = weights[name].no_decay }
        end
        g:fetch("norm", o:update(g, list, state, { lr = batch.lr, step = batch.step, depth = more and more.depth or 1,
            layer_of = more and more.layer_of }))
    end)
    local out = {}
    for i = 1, n do
        for _, name in ipairs(names) do step:feed("g_" .. name:gsub("%.", "_"), weights[name][3]) end
        step:feed("lr", more and more.lr or o.lr)
        step:feed("step", i)
        step:run()
        out[i] = { norm = step:read "norm" }
        for _, name in ipairs(names) do out[i][name] = store:read(name) end
    end
    return out
end

local function near(got, want, tolerance, what)
    for i, v in ipairs(want) do t.near(got[i], v, tolerance, ("%s [%d]"):format(what, i)) end
end

local lars = stepped(bauta.optimiser "lars" {}, { w = { { 1, 2 }, { 3, 4 }, { 0.6, 0.8 } } }, 2, { lr = 6.4 })
near(lars[1].w, { 2.980800, 3.974400 }, 1e-6, "LARS, step 1 (G-E3)")
near(lars[2].w, { 2.944443, 3.925924 }, 1e-6, "LARS, step 2 (G-E3)")
local bias = stepped(bauta.optimiser "lars" { weight_decay = 0.5 }, { b = { { 2 }, { 3, 4 }, { 0.6, 0.8 } } }, 2, { lr = 0.1 })
near(bias[2].b, { 3 - 0.06 - 0.1 * (0.9 * 0.6 + 0.6), 4 - 0.08 - 0.1 * (0.9 * 0.8 + 0.8) }, 1e-6, "LARS leaves vectors plain")
local zero = stepped(bauta.optimiser "lars" {}, { w = { { 1, 2 }, { 0, 0 }, { 0.6, 0.8 } } }, 1, { lr = 1 })
near(zero[1].w, { -0.6, -0.8 }, 1e-6, "a weight of norm 0: ratio 1")
local sgd = stepped(bauta.optimiser "sgd" { momentum = 0.9, nesterov = true, weight_decay = 0.1 }, { w = { { 1, 1 }, { 2 }, { 1 } } }, 2,
    { lr = 0.1 })
local d1 = 1 + 0.1 * 2
local p1 = 2 - 0.1 * (d1 + 0.9 * d1)
local d2 = 1 + 0.1 * p1
t.near(sgd[1].w[1], p1, 1e-6, "SGD, Nesterov, step 1")
t.near(sgd[2].w[1], p1 - 0.1 * (d2 + 0.9 * (0.9 * d1 + d2)), 1e-6, "SGD, Nesterov, step 2")
local plain = stepped(bauta.optimiser "sgd" { momentum = 0 }, { w = { { 1, 1 }, { 2 }, { 1 } } }, 1, { lr = 0.1 })
t.near(plain[1].w[1], 1.9, 1e-6, "SGD without momentum")

-- Adam's moments by hand.
local function adam(g, n, b1, b2, eps)
    local m, v, u = 0, 0, nil
    for i = 1, n do
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        u = m / (1 - b1 ^ i) / (math.sqrt(v / (1 - b2 ^ i)) + eps)
    end
    return u
end
local classic = stepped(bauta.optimiser "adam" { weight_decay = 0.1, eps = 1e-3 }, { w = { { 1 }, { 2 }, { 0.5 } } }, 1, { lr = 0.1 })
t.near(classic[1].w[1], 2 - 0.1 * adam(0.5 + 0.1 * 2, 1, 0.95, 0.999, 1e-3), 1e-6, "Adam: the decay is part of the gradient")
local big = { { 2, 1 }, { 3, 4 }, { 6, 8 } }
local lamb = stepped(bauta.optimiser "lamb" { weight_decay = 0.2, eps = 0.5 }, { w = big }, 1, { lr = 0.1 })
local u1, u2 = adam(0.6, 1, 0.9, 0.999, 0.5) + 0.2 * 3, adam(0.8, 1, 0.9, 0.999, 0.5) + 0.2 * 4
local r = 5 / math.sqrt(u1 * u1 + u2 * u2)
near(lamb[1].w, { 3 - 0.1 * r * u1, 4 - 0.1 * r * u2 }, 1e-5, "LAMB: clipped to 1, stepping by the weight's own norm")
local free = stepped(bauta.optimiser "lamb" { eps = 0.5, clip = 0 }, { w = { { 1 }, { 3 }, { 6 } } }, 1, { lr = 0.1 })
t.near(free[1].w[1], 3 - 0.1 * adam(6, 1, 0.9, 0.999, 0.5), 1e-5, "LAMB without decay: ratio 1")
t.near(lamb[1].norm, 10, 1e-5, "the norm is that before clipping")
local each = stepped(bauta.optimiser "sgd" { momentum = 0, clip_each = 1 }, { a = { { 1 }, { 0 }, { 5 } }, b = { { 1 }, { 0 }, { 0.5 } } }, 1,
    { lr = 1 })
t.near(each[1].a[1], -1, 1e-5, "each tensor clipped by itself")
t.near(each[1].b[1], -0.5, 1e-5, "a small one is left")
t.group "optimisers"

local layered = stepped(bauta.optimiser "sgd" { momentum = 0, layer_decay = 0.5 }, { ["cls_token"] = { { 1 }, { 0 }, { 1 } },
    ["blocks.0.w"] = { { 1 }, { 0 }, { 1 } }, ["blocks.1.w"] = { { 1 }, { 0 }, { 1 } }, ["head.weight"] = { { 1 }, { 0 }, { 1 } } }, 1,
    { lr = 1, depth = 2, layer_of = require("bauta.layers").of({ "blocks.0.w", "blocks.1.w" }, 2, "it") })[1]
t.near(layered.cls_token[1], -0.125, 1e-6, "embedding: decay^3")
t.near(layered["blocks.0.w"][1], -0.25, 1e-6, "block 0")
t.near(layered["blocks.1.w"][1], -0.5, 1e-6, "block 1")
t.near(layered["head.weight"][1], -1, 1e-6, "head")
local layers = require "bauta.layers"
local twelve = {}
for i = 1, 12 do twelve[i] = ("blocks.%d.norm1.weight"):format(i - 1) end
for name, want in pairs { pos_embed = 0, ["patch_embed.proj.weight"] = 0, ["norm_pre.bias"] = 0, ["blocks.0.attn.qkv.bias"] = 1,
    ["blocks.11.norm1.weight"] = 12, ["norm.weight"] = 13, ["fc_norm.bias"] = 13, ["head.bias"] = 13, ["decoder_blocks.0.norm1.bias"] = 13 } do
    t.equal(layers.of(twelve, 12, "it")(name), want, "depth of " .. name)
end
t.raises("optimiser.layer_decay: of the 13 blocks of it the weights of 12 are known by their names (blocks.0. and so on); layer_decay = 1 expected",
    function() layers.of(twelve, 13, "it") end)

-- Every architecture: each of its blocks has a rate of its own, the embedding the least, what follows the whole one.
local function names_of(arch)
    local store, names = bauta.store(1), {}
    bauta.graph({ batch = 2, image = 32 }, function(g)
        if arch.name == "ast" then -- its picture is a spectrogram: one channel
            local zeros = {}
            for i = 1, 2 * arch.image_rows * arch.image_columns do zeros[i] = 0 end
            g.known:arch("student", arch:params(), { images = g:constant(zeros, { 2, arch.image_rows, arch.image_columns, 1 }), store = store,
                scale = g:constant({ 1 }, { 1 }), shift = g:constant({ 0 }, { 1 }) })
        else g:model("student", arch, { store = store }) end
        g:fetch("mean", g:signal("student", "logits"):mean { axis = -100 })
    end):free()
    for i, w in ipairs(store:list()) do names[i] = w.name end
    return names
end
local function vit(more)
    local s = { dim = 24, depth = 2, heads = 2, image = 32, patch = 8, classes = 4 }
    for k, v in pairs(more or {}) do s[k] = v end
    return s
end
local settings = { deit = vit { distilled = true }, deit3 = vit(), dino = vit { head = true, outputs = 16 }, cait = vit(), convit = vit { heads = 4, depth = 3, ["local"] = 2 },
    mae = vit { decoder = true, pool = "class", decoder_dim = 8, decoder_depth = 1, decoder_heads = 2 }, clip = vit(),
    swin = { dim = 8, depths = "1,2", heads = "1,2", window = 4, image = 32, classes = 4 },
    yolos = { dim = 24, depth = 2, heads = 2, rows = 32, columns = 32, detections = 3, classes = 4, middle = true },
    ast = { dim = 24, depth = 2, heads = 2, bins = 16, frames = 32, classes = 4 },
    convvit = { dim = 24, heads = 2, depth = 2, stem_depth = 1, image = 32, classes = 4 } }
local places = { ["pos_embed"] = 0, ["cls_token"] = 0, ["dist_token"] = 0, ["backbone.pos_embed"] = 0, ["backbone.mid_pos_embed"] = 0, ["v.pos_embed"] = 0,
    ["v.cls_token"] = 0, ["encoder.pos_embed"] = 0, ["encoder.blocks.1.norm1.bias"] = 2, ["blocks1.0.norm1.bias"] = 0, ["patch_embed2.proj.bias"] = 0, ["blocks.0.norm1.bias"] = 1, ["v.blocks.1.norm1.bias"] = 2,
    ["backbone.blocks.1.norm1.bias"] = 2, ["blocks_token_only.0.norm1.bias"] = 3, ["blocks_token_only.1.norm1.bias"] = 4, ["blocks3.1.norm1.bias"] = 2,
    ["layers.0.blocks.0.norm1.bias"] = 1, ["layers.1.downsample.norm.bias"] = 2, ["layers.1.blocks.0.norm1.bias"] = 2, ["layers.1.blocks.1.norm1.bias"] = 3 }
local last = { "norm.bias", "head.bias", "head.fc.bias", "v.norm.bias", "mlp_head.1.bias", "backbone.norm.bias", "class_embed.layers.0.bias",
    "head.mlp.0.bias", "decoder_blocks.0.norm1.bias", "fc_norm.bias", "decoder_norm.bias", "encoder.norm.bias", "decoder.cls_emb", "decoder.blocks.0.norm1.bias" }
local seen_places = {}
local function depths_are_right(kind, arch)
    local names, reached = names_of(arch), {}
    local of = layers.of(names, arch.depth, kind)
    for _, name in ipairs(names) do
        reached[of(name)], seen_places[name] = true, true
        if places[name] then t.equal(of(name), places[name], kind .. ": " .. name) end
    end
    for _, name in ipairs(last) do
        if seen_places[name] then t.equal(of(name), arch.depth + 1, kind .. ": " .. name) end
    end
    for i = 0, arch.depth + 1 do t.check(reached[i], "%s: no weight has the depth %d of %d", kind, i, arch.depth + 1) end
end
for _, found in ipairs(require("bauta.bind.plugin").scan()) do
    if found.kind == "arch" then depths_are_right(found.name, bauta.arch(found.name)(settings[found.name] or vit())) end
end
for name in pairs(places) do t.check(seen_places[name], "no architecture has %s", name) end
for _, name in ipairs(last) do t.check(seen_places[name], "no architecture has %s", name) end
for power, want in pairs { [13] = 0.023757, [12] = 0.031676, [1] = 0.75 } do t.near(0.75 ^ power, want, 1e-6, "layer decay (G-E5)") end
t.equal(bauta.optimiser "lars" { lr = 0.1 }:peak(16384), 6.4, "lr for a batch of 256 at 16384")
t.equal(bauta.optimiser "adamw" { lr = 5e-4, lr_batch = 512 }:peak(1024), 1e-3, "DeiT's rule")
t.equal(bauta.optimiser "adamw" { lr = 5e-4 }:peak(1024), 5e-4, "no rule")
local tokens = { pos_embed = { { 1, 2 }, { 1, 1 }, { 0, 0 }, no_decay = true }, w = { { 1, 2 }, { 1, 1 }, { 0, 0 } }, b = { { 2 }, { 1, 1 }, { 0, 0 } } }
for setting, want in pairs { none = { 1, 0.95, 1 }, decay_tokens = { 0.95, 0.95, 1 }, decay_all = { 0.95, 0.95, 0.95 } } do
    local s = { weight_decay = 0.5 }
    if setting ~= "none" then s[setting] = true end
    local got = stepped(bauta.optimiser("adamw", s), tokens, 1, { lr = 0.1 })[1]
    near({ got.pos_embed[1], got.w[1], got.b[1] }, want, 1e-6, "decay: " .. setting)
end
t.group "rates and decays"

-- ---- goldens of schedules over steps ----
for i, want in pairs { [0] = 0.996, [5] = 0.996586, [10] = 0.998, [19] = 0.999975 } do
    t.near(inputs.cosine(0.996, 1, i, 20), want, 1e-6, "momentum (G-L20)")
end
for i, want in pairs { [0] = 0.04, [20] = 0.22, [39] = 0.399445 } do t.near(inputs.cosine(0.04, 0.4, i, 40), want, 1e-6, "decay (G-L20)") end
t.group "cosines over steps"

-- ---- mixing ----
local draws = bauta.graph({ seed = 7 }, function(g, batch)
    g:fetch("both", g:op("mix_draw", { batch.step }, { rows = 32, columns = 16 }))
    g:fetch("mixup", g:op("mix_draw", { batch.step }, { cutmix = 0 }))
    g:fetch("cutmix", g:op("mix_draw", { batch.step }, { mixup = 0, rows = 32, columns = 16 }))
    g:fetch("rare", g:op("mix_draw", { batch.step }, { cutmix = 0, probability = 0.25 }))
end)
local n, cuts, sum, square, untouched, whole = 4000, 0, 0, 0, 0, 0
for i = 1, n do
    draws:feed("step", i)
    draws:run()
    local both, mixup, cutmix = draws:read "both", draws:read "mixup", draws:read "cutmix"
    cuts = cuts + both[6]
    sum, square = sum + mixup[1], square + mixup[1] ^ 2
    untouched = untouched + (draws:read "rare"[1] == 1 and 1 or 0)
    local area = (cutmix[3] - cutmix[2]) * (cutmix[5] - cutmix[4])
    if math.abs(cutmix[1] - (1 - area / 512)) > 1e-6 or cutmix[2] < 0 or cutmix[3] > 32 or cutmix[4] < 0 or cutmix[5] > 16
        or cutmix[6] ~= 1 or mixup[6] ~= 0 then whole = whole + 1 end
end
t.near(cuts / n, 0.5, 0.03, "half of the batches are cut")
t.near(sum / n, 0.5, 0.02, "mean of Beta(0.8, 0.8)")
t.near(square / n - (sum / n) ^ 2, 1 / (4 * 2.6), 0.005, "its variance")
t.near(untouched / n, 0.75, 0.03, "probability of mixing")
t.equal(whole, 0, "boxes inside the picture, shares by their area")

local mixed = bauta.graph({ batch = 2, feeds = { plan = { "f32", { 6 } }, z = { "f32", { 2, 3 } }, x = { "u8", { 2, 3, 4, 1 } },
    labels = { "i32", { 2 } } } }, function(g, batch)
    local on = g:op("one_hot", { batch.labels }, { classes = 3 }) * 0.9 + 0.1 / 3
    local q = g:op("mix", { on, batch.plan })
    g:fetch("q", q)
    g:fetch("ce", g:op("cross_entropy", { batch.z, q }):mean { axis = -100 })
    g:fetch("y", g:op("mix", { batch.x, batch.plan }))
end)
local pixels = {}
for i = 1, 24 do pixels[i] = i end
mixed:feed("x", pixels)
mixed:feed("labels", { 0, 2 })
mixed:feed("z", { 2, 1, 0.1, 0.5, -1, 1.5 })
mixed:feed("plan", { 0.7, 0, 0, 0, 0, 0 })
mixed:run()
near(mixed:read "q", { 0.663333, 0.033333, 0.303333, 0.303333, 0.033333, 0.663333 }, 1e-6, "targets (G-L1)")
t.near(mixed:read "ce", 0.892451, 1e-6, "their cross-entropy (G-L1)")
t.near(mixed:read "y"[1], 0.7 * 1 + 0.3 * 13, 1e-5, "pixels")
mixed:feed("plan", { 0.75, 1, 3, 2, 4, 1 })
mixed:run()
local x = mixed:read "y"
t.equal(table.concat(x, " ", 1, 12), "1 2 3 4 5 6 19 20 9 10 23 24", "a box of the partner")
t.near(mixed:read "q"[1], 0.75 * 0.933333 + 0.25 * 0.033333, 1e-6, "targets by the area")

local data = bauta.data "scenes" { size = 16, train = 64, test = 16, erasing = 0.25 }
local function vit(more)
    local s = { dim = 24, depth = 2, heads = 2, image = 16, patch = 4, classes = 10, drop_path = 0 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch "deit"(s)
end
local function describe(more)
    local s = { name = "x", data = data, student = vit(), batch = 4, epochs = 4, seed = 5 }
    for k, v in pairs(more) do s[k] = v end
    return (s.teacher and bauta.distill or bauta.train)(s)
end
local images, labels = {}, { 3, 1, 4, 1 }
for i = 1, 4 * 16 * 16 * 3 do images[i] = (i * i * 7 + i * 13) % 256 end

-- Compiles a step; returns run(step, feeds) and the stores.
local function compiled(e, epoch)
    local list = steps.stores(e, session.device())
    local program = steps.train(e, session.device(), list, nil, epoch)
    if list.average then list.average:take(list.student) end
    return function(step, feeds)
        local given = { images = images, labels = labels, step = step, epoch = 0, progress = 0, lr = 0.01 }
        for name, v in pairs(feeds or {}) do given[name] = v end
        for name, v in pairs(given) do program:feed(name, v) end
        program:run()
        return program
    end, list
end
local ce = bauta.loss "cross-entropy" { smoothing = 0 }
local function mixed_loss(step)
    return (compiled(describe { mixing = bauta.mixing {}, losses = { ce } })(step):read "loss")
end
t.equal(mixed_loss(1), mixed_loss(1), "a step mixes as it did")
t.check(mixed_loss(1) ~= mixed_loss(2), "another step otherwise")
t.refused(function() describe { mixing = bauta.mixing { mixup = 0, cutmix = 0 } } end, "nothing to mix")
t.raises("mixing: batch = 5; partners need an even one", function() describe { batch = 5, mixing = bauta.mixing {} } end)
t.raises("loss binary-cross-entropy.binary: mixing.smoothing = 0.1 makes every class a target; smoothing = 0 expected",
    function() describe { mixing = bauta.mixing {}, losses = { bauta.loss "binary-cross-entropy" {} } } end)
t.refused(function() bauta.mixing { binary = true } end, "a setting of the loss")
t.raises("mixing.mixup = -1; expected a number 0..100", function() bauta.mixing { mixup = -1 } end)
t.group "mixing"

-- ---- frozen parts ----
local head, stores = compiled(describe { trains = "head", losses = { ce } })
local before = {}
for _, w in ipairs(stores.student:list()) do before[w.name] = stores.student:read(w.name) end
head(1)
for _, w in ipairs(stores.student:list()) do
    local after, moved = stores.student:read(w.name), false
    for i, v in ipairs(after) do moved = moved or v ~= before[w.name][i] end
    t.equal(moved, w.name:find "^head" ~= nil, "moved: " .. w.name)
end
t.equal(stores.optimiser:count(), 4, "moments of the head's weight and bias only")
t.refused(function() compiled(describe { trains = "haed" }) end, "a part that is not there")
t.group "frozen parts"

-- ---- parts that rest in the first epochs ----
local function moves(epoch, feeds)
    local step, own = compiled(describe { freeze = "head, norm", freeze_epochs = 2, losses = { ce }, optimiser = bauta.optimiser "adamw" { weight_decay = 0 } }, epoch)
    local was, out = {}, {}
    for _, w in ipairs(own.student:list()) do was[w.name] = own.student:read(w.name) end
    step(9, feeds)
    for _, w in ipairs(own.student:list()) do
        out[w.name] = 0
        for i, v in ipairs(own.student:read(w.name)) do out[w.name] = math.max(out[w.name], math.abs(v - was[w.name][i])) end
    end
    return out, own
end
for _, epoch in ipairs { 0, 1 } do
    local moved, own = moves(epoch)
    for name, by in pairs(moved) do t.equal(by > 0, not (name:find "^head" or name:find "^norm"), ("epoch %d moves %s"):format(epoch, name)) end
    for _, w in ipairs(own.optimiser:list()) do t.check(not w.name:find "head", "no moments yet: %s", w.name) end
end
-- Freed, the optimiser counts their steps from 1: AdamW's first step is the rate itself, in the direction of the gradient, whatever its size.
local moved = moves(2, { step_freed = 1 })
t.near(moved["head.bias"], 0.01, 1e-5, "the first step of what was freed")
t.near(moved["blocks.0.norm1.bias"], 0.01 * 0.1 / (1 - 0.9 ^ 9) / math.sqrt(0.001 / (1 - 0.999 ^ 9)), 1e-4, "and the ninth of others, whose moments begin with it")
local phases = describe({ freeze = "head", freeze_epochs = 2, losses = { ce } }):phases()
t.check(#phases == 2 and phases[2].first == 2 and phases[2].epochs == 2, "two programs")
t.raises("freeze_epochs = 2: freeze = beginnings of names expected as well", function() describe { freeze_epochs = 2 } end)
t.raises('freeze = "head": for 4 epochs of the 4 that the run has; less expected (trains leaves weights out for good)',
    function() describe { freeze = "head", freeze_epochs = 4 } end)
t.refused(function() compiled(describe { freeze = "haed" }) end, "a part that is not there")

-- The length of the rows of DINO's last layer is fixed, or learned.
for _, fixed in ipairs { true, false } do
    local step, own = compiled(describe { student = bauta.arch "dino" { dim = 24, depth = 1, heads = 2, image = 16, patch = 4, head = true, outputs = 8,
        norm_last_layer = fixed }, data = bauta.data "scenes" { size = 16, train = 64, test = 16 }, teacher = "ema", views = bauta.views { locals = 0 }, losses = { bauta.loss "dino" {} } })
    local two = {}
    for i = 1, 2 * #images do two[i] = (i * 31 + i * i * 3) % 251 end
    step(1, { images = two, momentum = 0.9 })
    local off = 0
    for _, g in ipairs(own.student:read "head.last_layer.weight_g") do off = math.max(off, math.abs(g - 1)) end
    t.equal(off > 0, not fixed, "norm_last_layer = " .. tostring(fixed))
    t.equal(own.optimiser:has "m/head.last_layer.weight_g", not fixed, "moments of it")
end
t.group "parts that rest in the first epochs"

-- ---- a teacher that is the student's average ----
local averaged, list = compiled(describe { teacher = "ema", momentum = 0.9, losses = { ce, bauta.loss "logit" {} },
    mask = bauta.mask "student" { keep = 0.5 }, optimiser = bauta.optimiser "sgd" { momentum = 0 } })
local old = list.student:read "head.weight"
local p = averaged(1, { momentum = 0.9 })
t.check(p:read "loss_kd" > 0, "a masked copy of the student answers otherwise")
local open = compiled(describe { teacher = "ema", losses = { ce, bauta.loss "logit" {} } })
t.near(open(1, { momentum = 0.9 }):read "loss_kd", 0, 1e-6, "an unmasked copy answers as the student")
local new, average = list.student:read "head.weight", list.average:read "head.weight"
for i = 1, 5 do t.near(average[i], 0.9 * old[i] + 0.1 * new[i], 1e-6, "momentum") end
t.check(new[1] ~= old[1], "the student moves")
averaged(2, { momentum = 1 })
t.equal(list.average:read "head.weight"[1], average[1], "momentum 1: the average stays")
t.group "averaged teachers"

-- ---- erasing ----
local erase = bauta.graph({ batch = 64, image = 32, seed = 3 }, function(g, batch)
    local scale, shift = g:normalisation "imagenet"
    g:fetch("y", g:op("erase", { batch.images, scale, shift, batch.step }) * scale + shift)
end)
local grey = {}
for i = 1, 64 * 32 * 32 * 3 do grey[i] = 100 end
erase:feed("images", grey)
local pictures, values, total, squares, area = 0, 0, 0, 0, 0
for step = 1, 12 do
    erase:feed("step", step)
    erase:run()
    local y = erase:read "y"
    local flat = (100 / 255 - 0.485) / 0.229
    for b = 0, 63 do
        local hit = 0
        for i = 0, 1023 do
            local v = y[(b * 1024 + i) * 3 + 1]
            if math.abs(v - flat) > 1e-4 then hit, total, squares, values = hit + 1, total + v, squares + v * v, values + 1 end
        end
        pictures, area = pictures + (hit > 0 and 1 or 0), area + hit
        t.check(hit == 0 or (hit >= 0.015 * 1024 and hit <= 0.36 * 1024), "a box of %d pixels", hit)
    end
end
t.near(pictures / (12 * 64), 0.25, 0.05, "a quarter of the pictures")
t.near(total / values, 0, 0.03, "noise: mean 0 after normalisation")
t.near(squares / values, 1, 0.04, "and variance 1")
t.near(area / pictures / 1024, (0.02 + 1 / 3) / 2, 0.03, "mean share of the area")
t.group "erasing"
return t.done()
