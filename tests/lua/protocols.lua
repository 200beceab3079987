-- protocols: k-NN and linear probes: the golden values of methods.md (G-E1, G-E2, G-E4), k-NN of many parts against plain Lua, clusters and
-- singular vectors (G-L25, G-L26), refusals.
local bauta = require "bauta"
local ffi = require "bauta.ffi"
local builder = require "bauta.builder"
local graph = require "bauta.bind.graph"
local knn = require "bauta.protocol.knn"
local linear = require "bauta.protocol.linear"
local session = require "bauta.session"
local t = require "harness"

local device = session.device()

-- Rows as protocol/features gives them.
local function set(rows, labels)
    local width = #rows[1]
    local out = { n = #rows, width = width, rows = ffi.new("float[?]", #rows * width), labels = ffi.new("int32_t[?]", #rows) }
    for i, row in ipairs(rows) do
        for j, v in ipairs(row) do out.rows[(i - 1) * width + j - 1] = v end
        out.labels[i - 1] = labels and labels[i] or 0
    end
    return out
end

-- ---- G-E1 ----
local top = bauta.graph({ batch = 3, feeds = { labels = { "i32", { 3 } } } }, function(g, batch)
    local z = g:constant({ .1, .5, .2, .9, .3, .4, .9, .1, .8, .2, .3, .4, .1, .2, .3, .4, .5, .6 }, { 3, 6 })
    g:fetch("one", g:op("correct", { z, batch.labels }, { top = 1 }))
    g:fetch("five", g:op("correct", { z, batch.labels }, { top = 5 }))
end)
top:feed("labels", { 3, 1, 2 })
top:run()
t.equal(table.concat(top:read "one", " "), "1 0 0", "G-E1 top-1")
t.equal(table.concat(top:read "five", " "), "1 0 1", "G-E1 top-5")
t.group "G-E1: top-1, top-5"

-- ---- G-E2 ----
local gallery, query = set({ { 1, 0 }, { .8, .6 }, { 0, 1 }, { .6, .8 }, { -1, 0 } }, { 0, 1, 1, 1, 0 }), { { .96, .28 } }
local function right(label, given)
    local s = { neighbours = { 1, 3 }, temperature = 0.07, classes = 2 }
    for k, v in pairs(given or {}) do s[k] = v end
    return knn.run(device, gallery, set(query, { label }), s)
end
for i, r in ipairs(right(0)) do t.check(r.k == ({ 1, 3 })[i] and r.top1 == 100 and r.top5 == 100, "G-E2, %d neighbours", r.k) end
for i, r in ipairs(right(1)) do t.check(r.top1 == 0 and r.top5 == (i == 1 and 0 or 100), "G-E2, the other class, %d neighbours", r.k) end
-- With a high temperature votes count heads: two of three neighbours are of class 1.
t.check(right(1, { temperature = 100 })[2].top1 == 100, "votes of equal weight")
t.refused(function() right(0, { neighbours = { 6 } }) end, "more neighbours than pictures")
t.group "G-E2: k-NN"

-- ---- k-NN of many parts ----
local start = tonumber(os.getenv "BAUTA_SEED" or os.time())
math.randomseed(start)
print("seed " .. start)
local function random(n, width, classes)
    local rows, labels = {}, {}
    for i = 1, n do
        local sum = 0
        rows[i] = {}
        for j = 1, width do
            rows[i][j] = math.random() - .5
            sum = sum + rows[i][j] ^ 2
        end
        for j = 1, width do rows[i][j] = rows[i][j] / math.sqrt(sum) end
        labels[i] = math.random(classes) - 1
    end
    return rows, labels
end

local function plainly(rows, labels, x, k, temperature, classes)
    local near, votes, best = {}, {}, 0
    for i, row in ipairs(rows) do
        local sum = 0
        for j, v in ipairs(row) do sum = sum + v * x[j] end
        near[i] = { sum, i }
    end
    table.sort(near, function(a, b) return a[1] > b[1] or a[1] == b[1] and a[2] < b[2] end)
    for c = 0, classes - 1 do votes[c] = 0 end
    for i = 1, k do
        local c = labels[near[i][2]]
        votes[c] = votes[c] + math.exp(near[i][1] / temperature)
    end
    for c = 1, classes - 1 do
        if votes[c] > votes[best] then best = c end
    end
    return best
end

local rows, labels = random(60, 5, 4)
local asked, theirs = random(21, 5, 4)
knn.part = 16
local all = knn.run(device, set(rows, labels), set(asked, theirs), { neighbours = { 1, 7, 20, 60 }, temperature = 0.1, classes = 4, batch = 8 })
knn.part = 8192
local whole = knn.run(device, set(rows, labels), set(asked, theirs), { neighbours = { 1, 7, 20, 60 }, temperature = 0.1, classes = 4 })
for i, r in ipairs(all) do
    local n = 0
    for q, x in ipairs(asked) do n = n + (plainly(rows, labels, x, r.k, 0.1, 4) == theirs[q] and 1 or 0) end
    t.near(r.top1, 100 * n / #asked, 1e-6, r.k .. " neighbours against plain Lua")
    t.near(whole[i].top1, r.top1, 1e-6, r.k .. " neighbours, one part and four")
end
t.group "k-NN of many parts"

-- ---- G-E4 ----
local state = graph.store(device, 0)
state:add("mean", { 1, 2 }, "zero")
state:add("variance", { 1, 2 }, "one")
local function normalised(rows, training)
    local b = builder.new { device = device, batch = #rows }
    local flat = {}
    for _, row in ipairs(rows) do for _, v in ipairs(row) do flat[#flat + 1] = v end end
    b:fetch("y", linear.normalised(b, b:constant(flat, { #rows, 2 }), state, training))
    local program = b:finish()
    program:run()
    return program:read "y"
end
local y = normalised({ { 1, 2 }, { 3, 6 }, { 5, 1 } }, true)
for i, v in ipairs { -1.224745, -0.462910, 0, 1.388730, 1.224745, -0.925820 } do t.near(y[i], v, 1e-5, "G-E4 [" .. i .. "]") end
for name, want in pairs { mean = { .3, .3 }, variance = { 1.3, 1.6 } } do
    for i, v in ipairs(state:read(name)) do t.near(v, want[i], 1e-6, "G-E4 running " .. name) end
end
y = normalised({ { .3, .3 + math.sqrt(1.6) } }, false)
t.near(y[1], 0, 1e-6, "G-E4, judged by running statistics")
t.near(y[2], 1, 1e-5, "G-E4, judged by running statistics")
t.group "G-E4: batch normalisation"

-- ---- what a probe's classifier is shown ----
local bind = require "bauta.bind.data"
local pictures = require "bauta.pictures"

-- The bytes of the first batch of a loader.
local function bytes(loader)
    loader:start(1, 0)
    local batch = loader:next()
    local text = ffi.bytes(batch.images, batch.count * batch.rows * batch.columns * 3)
    loader:free()
    return text
end

local function experiment(recipe, more)
    local settings = { train = 48, test = 24, size = 56 }
    for k, v in pairs(more or {}) do settings[k] = v end
    return bauta.train { name = "x", data = bauta.data("scenes", settings), batch = 24, recipe = recipe, seed = 3,
        student = bauta.arch "deit" { dim = 12, depth = 1, heads = 2, image = 40, patch = 8, classes = 10 } }
end

local function shown(e, kind)
    local train, test = pictures.probe_loaders(e, 24, 1, linear.kinds[kind].crop)
    return bytes(train), bytes(test)
end

-- Written out: crops of 0.08 to 1 and flips, by the core's own loader.
local function written(e, interpolation, once)
    return bytes(bind.loader(e.settings.data:split "train", { batch = 24, seed = 3, shuffle = true, drop_last = true, threads = 1,
        augment = { policy = "crop", image = 40, scale_low = 0.08, scale_high = 1, flip = 0.5, interpolation = interpolation, once = once } }))
end

local plain = experiment()
local dino, evaluated = shown(plain, "dino")
local mae = shown(plain, "mae")
t.check(dino == written(plain, "bilinear") and mae == written(plain, "bicubic", true), "crops and flips, as each protocol says")
t.check(dino ~= written(plain, "bicubic") and mae ~= written(plain, "bicubic"), "interpolation and the one draw show")
for _, recipe in ipairs { "deit", "attndistill", "deit3", "g2sd-generic", "linear" } do
    local e = experiment(recipe)
    t.check(shown(e, "dino") == dino and shown(e, "mae") == mae, "the training of recipe %s is no matter of the probe", recipe)
end
t.check(shown(experiment(nil, { flip = 0 }), "dino") ~= dino, "what may be mirrored is a matter of the data")

-- Trained bilinearly, judged bicubically.
local trained, judged = pictures.loaders(experiment "linear", 1)
local usual, as_ever = pictures.loaders(plain, 1)
judged, as_ever, trained, usual = bytes(judged), bytes(as_ever), bytes(trained), bytes(usual)
t.check(judged == as_ever and judged == evaluated and trained ~= usual and trained == dino, "recipe linear is bilinear in training alone")
local _, bilinear = pictures.loaders(experiment(nil, { test_interpolation = "bilinear" }), 1)
t.check(bytes(bilinear) ~= judged, "evaluation has its own interpolation")
t.group "pictures of the probes"

-- ---- G-L25, G-L26 ----
local plugins = require "bauta.bind.plugin"
local four = set { { 2, 0, 1 }, { 0, 1, -1 }, { -1, 1, 0 }, { 1, 2, 2 } }
local mean, basis, values = plugins.principal(four.rows, 4, 3)
for i, v in ipairs { .5, 1, .5 } do t.near(mean[i - 1], v, 1e-6, "G-L25 mean") end
for i, v in ipairs { 2.828427, 1.847759, 0.765367 } do t.near(values[i - 1], v, 1e-5, "G-L25 singular values") end
for i, v in ipairs { .707107, 0, .707107 } do t.near(basis[(i - 1) * 3], v, 1e-5, "G-L25 first vector") end
for i, v in ipairs { -.5, .707107, .5 } do t.near(basis[(i - 1) * 3 + 1], v, 1e-5, "G-L25 second vector") end
local cloud = random(40, 9, 2)
local many = set(cloud)
mean, basis, values = plugins.principal(many.rows, 40, 9)
for i = 0, 8 do
    for j = 0, 8 do
        local sum, spread = 0, 0
        for k = 0, 8 do sum = sum + basis[k * 9 + i] * basis[k * 9 + j] end
        t.near(sum, i == j and 1 or 0, 1e-5, "vectors are orthogonal")
        for r = 1, 40 do
            local a, b = 0, 0
            for k = 0, 8 do
                a = a + (cloud[r][k + 1] - mean[k]) * basis[k * 9 + i]
                b = b + (cloud[r][k + 1] - mean[k]) * basis[k * 9 + j]
            end
            spread = spread + a * b
        end
        t.near(spread, i == j and values[i] ^ 2 or 0, 1e-4, "they part the spread")
    end
end
t.refused(function() plugins.principal(set({ { 0 / 0 } }).rows, 1, 1) end, "a row that is no number")
t.group "G-L25: singular vectors"

local clusters = require "bauta.protocol.clusters"
local points = set { { 1, 0 }, { .9, .1 }, { 0, 1 }, { .2, .8 } }
local own, centres = clusters.run(device, points, { k = 2, start = { 0, 2 } })
t.equal(table.concat(own, " "), "0 0 1 1", "G-L26 labels")
for i, v in ipairs { .95, .05, .1, .9 } do t.near(centres[i], v, 1e-6, "G-L26 centroids") end
-- Two centroids at one place: one of them is left empty, and moves.
own = clusters.run(device, points, { k = 2, start = { 0, 0 } })
t.check(own[1] == own[2] and own[3] == own[4] and own[1] ~= own[3], "an empty cluster moves: %s", table.concat(own, " "))
-- So small that k-means++ finds one of each but once in millions: two beginnings in one of wider clouds would be a place where k-means ends, too.
local blobs, truth = {}, {}
for i = 1, 90 do
    local c = i % 3
    blobs[i], truth[i] = { (c == 0 and 5 or 0) + math.random() * .005, (c == 1 and 5 or 0) + math.random() * .005 }, c
end
clusters.part = 32
local found, _, spread = clusters.run(device, set(blobs), { k = 3, seed = 1 })
clusters.part = 4096
local again = clusters.run(device, set(blobs), { k = 3, seed = 1 })
local name, agree = {}, true
for i, c in ipairs(found) do
    name[truth[i]] = name[truth[i]] or c
    agree = agree and name[truth[i]] == c and again[i] == c
end
t.check(agree and spread < 1e-4, "three clouds, in parts and whole; spread %g", spread)
-- Wherever it ends: every row belongs to the nearest centroid, and every centroid is the mean of its rows.
local anywhere, sum, number = {}, {}, {}
for i = 1, 90 do anywhere[i] = { math.random(), math.random() } end
found, centres, spread = clusters.run(device, set(anywhere), { k = 4, seed = start, iterations = 100 })
local function distance(i, c) return (anywhere[i][1] - centres[2 * c + 1]) ^ 2 + (anywhere[i][2] - centres[2 * c + 2]) ^ 2 end
local nearest, squares = true, 0
for i, own in ipairs(found) do
    for c = 0, 3 do nearest = nearest and distance(i, own) <= distance(i, c) + 1e-5 end
    squares, number[own] = squares + distance(i, own), (number[own] or 0) + 1
    for j = 1, 2 do sum[2 * own + j] = (sum[2 * own + j] or 0) + anywhere[i][j] end
end
t.check(nearest, "every row belongs to the nearest centroid (BAUTA_SEED=%d)", start)
t.near(spread, squares / 90, 1e-5, "mean squared distance")
for c = 0, 3 do
    for j = 1, 2 do t.near(centres[2 * c + j], (sum[2 * c + j] or 0) / (number[c] or 1), 1e-5, ("centroid %d (BAUTA_SEED=%d)"):format(c, start)) end
end
t.refused(function() clusters.run(device, points, { k = 5 }) end, "more clusters than pictures")
for _, bad in ipairs { 0 / 0, math.huge, -1e30 } do
    t.raises(("clusters: number 1 of the embedding of picture 2 is %g; the model's weights are no good"):format(bad), function() clusters.run(device, set { { 1, 0 }, { 0, 1 }, { 1, bad }, { 1, 1 } }, { k = 2 }) end, "numeric")
end
t.group "G-L26: clusters"

-- ---- features: each model's own final norm, under its own name, with its own eps ----
local features = require "bauta.protocol.features"
local pixels = {}
for i = 1, 2 * 32 * 32 * 3 do pixels[i] = i * 7919 % 256 end
-- What `kind` makes of a model, and what `describe` does; patches are embedded faintly, so that eps counts.
local function made(arch, kind, describe, embedding)
    local store = bauta.store(7)
    local step = bauta.graph({ batch = 2, image = 32 }, function(g)
        g:fetch("got", features.node(g, arch, store, kind, "imagenet"))
        if describe then g:fetch("want", describe(g, store)) end
    end)
    local w = store:read(embedding)
    for i = 1, #w do w[i] = w[i] * 0.01 end
    store:write(embedding, w)
    step:feed("images", pixels)
    step:run()
    local worst, got, want = 0, step:read "got", describe and step:read "want" or {}
    for i, v in ipairs(want) do worst = math.max(worst, math.abs(v - got[i])) end
    return worst, #got, #want
end
local function last4(norm, eps)
    return function(g, store)
        local all = {}
        for layer = 0, 3 do
            local x = g:signal("student", "tokens", layer):slice { axis = 1, from = 0, to = 1 }
            all[layer + 1] = g:op("layernorm", { x, g:variable(store, norm .. ".weight"), g:variable(store, norm .. ".bias") }, { eps = eps }):sum { axis = 1 }
        end
        return g:op("concat", all, { axis = 1 })
    end
end
local function small(name, more)
    local s = { dim = 24, depth = 4, heads = 2, image = 32, patch = 8, classes = 5, drop_path = 0 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch(name)(s)
end
local segmenter = small("segmenter", { decoder_depth = 1 })
for _, one in ipairs { { small "deit", "norm", 1e-6, "patch_embed.proj.weight" }, { small "clip", "norm", 1e-5, "patch_embed.proj.weight" },
    { segmenter, "encoder.norm", 1e-5, "encoder.patch_embed.proj.weight" } } do
    local arch, norm, eps, embedding = unpack(one)
    local off, width, wanted = made(arch, "last4", last4(norm, eps), embedding)
    t.check(off < 2e-6 and width == 2 * 4 * 24 and wanted == width, "last4 of %s: off by %g, %d numbers", arch.name, off, width)
    off = made(arch, "last4", last4(norm, eps == 1e-5 and 1e-6 or 1e-5), embedding)
    t.check(off > 1e-5, "last4 of %s: another eps shows: %g", arch.name, off)
end
local mean = small("mae", { pool = "mean" })
local off = made(mean, "class", function(g, store)
    local x = g:signal("student", "features"):slice { axis = 1, from = 1, to = 17 }:mean { axis = 1 }
    return g:op("layernorm", { x, g:variable(store, "fc_norm.weight"), g:variable(store, "fc_norm.bias") }, { eps = 1e-6 })
end, "patch_embed.proj.weight")
t.check(off < 2e-6, "what mae with pool = mean classifies: off by %g", off)
local swin = bauta.arch "swin" { image = 32, patch = 2, window = 2, depths = "1,1,1,1", heads = "1,2,2,4", dim = 16, classes = 5 }
local function says(arch, kind, what, embedding) t.raises(what, function() made(arch, kind, nil, embedding) end) end
for _, kind in ipairs { "last4", "class-mean" } do
    says(swin, kind, ("features %s: the model has no class token; class expected"):format(kind))
    says(mean, kind, ("features %s: the model classifies by the mean of its patches, and no norm is for its class token; class expected"):format(kind))
end
says(small("cait", { depth = 3 }), "last4", "features last4: the class token takes part from block 3 of 5 on (from 0); class or class-mean expected")
says(small("deit", { depth = 3 }), "last4", "features last4: the model has 3 blocks; at least 4 expected")
t.group "features"

return t.done()
