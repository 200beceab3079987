-- begins: how weights of architectures begin before anything is loaded or learned: values that are worked out by hand, and distributions.
local bauta = require "bauta"
local t = require "harness"

-- The weights of a fresh model: a store. Its pictures have 32 pixels.
local function fresh(arch, seed)
    local store = bauta.store(seed or 1)
    bauta.graph({ batch = 1, image = 32 }, function(g)
        g:model("student", arch, { store = store })
        g:fetch("mean", g:signal("student", "logits"):mean { axis = -100 })
    end):free()
    return store
end

local function near(got, want, tolerance, what)
    t.equal(#got, #want, what)
    for i, v in ipairs(want) do t.near(got[i], v, tolerance, ("%s [%d]"):format(what, i)) end
end

-- ---- ConViT ----
-- Head a + side b looks 2 (b - middle) columns and 2 (a - middle) rows away (facebookresearch/convit).
local function convit(heads, locality)
    return fresh(bauta.arch "convit" { dim = 12 * heads, depth = 3, heads = heads, image = 32, patch = 8, classes = 4, ["local"] = 2, locality = locality })
end
near(convit(4, 1):read "blocks.0.attn.pos_proj.weight", { -1, -1, -1, -1, 1, -1, 1, -1, -1, 1, 1, -1 }, 0, "four heads")
near(convit(9, 0.5):read "blocks.1.attn.pos_proj.weight", { -1, -1, -.5, -1, 0, -.5, -1, 1, -.5, 0, -1, -.5, 0, 0, -.5, 0, 1, -.5, 1, -1, -.5, 1, 0, -.5, 1, 1, -.5 },
    0, "nine heads")
near(convit(4, 1):read "blocks.0.attn.gating_param", { 1, 1, 1, 1 }, 0, "gates")
t.group "ConViT's places"

-- ---- positions of masked autoencoders ----
local function mae(more)
    local s = { dim = 24, depth = 2, heads = 2, image = 32, patch = 8, classes = 4 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch "mae"(s)
end
local decoder = { decoder = true, pool = "class", decoder_dim = 8, decoder_depth = 1, decoder_heads = 2 }
local function with(more)
    local out = {}
    for _, from in ipairs { decoder, more } do
        for k, v in pairs(from) do out[k] = v end
    end
    return mae(out)
end
-- Which tables of positions are never trained.
local function fixed(store)
    local out = {}
    for _, w in ipairs(store:list()) do
        if w.fixed then out[#out + 1] = w.name end
    end
    table.sort(out)
    return table.concat(out, " ")
end
t.equal(fixed(fresh(with { positions = "fixed" })), "decoder_pos_embed pos_embed", "fixed")
t.equal(fixed(fresh(with {})), "", "learned")
local vit = { dim = 24, depth = 2, heads = 2, image = 32, patch = 8, classes = 4 }
for positions, want in pairs { learned = "", sincos = "", fixed = "pos_embed" } do
    local s = { positions = positions }
    for k, v in pairs(vit) do s[k] = v end
    local store = fresh(bauta.arch "deit"(s))
    t.equal(fixed(store), want, "deit, " .. positions)
    if positions ~= "learned" then near(store:read "pos_embed", fresh(mae()):read "pos_embed", 0, "the same sines") end
end
t.group "positions that stay"

-- ---- G2SD's student: a distillation token without a position ----
local function count(store)
    local n = 0
    for _, w in ipairs(store:list()) do n = n + w.count end
    return n
end
local small = fresh(bauta.arch "mae" { size = "small", pool = "class", distilled = true })
t.equal(count(small), 22436432 - 384, "as distilled DeiT-S (facebookresearch/deit), less a row of positions")
small:free()
t.group "G2SD's student"

-- ---- distributions ----
-- Mean of squares and the largest number.
local function spread(x)
    local sum, most = 0, 0
    for _, v in ipairs(x) do sum, most = sum + v * v, math.max(most, math.abs(v)) end
    return sum / #x, most
end
local function uniform(store, name, bound)
    local square, most = spread(store:read(name))
    t.check(most <= bound and most > 0.9 * bound and math.abs(square / (bound ^ 2 / 3) - 1) < 0.15, "%s: within %.4f, at most %.4f, mean square %.3g, wanted %.3g",
        name, bound, most, square, bound ^ 2 / 3)
end
local function normal(store, name, deviation)
    local square, most = spread(store:read(name))
    t.check(math.abs(square / deviation ^ 2 - 1) < 0.25 and most > 2 * deviation, "%s: mean square %.3g, wanted %.3g", name, square, deviation ^ 2)
end
local auto = fresh(with { mlp = 2, classes = 16, dim = 48, decoder_dim = 32 })
for name, fans in pairs { ["patch_embed.proj.weight"] = { 192, 48 }, ["blocks.1.attn.qkv.weight"] = { 48, 144 }, ["blocks.0.attn.proj.weight"] = { 48, 48 },
    ["blocks.0.mlp.fc1.weight"] = { 48, 96 }, ["blocks.1.mlp.fc2.weight"] = { 96, 48 }, ["decoder_embed.weight"] = { 48, 32 }, ["decoder_blocks.0.attn.qkv.weight"] = { 32, 96 },
    ["decoder_blocks.0.mlp.fc2.weight"] = { 128, 32 }, ["decoder_pred.weight"] = { 32, 192 } } do
    uniform(auto, name, math.sqrt(6 / (fans[1] + fans[2])))
end
uniform(auto, "patch_embed.proj.bias", 1 / math.sqrt(192))
t.equal(select(2, spread(auto:read "blocks.0.mlp.fc2.bias")), 0, "biases of matrices are 0")
normal(auto, "head.weight", 0.02)
normal(fresh(mae { pool = "class", distilled = true, dim = 192 }), "head_dist.weight", 0.02)
local deit = fresh(bauta.arch "deit" { dim = 48, depth = 1, heads = 2, image = 32, patch = 8, classes = 16 })
for _, name in ipairs { "blocks.0.attn.qkv.weight", "head.weight" } do normal(deit, name, 0.02) end
uniform(deit, "patch_embed.proj.weight", 1 / math.sqrt(192))

local ast = bauta.store(3)
bauta.graph({ batch = 1, image = 32 }, function(g)
    local zeros, arch = {}, bauta.arch "ast" { dim = 48, depth = 1, heads = 2, bins = 16, frames = 32, classes = 40 }
    for i = 1, 16 * 32 do zeros[i] = 0 end
    g.known:arch("student", arch:params(), { images = g:constant(zeros, { 1, 16, 32, 1 }), store = ast, scale = g:constant({ 1 }, { 1 }), shift = g:constant({ 0 }, { 1 }) })
    g:fetch("mean", g:signal("student", "logits"):mean { axis = -100 })
end):free()
uniform(ast, "mlp_head.1.weight", 1 / math.sqrt(48))
uniform(ast, "mlp_head.1.bias", 1 / math.sqrt(48))
normal(ast, "v.blocks.0.attn.qkv.weight", 0.02)
t.group "distributions"

return t.done()
