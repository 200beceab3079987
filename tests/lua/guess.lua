-- guess: what `bauta inspect` says about a weight file is taken at its word: the settings it names build a model that the file fits. For files of
-- ours, one of each architecture, and for the authors' names of the same.
local bauta = require "bauta"
local bind = require "bauta.bind.weights"
local card = require "bauta.card"
local guess = require "bauta.guess"
local store_of = require "model_store"
local t = require "harness"

local path, other = os.tmpname(), os.tmpname()

-- The first line of a file, its remarks taken away, as a name and settings.
local function said(file, notes)
    local lines = guess.lines(file:list(), notes)
    local name, text = lines[1]:match "^fits (%w+) with (.*)$"
    if not t.check(name, "no settings: %s", lines[1]) then return nil, {}, lines end
    local bare = (", " .. text):gsub(" %b()", ""):gsub(", [%w_ ]+ unknown[^,]*", "")
    return name, assert(loadstring("return {" .. bare:sub(3) .. "}"), bare)(), lines
end

-- What is said about the file builds a model that takes it. more: settings that no file knows.
local function taken(at, name, notes, more, what)
    local file = bind.open(at)
    local told, settings, lines = said(file, notes)
    file:free()
    t.equal(told, name, what .. ": " .. lines[1])
    if told ~= name then return lines end
    for k, v in pairs(more or {}) do settings[k] = settings[k] or v end
    settings.weights = at
    local arch = bauta.arch(name)(settings)
    local store = store_of(arch)
    local ok, why = pcall(arch.fits, arch, store, at)
    t.check(ok, "%s: %s: %s", what, lines[1], tostring(why))
    store:free()
    return lines
end

-- Theirs: renames a tensor of ours, nil leaves it out; besides: tensors that only they have, taken from others of the same shape.
local function write_as(theirs, besides)
    local file, list = bind.open(path), {}
    for i, w in ipairs(file:list()) do
        local name = theirs(w.name)
        if name then list[#list + 1] = { at = i, name = name } end
        if besides and besides[w.name] then list[#list + 1] = { at = i, name = besides[w.name] } end
    end
    file:write(other, list, {})
    file:free()
end

local function same(name) return name end
local function gammas(name) return (name:gsub("ls(%d)%.gamma$", "gamma_%1")) end
local function fronted(front) return function(name) return front .. name end end
local small = { dim = 24, heads = 2, depth = 3, image = 32, patch = 8, classes = 10 }
local function with(more, base)
    local out = {}
    for k, v in pairs(base or small) do out[k] = v end
    for k, v in pairs(more) do out[k] = v end
    return out
end

-- Swin's authors halve the map at the end of a stage.
local function swin(name)
    return (name:gsub("^layers%.(%d)%.downsample", function(n) return "layers." .. n - 1 .. ".downsample" end):gsub("^head%.fc%.", "head."))
end

-- Architecture, settings; theirs: the authors' names, for which `needs` are settings that their file does not tell; says: what must be said.
local files = {
    { "deit", small, theirs = same, needs = { heads = 2 },
      says = "fits deit with dim = 24, depth = 3, patch = 8, image = 32, classes = 10, heads unknown" },
    { "deit", with { dim = 64, mlp = 2.5, channels = 1 }, theirs = same,
      says = "channels = 1, mlp = 2.5, image = 32, classes = 10, heads = 1 (of 64 columns; the file does not say)" },
    { "deit", with { distilled = true }, theirs = same, needs = { heads = 2 } },
    { "deit3", small, theirs = gammas, needs = { heads = 2 } },
    { "cait", with { class_depth = 1 }, theirs = fronted "module.", says = "heads = 2" },
    { "convit", with { heads = 4, ["local"] = 2 }, theirs = same, says = '["local"] = 2' },
    { "mae", small, theirs = same, needs = { heads = 2 } },
    { "mae", with { pool = "class" } },
    { "mae", with { pool = "none" } },
    { "mae", with { pool = "class", distilled = true }, theirs = same, needs = { heads = 2 } },
    { "mae", with { pool = "none", decoder = true, decoder_dim = 16, decoder_depth = 2, decoder_heads = 4 }, theirs = same,
      needs = { heads = 2, decoder_heads = 4 } },
    { "dino", small, theirs = fronted "module.backbone.", needs = { heads = 2 },
      besides = { ["norm.weight"] = "module.head.mlp.0.bias" } },
    { "dino", with { head = true, outputs = 40 }, theirs = fronted "module.", needs = { heads = 2 }, says = "head = true, outputs = 40" },
    { "clip", small, theirs = same, needs = { heads = 2 }, says = 'normalise = "clip"' },
    { "ast", { dim = 24, heads = 2, depth = 2, frames = 64, classes = 7 }, theirs = fronted "module.", needs = { heads = 2 },
      besides = { ["mlp_head.1.bias"] = "module.v.head.bias" },
      says = "frames = 64 (56 to 65 have these 5 columns, with 128 bins and a stride of 10)" },
    { "ast", { dim = 24, heads = 2, depth = 2, bins = 32, frames = 40, stride = 8, classes = 7 } },
    { "swin", { dim = 8, depths = "2,1,1", heads = "1,2,4", image = 32, window = 4, patch = 2, classes = 10 },
      theirs = swin, besides = { ["norm.weight"] = "layers.0.blocks.0.attn.relative_position_index" },
      says = 'fits swin with dim = 8, depths = "2,1,1", heads = "1,2,4", window = 4, patch = 2, image = 32 (the smallest; the file does not say), ' ..
          "classes = 10" },
    { "swin", { dim = 8, depths = "1,1", heads = "1,2", image = 16, window = 4, patch = 4, classes = 10 }, says = "window = 4, patch = 4, image = 16, classes" },
    { "convvit", { dim = 24, heads = 2, depth = 2, stem_depth = 1, image = 48, classes = 10 }, theirs = same, needs = { heads = 2 } },
    { "yolos", { dim = 24, heads = 2, depth = 3, rows = 48, columns = 64, detections = 5, classes = 4, middle = true } },
    { "yolos", { dim = 24, heads = 2, depth = 1, rows = 32, columns = 32, table_rows = 32, table_columns = 54, detections = 5, classes = 4 }, theirs = same,
      needs = { heads = 2 }, says = "table_rows = 32, table_columns = 54" },
    { "segmenter", with { decoder_depth = 1 }, theirs = same, needs = { heads = 2 },
      besides = { ["decoder.proj_patch"] = "encoder.head.weight" },
      says = "decoder_depth = 1, image = 32, classes = 10, heads unknown, partial = \"encoder.head\"" },
}

local seen = {}
for _, f in ipairs(files) do
    local arch = bauta.arch(f[1])(f[2])
    local store = store_of(arch)
    store:save(path, card.of(arch, { normalise = "imagenet" }, nil, {}))
    store:free()
    seen[f[1]] = true
    local file = bind.open(path)
    local notes = file:notes()
    file:free()
    taken(path, f[1], notes, { decoder_heads = f[2].decoder_heads }, f[1] .. ", a file of ours")
    if f.theirs then
        write_as(f.theirs, f.besides)
        local lines = taken(other, f[1], {}, f.needs, f[1] .. ", the authors' names")
        t.check(not f.says or lines[1]:find(f.says, 1, true), "%s: %s", f[1], lines[1])
    elseif f.says then
        file = bind.open(path)
        local lines = guess.lines(file:list(), {})
        file:free()
        t.check(lines[1]:find(f.says, 1, true), "%s: %s", f[1], lines[1])
    end
end
for _, p in ipairs(require "bauta.bind.plugin".scan()) do
    if p.kind == "arch" and p.path:find "/plugins/arch/" then t.check(seen[p.name], "no file of the architecture %s is looked at here", p.name) end
end
t.group "files of every architecture"

-- ---- a file that is not the model's: what it fits is said in one line, and the first twenty tensors that do not match ----
local function refusal(arch, from, model, notes)
    local own, given = store_of(arch), store_of(from)
    given:save(path, notes and card.of(from, { normalise = "imagenet" }, nil, {}) or {})
    local before = own:read "norm.bias"
    local checked, why = pcall(arch.fits, arch, own, model and "run one" or path, model and given or nil, model)
    local loaded, again = pcall(arch.load, arch, own, path)
    t.check(not checked and not loaded and why.code == "data" and #why.lines == 1, "%s", tostring(why))
    t.check(model or again.lines[1] == why.lines[1], "loading says %s, looking %s", tostring(again), tostring(why))
    t.equal(table.concat(own:read "norm.bias", ","), table.concat(before, ","), "nothing is loaded")
    own:free()
    given:free()
    return why.lines[1]
end
local base, text = path:match "[^/]+$", nil
local deit, cait, wider = bauta.arch "deit"(small), bauta.arch "cait"(small), bauta.arch "deit"(with { dim = 36 })
text = refusal(deit, cait, nil, true)
t.check(text:find(base .. " fits cait with dim = 24, depth = 3, patch = 8, image = 32, classes = 10, heads = 2, and the model is a deit; ", 1, true) == 1, "%s", text)
t.check(not text:find("fits width", 1, true), "what was asked for is not said of the file: %s", text)
text = refusal(cait, deit)
t.check(text:find(base .. " fits deit with dim = 24, depth = 3, patch = 8, image = 32, classes = 10, heads unknown, and the model is a cait; ", 1, true) == 1, "%s", text)
text = refusal(deit, cait, cait)
t.check(text:find("run one fits cait with dim = 24, depth = 3, patch = 8, image = 32, classes = 10, heads = 2, and the model is a deit; ", 1, true) == 1, "%s", text)
text = refusal(bauta.arch "dino"(small), bauta.arch "mae"(with { pool = "none", depth = 2 }))
t.check(text:find("fits width 24, patch 8x8, depth 2; ", 1, true), "equal names are no other architecture: %s", text)
text = refusal(deit, bauta.arch "deit"(with { distilled = true }))
t.check(text:find("; the file is one with distilled = true$") and text:find("surplus dist_token", 1, true), "%s", text)
t.check(not refusal(bauta.arch "deit"(with { distilled = true }), deit):find(" = true", 1, true), "that a switch is on here the names say that are missing")
text = refusal(bauta.arch "mae"(with { pool = "none" }), bauta.arch "mae"(with { pool = "none", decoder = true, decoder_dim = 16, decoder_depth = 1, decoder_heads = 2 }))
t.check(text:find("; the file is one with decoder = true$"), "%s", text)
local swin_of_two = bauta.arch "swin" { dim = 8, depths = "1,1", heads = "1,2", image = 32, window = 4, patch = 4, classes = 10 }
text = refusal(deit, swin_of_two)
t.check(text:find(base .. ' fits swin with dim = 8, depths = "1,1", heads = "1,2", window = 4, patch = 4, image = 32', 1, true) == 1, "%s", text)
local patches = bauta.store(1)
patches:add("patch_embed.proj.weight", { 24, 3, 8, 8 })
patches:save(path)
t.check(not tostring(select(2, pcall(deit.fits, deit, store_of(deit), path))):find("fits", 1, true), "a patch embedding alone is no model")
-- One of the same architecture: every tensor up to the twentieth, each once, then a count.
text = refusal(deit, wider)
local wrong, names = text:match "fits width 36, patch 8x8, depth 3, 10 classes; (%d+) of its tensors do not match: (.*)$"
local listed, rest, twice = 0, nil, {}
for one in (names .. "; "):gmatch "(.-); " do
    local name = one:match "^([%w_.]+) is %[[%d,]+%] in the file, %[[%d,]+%] in the model$"
    if name and not twice[name] then listed, twice[name] = listed + 1, true else rest = rest == nil and one:match "^and (%d+) more$" or false end
end
t.check(listed == 20 and tonumber(rest) == tonumber(wrong) - 20, "%d names, then %s of %s: %s", listed, tostring(rest), wrong, text)
t.check(not refusal(bauta.arch "deit"(with { classes = 9 }), deit):find(" more", 1, true), "two names have room")
t.group "files of another model"

-- ---- what is no file of ours and not theirs as it stands ----
local function lines_of(tensors, notes)
    local list = {}
    for name, shape in pairs(tensors) do list[#list + 1] = { name = name, shape = shape } end
    table.sort(list, function(a, b) return a.name < b.name end)
    return table.concat(guess.lines(list, notes), "\n")
end
local function trunk(front, more)
    local out = { [front .. "patch_embed.proj.weight"] = { 384, 3, 16, 16 }, [front .. "pos_embed"] = { 1, 197, 384 },
        [front .. "blocks.0.norm1.weight"] = { 384 } }
    for k, v in pairs(more or {}) do out[k] = v end
    return out
end
local vit = "dim = 384, depth = 1, patch = 16, "
local rest = "image = 224, heads = 6 (of 64 columns; the file does not say)"
local both = " just as well: the names and shapes are the same"
t.equal(lines_of(trunk ""), "fits dino with " .. vit .. rest .. "\nfits mae with " .. vit .. 'pool = "none", ' .. rest .. both, "an encoder alone: DINO's or MAE's")
t.equal(lines_of(trunk("", { ["head.weight"] = { 9, 384 } }), { made_by = "bauta 1", architecture = "mae", heads = "4" }),
    "fits mae with " .. vit .. 'pool = "class", image = 224, classes = 9, heads = 4', "notes choose among equal names, and know the heads")
t.equal(lines_of(trunk("", { ["head.weight"] = { 9, 384 } }), { made_by = "bauta 1", architecture = "own-vit" }),
    "fits own-vit, as its notes say", "an architecture that is not in the tree")
t.equal(lines_of(trunk("", { ["head.weight"] = { 9, 384 } }), { architecture = "resnet", heads = "-" }),
    "fits deit with " .. vit .. "image = 224, classes = 9, " .. rest:sub(14),
    "notes of somebody else")
t.equal(lines_of(trunk "model."), "fits dino with " .. vit .. rest .. ', prefix = "model."\nfits mae with ' .. vit .. 'pool = "none", ' .. rest ..
    ', prefix = "model."' .. both, "names with something in front")
t.equal(lines_of(trunk("module.", { ["module.head.weight"] = { 9, 384 } })), "fits deit with " .. vit .. "image = 224, classes = 9, " ..
    rest:sub(14) .. '\nin front of the names: "module." (module. and backbone. are taken away by keys = "auto")', "what is taken away")
t.check(lines_of { ["teacher/backbone.cls_token"] = { 1, 1, 8 }, ["student/x"] = { 1 } }
    :find('prefix = "student/" or "teacher/" chooses one', 1, true), "several dicts")
t.equal(lines_of { ["visual.conv1.weight"] = { 768, 3, 16, 16 }, ["visual.positional_embedding"] = { 197, 768 }, ["visual.proj"] = { 768, 512 },
    ["visual.transformer.resblocks.0.ln_1.weight"] = { 768 } },
    'fits clip with dim = 768, depth = 1, patch = 16, activation = "quick-gelu", normalise = "clip", image = 224, ' ..
    "classes = 512 (its projection), heads = 12 (of 64 columns; the file does not say)", "OpenAI's names")
local clip = trunk("", { ["norm_pre.weight"] = { 384 } })
t.check(lines_of(clip):find('activation = "gelu" (or "quick-gelu"; the file does not say), normalise = "clip"', 1, true), "%s", lines_of(clip))
t.check(lines_of(clip, { activation = "quick-gelu" }):find('activation = "quick-gelu", normalise', 1, true), "the notes know the activation")
t.check(lines_of(clip, { activation = "relu" }):find('activation = "gelu" (or', 1, true), "an activation of somebody else")
local decoder = trunk("", { ["decoder_embed.weight"] = { 256, 384 }, ["decoder_blocks.0.norm1.weight"] = { 256 } })
t.check(lines_of(decoder):find("decoder_dim = 256, decoder_depth = 1, decoder_heads unknown, ", 1, true), "%s", lines_of(decoder))
t.check(lines_of(decoder, { decoder_heads = "8" }):find("decoder_heads = 8, ", 1, true), "the notes know the decoder's heads")
local function yolos(n)
    return { ["backbone.patch_embed.proj.weight"] = { 192, 3, 16, 16 }, ["backbone.det_token"] = { 1, 100, 192 }, ["backbone.pos_embed"] = { 1, n + 101, 192 },
        ["class_embed.layers.2.weight"] = { 92, 192 } }
end
t.check(lines_of(yolos(50 * 83)):find("table_rows = 50, table_columns = 83", 1, true), "a known table")
t.check(lines_of(yolos(77)):find("table_rows and table_columns unknown: 77 patches", 1, true), "an unknown one")
t.check(lines_of { ["v.patch_embed.proj.weight"] = { 768, 1, 16, 16 }, ["v.dist_token"] = { 1, 1, 768 }, ["v.pos_embed"] = { 1, 1214, 768 },
    ["mlp_head.1.weight"] = { 527, 768 } }
    :find("frames = 1024 (1016 to 1025 have these 101 columns, with 128 bins and a stride of 10), classes = 527, heads = 12", 1, true), "AudioSet")
t.group "what a file says"

-- ---- files that only look like one: whatever a shape is, a line is said ----
local function swin_of(patches, biases)
    return { ["patch_embed.proj.weight"] = patches, ["layers.0.blocks.0.attn.relative_position_bias_table"] = biases,
        ["layers.0.blocks.0.norm1.weight"] = { 8 } }
end
local function ast_of(channels, positions)
    return { ["v.patch_embed.proj.weight"] = { 8, channels, 16, 16 }, ["v.dist_token"] = { 1, 1, 8 }, ["v.pos_embed"] = { 1, positions, 8 } }
end
local none = "no architecture of ours has such names"
for name, tensors in pairs {
    ["no names"] = {}, ["a patch embedding alone"] = { ["patch_embed.proj.weight"] = { 8, 3, 4, 4 } },
    ["of no rank"] = trunk("", { ["patch_embed.proj.weight"] = {} }),
    ["a Swin's without axes"] = swin_of({ 8, 3, 4, 4 }, {}), ["a Swin's without windows"] = swin_of({ 8, 3, 4, 4 }, { 8, 2 }),
    ["a Swin's with another patch embedding"] = swin_of({ 8 }, { 49, 2 }),
    ["a ConvViT's without blocks"] = { ["patch_embed1.proj.weight"] = { 8, 3, 4, 4 }, ["patch_embed4.weight"] = { 24, 24 } },
    ["a YOLOS's without positions"] = { ["backbone.patch_embed.proj.weight"] = { 8, 3, 16, 16 }, ["backbone.det_token"] = { 1, 5, 8 } },
    ["a YOLOS's with fewer positions than tokens"] = { ["backbone.patch_embed.proj.weight"] = { 8, 3, 16, 16 }, ["backbone.det_token"] = { 1, 50, 8 },
        ["backbone.pos_embed"] = { 1, 3, 8 } },
    ["an AST's without patches"] = ast_of(1, 2), ["an AST's in colours"] = ast_of(3, 6),
    ["a Segmenter's of no rank"] = { ["encoder.patch_embed.proj.weight"] = { 8 }, ["decoder.cls_emb"] = { 1 } },
    ["a DINO's of no rank"] = { ["backbone.patch_embed.proj.weight"] = {}, ["head.last_layer.weight_v"] = { 1 } },
    ["CLIP's of no rank"] = { ["visual.conv1.weight"] = {} },
} do t.equal(lines_of(tensors), none, name) end
for name, tensors in pairs {
    ["positions of no rank"] = trunk("", { ["pos_embed"] = {}, ["head.weight"] = {} }), ["gates of no rank"] = trunk("", { ["blocks.0.attn.gating_param"] = {} }),
} do
    t.check(lines_of(tensors, { image = "0x0", heads = "many" }):find "^fits %w+ with ", "%s: %s", name, lines_of(tensors))
end
t.group "files that only look like one"
for _, at in ipairs { path, other } do os.remove(at) end
return t.done()
