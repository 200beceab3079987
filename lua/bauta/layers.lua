-- layers: how deep in a model each of its weights lies, by its name; layer_decay of the optimisers goes by that. 0 is the embedding (with
-- tokens and positions), i + 1 block i, depth + 1 everything that follows: the last norm, heads, a decoder.
local errors = require "bauta.errors"

local layers = {}

-- What blocks are called, behind the scope of the model (`v.`, `backbone.`, `encoder.`): the stage, then the number in it. ConvViT's blocks3 are its
-- transformer blocks; the convolutional ones in front of them belong to the embedding, as MAE's fine-tuning of it has it.
local blocks = {
    { "^blocks%.(%d+)%.", 0 }, { "^blocks3%.(%d+)%.", 0 }, { "^blocks_token_only%.(%d+)%.", 1 }, { "^layers%.(%d+)%.blocks%.(%d+)%." },
}
local embedding = { "^cls_token", "^dist_token", "^det_token", "^pos_embed", "^mid_pos_embed", "^patch_embed", "^norm_pre%.", "^blocks[12]%." }

-- The scope is what stands in front of the weights of the patches' embedding. What lies outside of it follows the model: a head, a decoder.
local function scope_of(names)
    for _, name in ipairs(names) do
        local scope = name:match "^(.-)patch_embed%d*%."
        if scope then return scope end
    end
    return ""
end

-- Stage and number of the block that a weight belongs to, from 0; nil when it is in none.
local function block_of(name)
    for _, kind in ipairs(blocks) do
        local a, b = name:match(kind[1])
        if a then return kind[2] or tonumber(a), tonumber(b or a) end
    end
end

-- names: of all weights of a model of so many blocks, called `what`. Returns a function: the depth of a weight by its name.
function layers.of(names, depth, what)
    local sizes, first, n, scope = {}, {}, 0, scope_of(names)
    local function bare(name) return name:sub(1, #scope) == scope and name:sub(#scope + 1) or name end
    for _, name in ipairs(names) do
        local stage, i = block_of(bare(name))
        if stage then sizes[stage] = math.max(sizes[stage] or 0, i + 1) end
    end
    for stage = 0, table.maxn(sizes) do first[stage], n = n, n + (sizes[stage] or 0) end
    if n ~= depth then
        errors.fail("optimiser.layer_decay: of the %d blocks of %s the weights of %d are known by their names (blocks.0. and so on); " ..
            "layer_decay = 1 expected", depth, what, n)
    end
    return function(name)
        name = bare(name)
        local stage, i = block_of(name)
        if stage then return first[stage] + i + 1 end
        local merging = name:match "^layers%.(%d+)%.downsample%." -- in front of its stage
        if merging then return first[tonumber(merging)] + 1 end
        for _, beginning in ipairs(embedding) do
            if name:find(beginning) then return 0 end
        end
        return depth + 1
    end
end

return layers
