-- guess: which architecture the names and shapes of a weight file fit, as the settings of a script that would load it. What it does not say is said.
-- Some architectures share their names; the notes of a file that Bauta wrote tell which of them it is.
local guess = {}

-- ---- tensors by name ----

-- Those of a list whose names begin so, under what is left of their names.
local function below(list, front)
    local by = {}
    for _, t in ipairs(list) do
        if t.name:sub(1, #front) == front then by[t.name:sub(#front + 1)] = t end
    end
    return by
end

-- Length of an axis of a tensor that has so many; nil where there is none such.
local function along(by, name, rank, axis)
    local t = by[name]
    return t and #t.shape == rank and t.shape[axis] or nil
end

-- How many blocks there are: FORMAT with 0, 1, ...
local function count(by, format)
    local n = 0
    while by[format:format(n)] do n = n + 1 end
    return n
end

-- The side of a square grid of n patches, or nil.
local function side(n)
    local s = n and n > 0 and math.sqrt(n)
    return s and s == math.floor(s) and s or nil
end

-- Two numbers with an x between, as the notes have sizes of pictures.
local function sides(text)
    local rows, columns = (text or ""):match "^(%d+)x(%d+)$"
    return tonumber(rows), tonumber(columns)
end

-- ---- settings ----

-- A list of "name = value", and the function that adds one; a remark goes behind it, no value leaves it out. `switches`: the names of those
-- that are true.
local function settings()
    local out = { switches = {} }
    return out, function(name, value, remark)
        if value == nil then return end
        if value == true then table.insert(out.switches, name) end
        local text = type(value) == "number" and ("%.10g"):format(value) or type(value) == "string" and '"' .. value .. '"' or tostring(value)
        out[#out + 1] = ("%s = %s%s"):format(name, text, remark and " (" .. remark .. ")" or "")
    end
end

local function put_heads(put, out, dim, notes)
    if tonumber(notes.heads) then put("heads", tonumber(notes.heads))
    elseif dim % 64 == 0 then put("heads", dim / 64, "of 64 columns; the file does not say")
    else out[#out + 1] = "heads unknown" end
end

-- What the settings of most ViTs share, from a patch embedding on. extra: tokens besides the patches that have a position; more(put): puts what stands
-- behind the patch.
local function vit(by, notes, extra, classes, more)
    local out, put = settings()
    local w = by["patch_embed.proj.weight"].shape
    local hidden, grid = along(by, "blocks.0.mlp.fc1.weight", 2, 1), along(by, "pos_embed", 3, 2)
    put("dim", w[1])
    put("depth", count(by, "blocks.%d.norm1.weight"))
    put("patch", w[3])
    if more then more(put, out) end
    if w[2] ~= 3 then put("channels", w[2]) end
    if hidden and hidden ~= 4 * w[1] then put("mlp", hidden / w[1]) end
    grid = side(grid and grid - extra)
    put("image", grid and grid * w[3])
    put("classes", classes)
    local mixed = by["blocks.0.attn.proj_l.weight"] or by["blocks.0.attn.gating_param"] -- a row for each head
    if mixed then put("heads", mixed.shape[1]) else put_heads(put, out, w[1], notes) end
    return out
end

-- ---- one function for each family: the findings { name, says }, the likeliest first, or nothing ----

local families = {}

-- The names of timm's ViTs: many architectures differ in one tensor, some in none.
local function plain(by, notes)
    if not (by["blocks.0.norm1.weight"] and along(by, "patch_embed.proj.weight", 4, 1)) then return {} end
    local classes, positions = along(by, "head.weight", 2, 1), along(by, "pos_embed", 3, 2)
    local function one(name, extra, more) return { name = name, says = vit(by, notes, extra, classes, more) } end
    if by["blocks_token_only.0.norm1.weight"] then
        local last = count(by, "blocks_token_only.%d.norm1.weight")
        return { one("cait", 0, function(put) if last ~= 2 then put("class_depth", last) end end) }
    end
    if by["blocks.0.attn.gating_param"] then
        return { one("convit", 0, function(put) put('["local"]', count(by, "blocks.%d.attn.gating_param")) end) }
    end
    if by["blocks.0.ls1.gamma"] or by["blocks.0.gamma_1"] then return { one("deit3", 0) } end
    if by["norm_pre.weight"] then
        return { one("clip", 1, function(put)
            local said = (notes.activation == "gelu" or notes.activation == "quick-gelu") and notes.activation
            put("activation", said or "gelu", not said and 'or "quick-gelu"; the file does not say' or nil)
            put("normalise", "clip")
        end) }
    end
    if by["decoder_embed.weight"] then
        return { one("mae", 1, function(put, out)
            put("pool", classes and "class" or "none")
            put("decoder", true)
            put("decoder_dim", along(by, "decoder_embed.weight", 2, 1))
            put("decoder_depth", count(by, "decoder_blocks.%d.norm1.weight"))
            if tonumber(notes.decoder_heads) then put("decoder_heads", tonumber(notes.decoder_heads)) else out[#out + 1] = "decoder_heads unknown" end
        end) }
    end
    if by["dist_token"] then
        if side(positions and positions - 2) or not positions then return { one("deit", 2, function(put) put("distilled", true) end) } end
        return { one("mae", 1, function(put) -- G2SD's student: its second extra token has no position
            put("distilled", true)
            put("pool", "class")
        end) }
    end
    if by["fc_norm.weight"] then return { one("mae", 1) } end
    if classes then return { one("deit", 1), one("mae", 1, function(put) put("pool", "class") end) } end
    return { one("dino", 1), one("mae", 1, function(put) put("pool", "none") end) }
end

-- DINO with its projection head: two models side by side.
families[#families + 1] = { scope = "backbone.", mark = "head.last_layer.weight_v", of = function(all, by, notes)
    if not (by["blocks.0.norm1.weight"] and along(by, "patch_embed.proj.weight", 4, 1)) then return {} end
    return { { name = "dino", says = vit(by, notes, 1, nil, function(put)
        put("head", true)
        put("outputs", along(all, "head.last_layer.weight_v", 2, 1), "without both: the backbone alone")
    end) } }
end }

-- The grids that the authors' position tables are for.
local known_tables = { [50 * 83] = { 50, 83 }, [32 * 54] = { 32, 54 }, [50 * 84] = { 50, 84 } }

families[#families + 1] = { scope = "backbone.", mark = "backbone.det_token", of = function(all, by, notes)
    local out, put = settings()
    local dim, detections = along(by, "patch_embed.proj.weight", 4, 1), along(by, "det_token", 3, 2)
    local n = (along(by, "pos_embed", 3, 2) or 0) - 1 - (detections or 0) -- patches
    if not (dim and detections) or n < 1 then return {} end
    put("dim", dim)
    put("depth", count(by, "blocks.%d.norm1.weight"))
    put("detections", detections)
    put("classes", along(all, "class_embed.layers.2.weight", 2, 1))
    if by["mid_pos_embed"] then put("middle", true) end
    local rows, columns = sides(notes.image)
    put("rows", rows)
    put("columns", columns)
    if not (rows and math.floor(rows / 16) * math.floor(columns / 16) == n) then
        local grid = known_tables[n]
        if grid then
            put("table_rows", grid[1])
            put("table_columns", grid[2])
        else out[#out + 1] = ("table_rows and table_columns unknown: %d patches"):format(n) end
    end
    put_heads(put, out, dim, notes)
    return { { name = "yolos", says = out } }
end }

families[#families + 1] = { scope = "encoder.", mark = "decoder.cls_emb", of = function(all, by, notes)
    if not along(by, "patch_embed.proj.weight", 4, 1) then return {} end
    local depth = count(all, "decoder.blocks.%d.norm1.weight")
    local says = vit(by, notes, 1, along(all, "decoder.cls_emb", 3, 2), function(put) if depth ~= 2 then put("decoder_depth", depth) end end)
    if by["head.weight"] then says[#says + 1] = 'partial = "encoder.head" (a classifier that nobody reads)' end
    return { { name = "segmenter", says = says } }
end }

-- From 16 rows or columns of a spectrogram on, a patch at every step.
local function steps(n, stride) return math.floor((n - 16) / stride) + 1 end

-- How many frames have so many columns of patches, at the usual stride of 10: the roundest such number, and the first and last.
local function frames(columns)
    local first, best, most = 10 * (columns - 1) + 16, nil, 0
    for n = first, first + 9 do
        local round = 1
        while n % (2 * round) == 0 do round = 2 * round end
        if round > most then best, most = n, round end
    end
    return best, first, first + 9
end

local function put_spectrogram(put, out, n, notes)
    local bins, length = sides(notes.image)
    for k = 0, bins and length and 16 or -1 do
        local stride = k == 0 and 10 or k
        if steps(bins, stride) * steps(length, stride) == n then
            put("bins", bins)
            put("frames", length)
            put("stride", stride)
            return
        end
    end
    if n % 12 == 0 then
        local best, first, last = frames(n / 12)
        put("frames", best, ("%d to %d have these %d columns, with 128 bins and a stride of 10"):format(first, last, n / 12))
    else out[#out + 1] = ("bins, frames and stride unknown: %d patches"):format(n) end
end

families[#families + 1] = { scope = "v.", mark = "v.dist_token", of = function(all, by, notes)
    local dim, n = along(by, "patch_embed.proj.weight", 4, 1), (along(by, "pos_embed", 3, 2) or 0) - 2 -- patches
    if along(by, "patch_embed.proj.weight", 4, 2) ~= 1 or n < 1 then return {} end
    local out, put = settings()
    put("dim", dim)
    put("depth", count(by, "blocks.%d.norm1.weight"))
    put_spectrogram(put, out, n, notes)
    put("classes", along(all, "mlp_head.1.weight", 2, 1))
    put_heads(put, out, dim, notes)
    return { { name = "ast", says = out } }
end }

families[#families + 1] = { scope = "", mark = "patch_embed4.weight", of = function(all, by, notes)
    local dim, grid = along(by, "patch_embed4.weight", 2, 1), side(along(by, "pos_embed", 3, 2))
    if not (dim and by["blocks3.0.norm1.weight"]) then return {} end
    local out, put = settings()
    put("dim", dim)
    put("depth", count(by, "blocks3.%d.norm1.weight"))
    put("stem_depth", count(by, "blocks1.%d.norm1.weight"))
    put("image", grid and grid * 16)
    put("classes", along(by, "head.weight", 2, 1))
    put_heads(put, out, dim, notes)
    return { { name = "convvit", says = out } }
end }

-- The side of Swin's picture. The file says it where its last map is smaller than a window, or where the authors' masks of shifted windows count the
-- windows of the first map; otherwise it is the smallest that has whole windows everywhere.
local function swin_image(by, patch, windows)
    local masks = along(by, "layers.0.blocks.1.attn_mask", 3, 1)
    if side(masks) then return side(masks) * windows[1] * patch end
    local image = windows[#windows] * 2 ^ (#windows - 1) * patch
    return image, windows[#windows] == windows[1] and "the smallest; the file does not say" or nil
end

families[#families + 1] = { scope = "", mark = "layers.0.blocks.0.attn.relative_position_bias_table", of = function(all, by)
    local depths, heads, windows = {}, {}, {}
    while by[("layers.%d.blocks.0.norm1.weight"):format(#depths)] do
        local at = "layers." .. #depths
        local table_name = at .. ".blocks.0.attn.relative_position_bias_table"
        local width = side(along(by, table_name, 2, 1)) -- 2 window - 1
        if not width then return {} end
        windows[#windows + 1], heads[#heads + 1] = (width + 1) / 2, along(by, table_name, 2, 2)
        depths[#depths + 1] = count(by, at .. ".blocks.%d.norm1.weight")
    end
    local dim, patch = along(by, "patch_embed.proj.weight", 4, 1), along(by, "patch_embed.proj.weight", 4, 3)
    local hidden = along(by, "layers.0.blocks.0.mlp.fc1.weight", 2, 1)
    if not dim or #depths == 0 then return {} end
    local out, put = settings()
    put("dim", dim)
    put("depths", table.concat(depths, ","))
    put("heads", table.concat(heads, ","))
    put("window", windows[1])
    put("patch", patch)
    if hidden and hidden ~= 4 * dim then put("mlp", hidden / dim) end
    put("image", swin_image(by, patch, windows))
    put("classes", along(by, "head.fc.weight", 2, 1) or along(by, "head.weight", 2, 1))
    return { { name = "swin", says = out } }
end }

-- CLIP as OpenAI names it.
local function openai(by)
    local dim, grid = along(by, "visual.conv1.weight", 4, 1), along(by, "visual.positional_embedding", 2, 1)
    if not dim then return {} end
    local out, put = settings()
    put("dim", dim)
    put("depth", count(by, "visual.transformer.resblocks.%d.ln_1.weight"))
    put("patch", along(by, "visual.conv1.weight", 4, 3))
    put("activation", "quick-gelu")
    put("normalise", "clip")
    grid = side(grid and grid - 1)
    put("image", grid and grid * along(by, "visual.conv1.weight", 4, 3))
    put("classes", along(by, "visual.proj", 2, 2), "its projection")
    put_heads(put, out, dim, {})
    return { { name = "clip", says = out } }
end

-- What stands in front of the patch embedding's name, or nil.
local function front_of(list)
    for _, t in ipairs(list) do
        local front = t.name:match "^(.-)patch_embed1?%.proj%.weight$"
        if front then return front end
    end
end

-- What of the front the loader takes away by itself, for a model that has no such names.
local by_itself = { [""] = true, ["module."] = true, ["backbone."] = true, ["module.backbone."] = true }

-- The findings, and what stands in front of the names of the model.
local function search(list, notes)
    local front = front_of(list)
    if not front then return {}, "" end
    for _, f in ipairs(families) do
        local root = front:sub(#front - #f.scope + 1) == f.scope and front:sub(1, #front - #f.scope)
        local all = root and below(list, root)
        if all and all[f.mark] then return f.of(all, below(list, front), notes), root end
    end
    return plain(below(list, front), notes), front
end

-- ---- what others ask ----

-- The tensors of a list whose names begin with a prefix, which is taken away.
function guess.below(list, prefix)
    local out = {}
    for _, t in ipairs(list) do
        if t.name:sub(1, #prefix) == prefix then out[#out + 1] = { name = t.name:sub(#prefix + 1), shape = t.shape } end
    end
    return out
end

-- What stands in front of the names where a file has several dicts of tensors: "student/", ...
local function dicts(list)
    local out, seen = {}, {}
    for _, t in ipairs(list) do
        local front = t.name:match "^([^/]+/)"
        if front and not seen[front] then
            seen[front] = true
            out[#out + 1] = front
        end
    end
    return out
end

-- Architectures that a list of tensors fits: { { name, says = list of settings } }, the likeliest first; with what stands in front of the names.
-- notes: the file's, which may be nothing.
function guess.find(list, notes)
    if #dicts(list) > 0 then return {}, "" end
    local found, front = openai(below(list, "")), ""
    if #found == 0 then found, front = search(list, notes or {}) end
    local named = notes and (notes.made_by or ""):find "^bauta" and notes.architecture
    for i, f in ipairs(found) do
        if not by_itself[front] then table.insert(f.says, ('prefix = "%s"'):format(front)) end
        if f.name == named then return { table.remove(found, i) }, front end
    end
    if named then return { { name = named, says = {} } }, front end
    return found, front
end

local function text(f) return #f.says > 0 and f.name .. " with " .. table.concat(f.says, ", ") or f.name .. ", as its notes say" end

-- What a list fits in words, where that is another architecture than this one; otherwise nil, and which of its switches the file has on.
function guess.other(list, notes, name)
    local found = guess.find(list, notes)
    for _, f in ipairs(found) do
        if f.name == name then return nil, f.says.switches or {} end
    end
    return found[1] and text(found[1]), {}
end

-- Lines to print: the architecture, and what stands in front of its names.
function guess.lines(list, notes)
    if below(list, "")["backbone.patch_embed.projection.weight"] then return { 'fits a model of OpenMMLab (keys = "auto"): deit, deit3 or swin' } end
    local several = dicts(list)
    if #several > 0 then
        return { 'several dicts of tensors: prefix = "' .. table.concat(several, '" or "') .. '" chooses one (bauta inspect FILE --prefix ...)' }
    end
    local found, front = guess.find(list, notes)
    if #found == 0 then return { "no architecture of ours has such names" } end
    local out = { "fits " .. text(found[1]) }
    if found[2] and found[1].name == "dino" then out[2] = ("fits %s just as well: the names and shapes are the same"):format(text(found[2])) end
    if front ~= "" and by_itself[front] then
        out[#out + 1] = ('in front of the names: "%s" (module. and backbone. are taken away by keys = "auto")'):format(front)
    end
    return out
end

return guess
