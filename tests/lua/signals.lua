-- signals: queries, keys, values, scores and attention of a block against sums written out here; the others against each other;
-- and that nobody pays for what nobody asks for.
local bauta = require "bauta"
local t = require "harness"

local B, H, d, D, side = 2, 3, 4, 12, 4
local arch = bauta.arch "deit" { dim = D, depth = 3, heads = H, image = 16, patch = 4, classes = 5, drop_path = 0, mlp = 2 }
local seed = tonumber(os.getenv "BAUTA_SEED" or os.time() % 100000)
print("seed " .. seed)
math.randomseed(seed)

local function run(describe, store)
    store = store or bauta.store(seed)
    local step = bauta.graph({ batch = B, image = 16 }, function(g, batch) describe(g, batch, store) end)
    local pixels = {}
    for i = 1, B * 16 * 16 * 3 do pixels[i] = math.random(0, 255) end
    step:feed("images", pixels)
    step:run()
    return step
end

-- All rows of one head of [B,H,T,n].
local function at(list, T, n, b, h, i, j) return list[((b * H + h) * T + i) * n + j + 1] end

local function check_layer(step, suffix, T, name)
    local q, k = step:read("queries" .. suffix), step:read("keys" .. suffix)
    local logits, attention, v = step:read("attention_logits" .. suffix), step:read("attention" .. suffix), step:read("values" .. suffix)
    local packed = step:read("mixed" .. suffix) -- [B,T,D]: attention times values, what the projection reads
    local worst = 0
    for b = 0, B - 1 do
        for h = 0, H - 1 do
            for i = 0, T - 1 do
                local scores, sum, top = {}, 0, -math.huge
                for j = 0, T - 1 do
                    local s = 0
                    for c = 0, d - 1 do s = s + at(q, T, d, b, h, i, c) * at(k, T, d, b, h, j, c) end
                    scores[j] = s / math.sqrt(d)
                    top = math.max(top, scores[j])
                    worst = math.max(worst, math.abs(scores[j] - at(logits, T, T, b, h, i, j)))
                end
                for j = 0, T - 1 do sum = sum + math.exp(scores[j] - top) end
                for j = 0, T - 1 do worst = math.max(worst, math.abs(math.exp(scores[j] - top) / sum - at(attention, T, T, b, h, i, j))) end
                for c = 0, d - 1 do
                    local s = 0
                    for j = 0, T - 1 do s = s + math.exp(scores[j] - top) / sum * at(v, T, d, b, h, j, c) end
                    worst = math.max(worst, math.abs(s - packed[(b * T + i) * D + h * d + c + 1]))
                end
            end
        end
    end
    t.near(worst, 0, 1e-5, name)
    local class = step:read("class_attention" .. suffix) -- [B,H,1,T]
    for b = 0, B - 1 do
        for h = 0, H - 1 do
            for j = 0, T - 1 do
                t.near(class[(b * H + h) * T + j + 1], at(attention, T, T, b, h, 0, j), 1e-6, name .. " class row")
            end
        end
    end
end

local names = { "queries", "keys", "values", "attention_logits", "attention", "class_attention" }

local function fetch_layer(g, who, layer, suffix)
    for _, name in ipairs(names) do g:fetch(name .. suffix, g:signal(who, name, layer)) end
    local a, v = g:signal(who, "attention", layer), g:signal(who, "values", layer)
    local T = a:size(2)
    g:fetch("mixed" .. suffix, g:op("matmul", { a, v }):permute { order = "0,2,1,3" }:reshape { shape = ("%d,%d,%d"):format(B, T, D) })
end

local step = run(function(g, batch, store)
    g:model("student", arch, { store = store })
    for layer = 0, 2 do fetch_layer(g, "student", layer, "_" .. layer) end
end)
for layer = 0, 2 do check_layer(step, "_" .. layer, side * side + 1, "layer " .. layer) end
step:free()
t.group "attention of every block"

-- A masked model's signals have its own tokens.
step = run(function(g, batch, store)
    local kept = g:keep(g:random("test/u", { B, side * side }), 6)
    g:model("teacher", arch, { store = store, kept = kept })
    fetch_layer(g, "teacher", 1, "_m")
    t.equal(table.concat(g:signal("teacher", "attention", -1):shape(), ","), "2,3,7,7", "masked attention")
    t.equal(table.concat(g:signal("teacher", "embedded"):shape(), ","), "2,7,12", "masked tokens")
end)
check_layer(step, "_m", 7, "masked")
step:free()
t.group "attention of a masked model"

-- The residual stream: embedded, and what each block adds, sum up to the tokens.
step = run(function(g, batch, store)
    g:model("student", arch, { store = store })
    local sum = g:signal("student", "embedded")
    for layer = 0, 2 do
        sum = sum + g:signal("student", "attention_output", layer) + g:signal("student", "mlp_output", layer)
        g:fetch("off" .. layer, (sum - g:signal("student", "tokens", layer)):square():mean { axis = -100 })
    end
    t.equal(table.concat(g:signal("student", "mlp_hidden", 0):shape(), ","), "2,17,24", "hidden units")
    local again = g:op("linear", { g:signal("student", "mlp_hidden", 2), g:variable(store, "blocks.2.mlp.fc2.weight"),
        g:variable(store, "blocks.2.mlp.fc2.bias") })
    g:fetch("fc2", (again - g:signal("student", "mlp_output", 2)):square():mean { axis = -100 })
end)
for layer = 0, 2 do t.near(step:read("off" .. layer), 0, 1e-11, "residual stream " .. layer) end
t.near(step:read("fc2"), 0, 1e-11, "fc2 of the hidden units")
step:free()
t.group "the residual stream"

-- Gradients of what was derived: against differences of the loss along a direction that leans to the gradient, so that what is compared is never near
-- zero, and has a part of its own in every element, so that one that the gradient lacks shows.
local function slope(name)
    local store = bauta.store(seed)
    local function describe(g)
        g:model("student", arch, { store = store })
        local x = g:signal("student", name, 1)
        local weights, n = {}, 1
        for _, s in ipairs(x:shape()) do n = n * s end
        for i = 1, n do weights[i] = math.sin(i * 7.3) end
        local loss = (x * g:constant(weights, x:shape())):sum { axis = -100 }
        g:fetch("loss", loss)
        g:fetch("g", g:grad(loss, { g:variable(store, "blocks.1.attn.qkv.weight") })[1])
    end
    math.randomseed(seed)
    local one = run(describe, store)
    local gradient, w = one:read "g", store:read "blocks.1.attn.qkv.weight"
    local along, moved, eps = 0, {}, 1e-2
    local direction = {}
    for i = 1, #w do
        direction[i] = 0.5 * math.sin(i * 3.1) + (gradient[i] > 0 and 1 or gradient[i] < 0 and -1 or 0)
        along = along + gradient[i] * direction[i]
    end
    local side_loss = {}
    for k, sign in ipairs { 1, -1 } do
        for i = 1, #w do moved[i] = w[i] + sign * eps * direction[i] end
        store:write("blocks.1.attn.qkv.weight", moved)
        one:run()
        side_loss[k] = one:read("loss")
    end
    one:free()
    local measured = (side_loss[1] - side_loss[2]) / (2 * eps)
    t.check(math.abs(along) > 1e-4 and math.abs(along - measured) < 0.02 * math.max(math.abs(along), 0.05), "%s: gradient %g, measured %g",
        name, along, measured)
end
for _, name in ipairs { "queries", "keys", "values", "attention_logits", "attention" } do slope(name) end
t.group "gradients"

-- What nobody asks for costs nothing, and the last block goes on making one row only.
local function macs(describe)
    local one = run(function(g, batch, store)
        g:fetch("logits", g:model("student", arch, { store = store }))
        describe(g)
    end)
    local sum, nodes = 0, 0
    for _, row in ipairs(one:plan().rows) do sum, nodes = sum + row.macs, nodes + row.nodes end
    one:free()
    return sum, nodes
end
local plain, nodes = macs(function() end)
local asked, more = macs(function(g) g:signal("student", "attention", 1) end)
t.equal(asked, plain, "asked, but read by nobody")
t.equal(more, nodes, "dead nodes")
local keys = macs(function(g) g:fetch("keys", g:signal("student", "keys", -1)) end)
t.equal(keys, plain, "the keys are there anyway, the queries of the last block are not")
local whole = macs(function(g) g:fetch("a", g:signal("student", "attention_logits", -1)) end)
t.check(whole > plain, "all queries of the last block cost")
t.group "costs"
return t.done()
