-- card: what a student's file says about it in its metadata, as texts: enough to build the model elsewhere and to feed it as it was trained.
local builder = require "bauta.builder"
local ffi = require "bauta.ffi"
local json = require "bauta.json"

local card = {}

local function numbers(list)
    local out = {}
    for i, v in ipairs(list) do out[i] = ("%.10g"):format(v) end
    return table.concat(out, ",")
end

-- arch: the model; data: the settings of its data; set: the data itself, or nil where it is not at hand; more: what else there is to say.
function card.of(arch, data, set, more)
    local s = arch.settings
    local out = { format = "pt", architecture = arch.name, made_by = "bauta " .. ffi.version(), heads = tostring(arch.heads), dim = tostring(arch.dim),
        depth = tostring(arch.depth), classes = tostring(arch.classes), image = arch.image_rows .. "x" .. arch.image_columns,
        patch = s.patch and tostring(s.patch), mlp = s.mlp and ("%.10g"):format(s.mlp), distilled = s.distilled and "true" or nil }
    local normalise = s.normalise or data.normalise
    if normalise == "audio" then
        out.mean, out.std = ("%.10g"):format(data.mean or builder.audio.mean), ("%.10g"):format(2 * (data.deviation or builder.audio.deviation))
    elseif builder.means[normalise or ""] then out.mean, out.std = numbers(builder.means[normalise]), numbers(builder.deviations[normalise]) end
    if set and set.classes == arch.classes then
        local names = {}
        for i = 0, set.classes - 1 do names[i + 1] = set:class_name(i) end
        out.class_names = json.encode(names)
    end
    for k, v in pairs(more) do out[k] = v end
    return out
end

-- The line of Python that builds the model which takes the weights; nil where timm's own class is another, or the notes do not say enough.
function card.timm(notes)
    local rows, columns = (notes.image or ""):match "^(%d+)x(%d+)$"
    if notes.architecture ~= "deit" or notes.distilled or not (rows and notes.patch and notes.heads and notes.dim and notes.depth) then return nil end
    local mlp = notes.mlp and tonumber(notes.mlp) ~= 4 and ", mlp_ratio=" .. notes.mlp or ""
    return ("timm.models.vision_transformer.VisionTransformer(img_size=%s, patch_size=%s, embed_dim=%s, depth=%s, num_heads=%s, num_classes=%s%s)"):format(
        rows == columns and rows or ("(%s, %s)"):format(rows, columns), notes.patch, notes.dim, notes.depth, notes.heads, notes.classes, mlp)
end

-- The notes as lines, those with long values cut.
function card.lines(notes)
    local keys, out = {}, {}
    for k in pairs(notes) do keys[#keys + 1] = k end
    table.sort(keys)
    for i, k in ipairs(keys) do out[i] = ("  %s = %s"):format(k, #notes[k] > 200 and notes[k]:sub(1, 197) .. "..." or notes[k]) end
    return out
end

return card
