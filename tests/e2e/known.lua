-- known: distillations whose first student looks at the patches as we want it to, for tests of what is logged about that.
--
-- One block of four dimensions, one head. Pictures are not looked at (the patch embedding is zero); the token of place j is
-- x = (c, -c, s, -s) with c = cos, s = sin of some angle, which layer norm makes sqrt 2 x. The query is (1, 0, 0, 0) for every token,
-- the key the first number of the token, so the scaled logit of place j is sqrt 2 c_j / 2.
local bauta = require "bauta"

local known = { N = 16 }

-- The cosine of place j (0: the class token): different for all, in no order.
function known.cosine(j) return j == 0 and 0.25 or ((j * 7) % 17 - 8) / 9 end

local data = bauta.data "scenes" { size = 16, train = 64, test = 40 }

local function arch(weights)
    return bauta.arch "deit" { dim = 4, depth = 1, heads = 1, image = 16, patch = 4, classes = data.classes, weights = weights }
end

local function filled(n, v)
    local out = {}
    for i = 1, n do out[i] = v end
    return out
end

-- Writes the weights; those that are not named here keep their random values.
function known.write(path)
    local store = bauta.store(1)
    local step = bauta.graph({ batch = 1, image = 16 }, function(g)
        g:fetch("logits", g:model("student", arch(), { store = store }))
    end)
    step:free()
    local places = {}
    for j = 0, known.N do
        local c = known.cosine(j)
        local s = math.sqrt(1 - c * c)
        for _, v in ipairs { c, -c, s, -s } do places[#places + 1] = v end
    end
    store:write("pos_embed", places)
    store:write("cls_token", filled(4, 0))
    store:write("patch_embed.proj.weight", filled(4 * 48, 0))
    store:write("patch_embed.proj.bias", filled(4, 0))
    store:write("blocks.0.norm1.weight", filled(4, 1))
    store:write("blocks.0.norm1.bias", filled(4, 0))
    local qkv, bias = filled(12 * 4, 0), filled(12, 0)
    qkv[4 * 4 + 1], bias[1] = 1, 1
    for i = 1, 4 do qkv[(7 + i) * 4 + i] = 1 end -- values: the token itself, so that the classes differ
    store:write("blocks.0.attn.qkv.weight", qkv)
    store:write("blocks.0.attn.qkv.bias", bias)
    store:save(path, { format = "pt" })
end

-- more: settings of the distillation besides the usual ones.
function known.distill(weights, more)
    local s = { name = "run", data = data, student = arch(weights), teacher = arch(weights), epochs = 2, batch = 16, overlays = 3,
        mask = bauta.mask "student" { keep = 0.5 }, losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" {} } }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.distill(s)
end

return known
