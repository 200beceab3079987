-- cards: the notes of a student's file build the model again: every setting of its architecture that is not what its size or a default says.
local bauta = require "bauta"
local card = require "bauta.card"
local t = require "harness"

local small = { dim = 24, depth = 3, heads = 4, image = 32, patch = 8, classes = 10 }
local function with(base, more)
    local out = {}
    for k, v in pairs(base) do out[k] = v end
    for k, v in pairs(more or {}) do out[k] = v end
    return out
end

local models = {
    { "deit", {} }, { "deit", { size = "base", distilled = true } }, { "deit", with(small, { mlp = 2, positions = "fixed" }) }, { "deit3", with(small, { layer_scale = 0.5 }) },
    { "swin", { dim = 16, depths = "1,1", heads = "1,2", window = 4, image = 32, patch = 2, classes = 10 } }, { "swin", { size = "small" } }, { "swin", { dim = 48 } },
    { "cait", with(small, { class_depth = 1 }) }, { "cait", {} }, { "convit", with(small, { ["local"] = 2 }) }, { "convit", {} },
    { "mae", with(small, { pool = "class", distilled = true }) }, { "mae", with(small, { pool = "none", decoder = true, decoder_dim = 16, decoder_heads = 2 }) }, { "mae", {} },
    { "clip", with(small, { activation = "quick-gelu" }) }, { "dino", { head = true, outputs = 32, norm_last_layer = false } }, { "ast", { frames = 100, stride = 12 } },
    { "yolos", { rows = 64, columns = 96, detections = 7 } }, { "segmenter", { decoder_depth = 1 } }, { "convvit", { dim = 48, heads = 3, depth = 2, image = 64 } },
}
for _, m in ipairs(models) do
    local arch = bauta.arch(m[1], m[2])
    local notes = card.of(arch, { normalise = "imagenet" }, nil, {})
    t.equal(notes.architecture, arch.name, "its name")
    for _, row in ipairs(arch.plugin.rows) do -- in one table, as a script has them
        local text = row.name == "image" and notes.image:match "^%d+" or notes[row.name]
        if text then m[#m + 1] = row.name .. "=" .. text end
    end
    local given = {}
    for i = 3, #m do
        local name, text = m[i]:match "^(.-)=(.*)$"
        given[name] = text == "true" or (text ~= "false" and (tonumber(text) or text))
    end
    local again = bauta.arch(m[1], given)
    for _, fact in ipairs { "dim", "depth", "heads", "patches", "classes", "image_rows", "image_columns" } do
        t.equal(again[fact], arch[fact], ("%s, %s of %s"):format(m[1], fact, table.concat(m, " ", 3)))
    end
    for name, v in pairs(m[2]) do
        if name ~= "size" then t.equal(again.settings[name], v, ("%s, setting %s"):format(m[1], name)) end
    end
end
local notes = card.of(bauta.arch("swin", models[5][2]), { normalise = "imagenet" }, nil, {})
t.equal(("%s %s %s %s"):format(notes.dim, notes.depths, notes.heads, tostring(notes.depth)), "16 1,1 1,2 nil", "Swin's own settings, and not its last stage's facts")
notes = card.of(bauta.arch("deit", { distilled = true }), { normalise = "imagenet" }, nil, {})
t.check(not card.timm(notes), "timm's line is for the plain model")
t.check((card.timm(card.of(bauta.arch("deit", small), { normalise = "imagenet" }, nil, {})) or ""):find("embed_dim=24, depth=3, num_heads=4, num_classes=10", 1, true), "its line")
t.group "notes that build the model again"
return t.done()
