-- card: what a student's file says about it in its metadata, as texts: enough to build the model elsewhere, to feed it as it was trained, and to know
-- how good it is and on which pictures.
local augmentation = require "bauta.augmentation"
local builder = require "bauta.builder"
local ffi = require "bauta.ffi"
local json = require "bauta.json"
local plugin = require "bauta.plugin"

local card = {}

local function numbers(list)
    local out = {}
    for i, v in ipairs(list) do out[i] = ("%.10g"):format(v) end
    return table.concat(out, ",")
end

-- The names of the classes of a data set.
local function class_names(set)
    local names = {}
    for i = 0, set.classes - 1 do names[i + 1] = set:class_name(i) end
    return json.encode(names)
end

-- Settings that a data plugin has for its kind's sake.
local common = {}
for _, rows in ipairs { plugin.common.data, plugin.spectrograms } do
    for _, row in ipairs(rows) do common[row.name] = true end
end

-- A setting as text. Of a path only the last part, without what says how the files are held: pictures.tar.gz and pictures.pack hold those of pictures.
local function text_of(v)
    if type(v) == "number" then return (v % 1 == 0 and "%.0f" or "%.10g"):format(v) end
    local last = tostring(v):match "([^/]*)/*$"
    for _, ending in ipairs { "%.tar%.gz$", "%.tgz$", "%.tar$", "%.pack$" } do last = last:gsub(ending, "") end
    return last
end

-- Which test samples, and how evaluation shows them to a model: where two of these are equal, two accuracies measure the same. name, settings: of the
-- data, whose files may lie in another folder; arch: whom they are shown to.
function card.tested(name, settings, arch)
    local parts, how = {}, augmentation.of(settings, arch.image_rows, false)
    for k, v in pairs(settings) do
        if not common[k] then parts[#parts + 1] = k .. " = " .. text_of(v) end
    end
    table.sort(parts)
    local shown = how.policy == "evaluate" and ("crop %.10g, %s, "):format(how.crop, how.interpolation) or ""
    return ("%s { %s } as %s%dx%d"):format(name, table.concat(parts, ", "), shown, arch.image_rows, arch.image_columns)
end

-- What a model's file says how often it is right (%) about the test samples of `data` as `arch` is shown them; nil where it does not speak of these.
function card.accuracy(notes, data, arch)
    local top1 = tonumber(notes.top1)
    if not (top1 and top1 >= 0 and top1 <= 100) or notes.tested ~= card.tested(data.name, data.settings, arch) then return nil end
    if notes.class_names and notes.class_names ~= class_names(data:split "test") then return nil end
    return top1
end

-- Whether a model with these settings of its own has the shape of `arch`.
local function alike(arch, own)
    local ok, other = pcall(plugin.describe, "arch", arch.name, own)
    for _, fact in ipairs { "dim", "depth", "heads", "patches", "classes" } do
        if not ok or other[fact] ~= arch[fact] then return false end
    end
    return true
end

-- The settings that build a model again, as texts, each under its own name. What its size decides is said in numbers where a setting can say it, else
-- the size is said.
local function settings_of(arch)
    local own, out, sized = {}, {}, false
    for _, row in ipairs(arch.plugin.rows) do own[row.name] = arch.settings[row.name] end
    for _, name in ipairs { "dim", "depth", "heads", "depths" } do
        local open = own[name] == 0 or own[name] == ""
        if open then own[name] = arch[name] end -- a fact; nil for depths
        if open and (own[name] == nil or not alike(arch, own)) then own[name], sized = nil, true end
    end
    if not sized then own.size = nil end
    own.drop_path, own.image = nil, nil -- it does not change what the weights are; the picture's sides are noted as they are
    for _, row in ipairs(arch.plugin.rows) do
        local v = own[row.name]
        local silent = v == nil or v == row.default and (v == 0 or v == "" or v == false)
        if not silent then out[row.name] = type(v) == "number" and ("%.10g"):format(v) or tostring(v) end
    end
    return out
end

-- arch: the model; data: the settings of its data; set: the data itself, or nil where it is not at hand; more: what else there is to say.
function card.of(arch, data, set, more)
    local s = arch.settings
    local out = settings_of(arch)
    out.format, out.architecture, out.made_by = "pt", arch.name, "bauta " .. ffi.version()
    out.image = arch.image_rows .. "x" .. arch.image_columns
    local normalise = s.normalise or data.normalise
    if normalise == "audio" then
        out.mean, out.std = ("%.10g"):format(data.mean or builder.audio.mean), ("%.10g"):format(2 * (data.deviation or builder.audio.deviation))
    elseif builder.means[normalise or ""] then out.mean, out.std = numbers(builder.means[normalise]), numbers(builder.deviations[normalise]) end
    if set and set.classes == arch.classes then out.class_names = class_names(set) end
    for k, v in pairs(more) do out[k] = v end
    return out
end

-- What the same file says of its accuracy, to be put among those: top1 in percent, or a NaN where it was not judged; the others as of card.tested.
function card.judged(out, top1, name, settings, arch)
    if top1 and top1 == top1 then out.top1, out.tested = ("%.10g"):format(top1), card.tested(name, settings, arch) end
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
