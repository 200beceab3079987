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
-- Head a + side b looks 2 (b - middle) columns and 2 (a - middle) rows away (spec: models 10.3).
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
t.equal(count(small), 22436432 - 384, "as distilled DeiT-S (spec: models 3.1), less a row of positions")
small:free()
t.group "G2SD's student"

return t.done()
