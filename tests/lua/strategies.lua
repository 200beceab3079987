-- strategies: the criteria in Lua that come with Bauta: each against what its page says, on small models; and that each runs as a criterion.
local bauta = require "bauta"
local t = require "harness"

local seed = os.time() % 100000
print("seed " .. seed)
math.randomseed(seed)

local B, N = 2, 16
local function vit(more)
    local s = { dim = 24, depth = 3, heads = 3, image = 16, patch = 4, classes = 5, drop_path = 0 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch "deit"(s)
end
local pixels = {}
for i = 1, B * 16 * 16 * 3 do pixels[i] = math.random(0, 255) end

-- Runs a graph with a student whose attention is worth the name, and reads what `describe` fetched.
local function run(describe, feed)
    local store, full = bauta.store(seed), bauta.store(seed + 1)
    local step = bauta.graph({ batch = B, image = 16 }, function(g)
        g:model("student", vit(), { store = store })
        g:model("teacher_full", vit { dim = 36 }, { store = full })
        g:declare("teacher", vit { dim = 36 })
        describe(g)
    end)
    for _, s in ipairs { store, full } do
        for layer = 0, 2 do
            local name = ("blocks.%d.attn.qkv.weight"):format(layer)
            local w = s:read(name)
            for i = 1, #w do w[i] = w[i] * 8 end
            s:write(name, w)
        end
    end
    step:feed("images", pixels)
    step:feed("progress", 0.25)
    for k, v in pairs(feed or {}) do step:feed(k, v) end
    step:run()
    return step
end

local function near(got, want, tolerance, what)
    local worst = #got == #want and 0 or math.huge
    for i, v in ipairs(want) do worst = math.max(worst, math.abs((got[i] or 1e9) - v)) end
    t.check(worst <= tolerance, "%s: off by %g", what, worst)
end

local function class(g, who)
    return g:signal(who, "class_attention", -1):mean { axis = 1 }:slice { axis = 2, from = 1, to = 17 }:reshape { shape = "2,16" }
end

-- ---- centre ----
local one = run(function(g)
    g:fetch("scores", g:score(bauta.mask "centre" { sigma = 0.7 }, "teacher"))
    g:fetch("attention", class(g, "student"))
end)
local want, a = {}, one:read "attention"
for i = 0, B * N - 1 do
    local y, x = (math.floor(i % N / 4) - 1.5) / 2, (i % 4 - 1.5) / 2
    want[i + 1] = a[i + 1] * math.exp(-(x * x + y * y) / (2 * 0.49))
end
near(one:read "scores", want, 1e-6, "centre")
one:free()
t.group "centre"

-- ---- rollout: the whole product of (map + identity) / 2, its first row ----
one = run(function(g)
    g:fetch("scores", g:score(bauta.mask "rollout" {}, "teacher"))
    for l = 0, 2 do g:fetch("map" .. l, g:signal("student", "attention", l):mean { axis = 1 }) end
end)
local T = N + 1
want = {}
for b = 0, B - 1 do
    local product
    for l = 0, 2 do
        local map, next_one = one:read("map" .. l), {}
        for i = 0, T - 1 do
            next_one[i] = {}
            for j = 0, T - 1 do
                local sum = 0
                for k = 0, T - 1 do
                    local mixed = 0.5 * map[(b * T + i) * T + k + 1] + (i == k and 0.5 or 0)
                    sum = sum + mixed * (product and product[k][j] or (k == j and 1 or 0))
                end
                next_one[i][j] = sum
            end
        end
        product = next_one
    end
    for j = 1, N do want[#want + 1] = product[0][j] end
end
near(one:read "scores", want, 1e-6, "rollout")
one:free()

-- What a row of weights of the tokens becomes behind two blocks, of which each hands on half of a token as it is and half as its map [B,T,T] mixes it.
local function followed(maps, b, row)
    local tokens = #row
    for l = 1, 0, -1 do
        local next_row = {}
        for j = 1, tokens do
            next_row[j] = 0.5 * row[j]
            for i = 1, tokens do next_row[j] = next_row[j] + 0.5 * row[i] * maps[l][(b * tokens + i - 1) * tokens + j] end
        end
        row = next_row
    end
    return row
end

-- Without a class token: what reaches the mean of the patches. Every row of the product counts alike, the first patch's no more than others.
do
    local store, side = bauta.store(seed), 64
    local conv = bauta.arch "convvit" { dim = 24, depth = 2, heads = 3, stem_depth = 1, image = side, classes = 5, drop_path = 0 }
    local step = bauta.graph({ batch = B, image = side }, function(g)
        g:model("student", conv, { store = store })
        g:declare("teacher", bauta.arch "deit" { dim = 24, depth = 1, heads = 3, image = side, patch = 16, classes = 5 })
        g:fetch("scores", g:score(bauta.mask "rollout" {}, "teacher"))
        for l = 0, 1 do g:fetch("map" .. l, g:signal("student", "attention", l):mean { axis = 1 }) end
    end)
    for l = 0, 1 do
        local name = ("blocks3.%d.attn.qkv.weight"):format(l)
        local w = store:read(name)
        for i = 1, #w do w[i] = w[i] * 8 end
        store:write(name, w)
    end
    local big = {}
    for i = 1, B * side * side * 3 do big[i] = math.random(0, 255) end
    step:feed("images", big)
    step:run()
    local scores, maps = step:read "scores", { [0] = step:read "map0", step:read "map1" }
    local expected, plain = {}, 0
    for b = 0, B - 1 do
        local row = {}
        for j = 1, N do row[j] = 1 / N end
        row = followed(maps, b, row)
        for j = 1, N do
            expected[#expected + 1] = row[j]
            plain = math.max(plain, math.abs(row[j] - 1 / N))
        end
    end
    t.check(plain > 1e-4, "the maps prefer some patches")
    near(scores, expected, 1e-6, "rollout of a model without a class token")
    step:free()
end
t.group "rollout"

-- ---- YOLOS: the detection tokens tell how salient a patch is, wherever class attention is asked for ----
do
    local store, side, tokens = bauta.store(seed), 64, 20 -- class token, three detection tokens, 16 patches
    local yolos = bauta.arch "yolos" { dim = 24, depth = 2, heads = 3, rows = side, columns = side, detections = 3, classes = 4 }
    local from, to
    bauta.mask.define { name = "looks", doc = "the class attention as it is", score = function(m)
        from, to = m.asked "student"
        return m.class_attention {}:mean { axis = 1 }
    end }
    local step = bauta.graph({ batch = B, image = side }, function(g)
        g:model("student", yolos, { store = store })
        g:declare("teacher", bauta.arch "deit" { dim = 24, depth = 1, heads = 3, image = side, patch = 16, classes = 5 })
        for _, name in ipairs { "looks", "value-norm", "rollout", "student" } do g:fetch(name, g:score(bauta.mask(name) {}, "teacher")) end
        g:fetch("class", g:signal("student", "class_attention", -1))
        g:fetch("values", g:signal("student", "values", -1))
        for l = 0, 1 do g:fetch("map" .. l, g:signal("student", "attention", l):mean { axis = 1 }) end
    end)
    for l = 0, 1 do
        local name = ("backbone.blocks.%d.attn.qkv.weight"):format(l)
        local w = store:read(name)
        for i = 1, #w do w[i] = w[i] * 8 end
        store:write(name, w)
    end
    local det = store:read "backbone.det_token"
    for i = 1, #det do det[i] = math.random() - 0.5 end
    store:write("backbone.det_token", det)
    local big = {}
    for i = 1, B * side * side * 3 do big[i] = math.random(0, 255) end
    step:feed("images", big)
    step:run()
    t.equal(("%d to %d"):format(from, to), "1 to 4", "m.asked")
    local rows, values, maps = step:read "class", step:read "values", { [0] = step:read "map0", step:read "map1" }
    local looks, lengths, rolled, first = {}, {}, {}, 0
    for b = 0, B - 1 do
        local row = {}
        for j = 1, tokens do row[j] = j >= 2 and j <= 4 and 1 / 3 or 0 end
        row = followed(maps, b, row)
        for j = 5, tokens do
            local look, reach = 0, 0
            for h = 0, 2 do
                local own, square = 0, 0
                for r = 1, 3 do own = own + rows[((b * 3 + h) * 4 + r) * tokens + j] / 3 end
                for c = 1, 8 do square = square + values[((b * 3 + h) * tokens + j - 1) * 8 + c] ^ 2 end
                look, reach = look + own / 3, reach + own * math.sqrt(square) / 3
                first = math.max(first, math.abs(own - rows[(b * 3 + h) * 4 * tokens + j]))
            end
            looks[#looks + 1], lengths[#lengths + 1], rolled[#rolled + 1] = look, reach, row[j]
        end
    end
    t.check(first > 1e-4, "the class token looks elsewhere")
    near(step:read "looks", looks, 1e-6, "m.class_attention of YOLOS")
    near(step:read "student", looks, 1e-6, "criterion student of YOLOS")
    near(step:read "value-norm", lengths, 1e-5, "value-norm of YOLOS")
    near(step:read "rollout", rolled, 1e-6, "rollout of YOLOS")
    step:free()
end
t.group "detection tokens"

-- ---- diverse: each next one is the farthest from those before ----
one = run(function(g)
    g:fetch("scores", g:score(bauta.mask "diverse" { power = 0 }, "teacher"))
    g:fetch("weighted", g:score(bauta.mask "diverse" { power = 10 }, "teacher"))
    g:fetch("attention", class(g, "student"))
    g:fetch("tokens", g:signal("student", "tokens", -1):slice { axis = 1, from = 1, to = 17 }:normalise())
end)
local scores, tokens = one:read "scores", one:read "tokens"
local function distance(b, i, j)
    local sum = 0
    for c = 1, 24 do
        local x = tokens[(b * N + i) * 24 + c] - tokens[(b * N + j) * 24 + c]
        sum = sum + x * x
    end
    return math.sqrt(sum)
end
for b = 0, B - 1 do
    local order = {}
    for i = 0, N - 1 do order[N - scores[b * N + i + 1] + 1] = i end
    t.equal(#order, N, "every place once")
    for n = 2, N do
        local function nearest(i)
            local least = math.huge
            for k = 1, n - 1 do least = math.min(least, distance(b, i, order[k])) end
            return least
        end
        for m = n + 1, N do
            t.check(nearest(order[n]) >= nearest(order[m]) - 1e-5, "place %d is farther than place %d would be", n, m)
        end
    end
    local best, weighted = 0, one:read "weighted"
    a = one:read "attention"
    for i = 1, N - 1 do if a[b * N + i + 1] > a[b * N + best + 1] then best = i end end
    t.equal(weighted[b * N + best + 1], N, "the first has most attention")
end
one:free()
t.group "diverse"

-- ---- detail: a picture with one patch that is not flat ----
one = run(function(g) g:fetch("kept", g:score(bauta.mask "detail" {}, "teacher"):topk { keep = 1 }) end,
    { images = (function()
        local flat = {}
        for i = 1, B * 16 * 16 * 3 do flat[i] = 100 end
        for c = 1, 3 do flat[((5 * 16) + 9) * 3 + c], flat[((16 * 16) + (14 * 16) + 1) * 3 + c] = 200, 0 end -- patches (1,2) and (3,0)
        return flat
    end)() })
t.equal(table.concat(one:read "kept", " "), "6 12", "the patch with an edge")
one:free()
t.group "detail"

-- ---- disagreement ----
one = run(function(g)
    for _, sign in ipairs { "both", "more", "less" } do g:fetch(sign, g:score(bauta.mask "disagreement" { sign = sign }, "teacher")) end
    g:fetch("student", class(g, "student"))
    g:fetch("teacher", class(g, "teacher_full"))
end)
local s, teacher, both, more = one:read "student", one:read "teacher", {}, {}
for b = 0, B - 1 do
    local sums = { 0, 0 }
    for i = b * N + 1, b * N + N do sums[1], sums[2] = sums[1] + s[i], sums[2] + teacher[i] end
    for i = b * N + 1, b * N + N do
        more[i] = teacher[i] / sums[2] - s[i] / sums[1]
        both[i] = math.abs(more[i])
    end
end
near(one:read "both", both, 1e-6, "both")
near(one:read "more", more, 1e-6, "more")
for i = 1, #more do more[i] = -more[i] end
near(one:read "less", more, 1e-6, "less")
one:free()
t.group "disagreement"

-- ---- anneal: at the end attention decides, at first it does not ----
local kept = {}
for _, done in ipairs { 0, 1 } do
    one = run(function(g)
        g:fetch("kept", g:score(bauta.mask "anneal" {}, "teacher"):topk { keep = 5 })
        g:fetch("attention", class(g, "student"):topk { keep = 5 })
    end, { progress = done })
    kept[done] = table.concat(one:read "kept", " ")
    if done == 1 then t.equal(kept[1], table.concat(one:read "attention", " "), "at last") end
    one:free()
end
t.check(kept[0] ~= kept[1], "at first")
t.group "anneal"

-- Other grids: a student of 2x2 patches for a teacher of 4x4, and a strategy that asks a third model.
local store = bauta.store(seed)
for _, name in ipairs { "centre", "rollout", "diverse", "anneal" } do
    local step = bauta.graph({ batch = B, image = 16 }, function(g)
        g:model("student", vit { patch = 8 }, { store = bauta.store(seed) })
        g:declare("teacher", vit())
        g:fetch("kept", g:keep(g:score(bauta.mask(name, {}), "teacher"), 6))
    end)
    step:feed("images", pixels)
    step:run()
    t.equal(#step:read "kept", B * 6, name)
    step:free()
end
one = run(function(g)
    g:model("auxiliary", vit { dim = 12, patch = 8 }, { store = store })
    g:fetch("scores", g:score(bauta.mask "rollout" { of = "auxiliary" }, "teacher"))
end)
t.equal(#one:read "scores", B * N, "a third model's attention")
one:free()
t.group "other grids"

t.raises('mask centre.sigma = 0; expected a number 0.05..100', function() bauta.mask "centre" { sigma = 0 } end)
t.refused(function() bauta.mask "rollout" { of = "nobody" } end, "nobody's attention")
t.refused(function() bauta.mask "center" {} end, "no such strategy")
t.refused(function() bauta.mask "../mask" {} end, "no name")
t.group "what is refused"
return t.done()
