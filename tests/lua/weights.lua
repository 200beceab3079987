-- weights: the ways that docs/architectures.md names by which a file of the authors begins a model of another kind: what is taken over to the bit, what is
-- left out, what begins anew; and that the file is refused without them.
local bauta = require "bauta"
local store_of = require "model_store"
local t = require "harness"

local path = os.tmpname()

local function equal(a, b, name)
    local x, y = a:read(name), b:read(name)
    for i = 1, #x do
        if x[i] ~= y[i] then return false end
    end
    return #x == #y
end

-- from, to: architecture and settings; how: settings of the weights; anew: beginnings of the names of `to` that the file does not have, or not with that
-- shape.
local function enters(what, from, to, how, anew)
    local given = store_of(bauta.arch(from[1])(from[2]), 3)
    given:save(path)
    local settings = { weights = path }
    for k, v in pairs(to[2]) do settings[k] = v end
    local bare = bauta.arch(to[1])(settings)
    for k, v in pairs(how) do settings[k] = v end
    local arch = bauta.arch(to[1])(settings)
    local store, before = store_of(arch, 4), store_of(arch, 4)
    local ok = pcall(bare.fits, bare, store, path)
    t.check(not ok, "%s: the file fits without its settings", what)
    local loaded, why = pcall(arch.load, arch, store, path)
    if not t.check(loaded, "%s: %s", what, tostring(why)) then return end
    for _, w in ipairs(store:list()) do
        local new = false
        for _, front in ipairs(anew or {}) do new = new or w.name:sub(1, #front) == front end
        if new then t.check(equal(store, before, w.name), "%s: %s is not as it began", what, w.name)
        elseif given:has(w.name) then t.check(equal(store, given, w.name), "%s: %s is not the file's", what, w.name)
        else t.check(false, "%s: nothing is said of %s", what, w.name) end
    end
    given:free()
    store:free()
    before:free()
end

local small = { dim = 24, heads = 2, depth = 2, image = 32, patch = 8, classes = 10 }
local function with(more)
    local out = {}
    for k, v in pairs(small) do out[k] = v end
    for k, v in pairs(more) do out[k] = v end
    return out
end

local encoder = { "mae", with { pool = "none", positions = "fixed" } }
local whole = { "mae", with { pool = "none", decoder = true, decoder_dim = 16, decoder_depth = 1, decoder_heads = 2 } }
enters("MAE's pre-training, for a classifier of the mean", encoder, { "mae", small }, { partial = "norm,fc_norm,head" }, { "fc_norm", "head" })
enters("MAE's pre-training, for one of the class token", encoder, { "mae", with { pool = "class" } }, { partial = "head" }, { "head" })
enters("MAE's pre-training with its decoder", whole, { "mae", small }, { partial = "norm,fc_norm,head,decoder,mask_token" }, { "fc_norm", "head" })
enters("MAE's pre-training, its encoder alone", whole, encoder, { partial = "decoder,mask_token" })
enters("DINO's backbone with a classifier", { "dino", small }, { "deit", small }, { partial = "head" }, { "head" })
enters("a classifier of other classes", { "deit", with { classes = 1000 } }, { "deit", small }, { partial = "head" }, { "head" })
enters("a distilled DeiT for other classes", { "deit", with { distilled = true } }, { "deit", with { distilled = true, classes = 7 } }, { partial = "head" },
    { "head" })
enters("Segmenter for other classes", { "segmenter", small }, { "segmenter", with { classes = 4 } }, { partial = "decoder.cls_emb,decoder.mask_norm" },
    { "decoder.cls_emb", "decoder.mask_norm" })
t.group "files that begin another model"
os.remove(path)
return t.done()
