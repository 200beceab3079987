-- guess: which architecture the names and shapes of a weight file fit, as the line of a script that would load it. What is not certain is said.
local guess = {}

local function finder(list)
    local by = {}
    for _, t in ipairs(list) do by[t.name] = t end
    return by
end

-- How many blocks there are: FORMAT with 0, 1, ...
local function count(by, format)
    local n = 0
    while by[format:format(n)] do n = n + 1 end
    return n
end

-- Sources with names of their own: how one of their tensors is called, and our architecture and keys.
local function foreign(by)
    if by["visual.conv1.weight"] then
        local w = by["visual.conv1.weight"].shape
        return ('clip with dim = %d, patch = %d, depth = %d; OpenAI\'s names (keys = "auto"), activation = "quick-gelu", classes = %d, normalise = "clip"'):format(
            w[1], w[3], count(by, "visual.transformer.resblocks.%d.ln_1.weight"), by["visual.proj"] and by["visual.proj"].shape[2] or 0)
    end
    if by["backbone.patch_embed.projection.weight"] then return "a model of OpenMMLab (keys = \"auto\"): deit, deit3 or swin" end
end

-- The names of one model without module., backbone. or the like in front; nil when there is no patch embedding.
local function stripped(list)
    for _, t in ipairs(list) do
        local front = t.name:match "^(.-)patch_embed%.proj%.weight$"
        if front then
            local out = {}
            for _, u in ipairs(list) do
                if u.name:sub(1, #front) == front then
                    local copy = {}
                    for k, v in pairs(u) do copy[k] = v end
                    copy.name = u.name:sub(#front + 1)
                    out[#out + 1] = copy
                end
            end
            return finder(out), front
        end
    end
end

local function vit(by, front)
    local w, pos = by["patch_embed.proj.weight"].shape, by["pos_embed"]
    local parts = { ("dim = %d"):format(w[1]), ("depth = %d"):format(count(by, "blocks.%d.norm1.weight")), ("patch = %d"):format(w[3]) }
    local name = by["v.cls_token"] and "ast" or by["blocks_token_only.0.norm1.weight"] and "cait" or by["blocks.0.attn.gating_param"] and "convit"
        or (by["blocks.0.ls1.gamma"] or by["blocks.0.gamma_1"]) and "deit3" or by["norm_pre.weight"] and "clip" or by["fc_norm.weight"] and "mae"
        or front:find "^v%." and "ast" or not by["head.weight"] and "dino" or "deit"
    if front:find "^v%." or front:find "%.v%.$" then name = "ast" end
    local placed = name == "deit" and by["dist_token"] and pos and math.sqrt(pos.shape[2] - 2) or 0
    if placed ~= math.floor(placed) then name = "mae" end -- G2SD's student: its second extra token has no position
    if by["dist_token"] and (name == "deit" or name == "mae") then parts[#parts + 1] = "distilled = true" .. (name == "mae" and ', pool = "class"' or "") end
    local extra = name == "mae" and 1 or (name == "deit3" or name == "cait" or name == "convit") and 0 or by["dist_token"] and 2 or 1
    local side = pos and math.sqrt(pos.shape[2] - extra)
    if side and side == math.floor(side) and name ~= "ast" then parts[#parts + 1] = ("image = %d"):format(side * w[3]) end
    if by["head.weight"] and name ~= "ast" then parts[#parts + 1] = ("classes = %d"):format(by["head.weight"].shape[1]) end
    local heads = by["blocks.0.attn.proj_l.weight"] or by["blocks.0.attn.gating_param"]
    parts[#parts + 1] = heads and ("heads = %d"):format(heads.shape[1])
        or w[1] % 64 == 0 and ("heads = %d (of 64 columns; the file does not say)"):format(w[1] / 64) or "heads unknown"
    return name .. " with " .. table.concat(parts, ", ")
end

local function swin(by)
    local depths, stage = {}, 0
    while by[("layers.%d.blocks.0.norm1.weight"):format(stage)] do
        depths[#depths + 1] = count(by, "layers." .. stage .. ".blocks.%d.norm1.weight")
        stage = stage + 1
    end
    return ('swin with dim = %d, depths = "%s"'):format(by["patch_embed.proj.weight"].shape[1], table.concat(depths, ","))
end

-- Lines to print: the architecture, and what stands in front of its names.
function guess.lines(list)
    local known = foreign(finder(list))
    if known then return { "fits " .. known } end
    local several = {}
    for _, t in ipairs(list) do
        local front = t.name:match "^([^/]+/)"
        if front and not several[front] then
            several[front] = true
            several[#several + 1] = front
        end
    end
    if #several > 0 then
        return { 'several dicts of tensors: prefix = "' .. table.concat(several, '" or "') .. '" chooses one (bauta inspect FILE --prefix ...)' }
    end
    local by, front = stripped(list)
    if not by then return { "no architecture of ours has such names" } end
    local fits = by["layers.0.blocks.0.norm1.weight"] and swin(by) or by["patch_embed4.weight"] and "convvit" or vit(by, front)
    local out = { "fits " .. fits }
    if front ~= "" then out[2] = ('in front of the names: "%s" (module. and backbone. are taken away by keys = "auto")'):format(front) end
    return out
end

return guess
