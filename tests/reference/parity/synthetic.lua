-- synthetic: numbers that need no file (docs/testing.md): synthetic.numbers(name, count) in [-1,1), synthetic.weight(name, shape) for a
-- learned tensor, scaled by the last part of its name.
local bit = require "bit"

local synthetic = {}

local function times(a, b) -- modulo 2^32, of two numbers below 2^32
    local low = a % 65536
    return ((a - low) / 65536 * b % 65536 * 65536 + low * b) % 2 ^ 32
end

local function mixed(a, shift) return bit.bxor(a, bit.rshift(a, shift)) % 2 ^ 32 end

-- Numbers in [-1,1), a function of the name and the index.
function synthetic.numbers(name, count)
    local h, out = 0x811C9DC5, {}
    for i = 1, #name do h = times(bit.bxor(h, name:byte(i)) % 2 ^ 32, 0x01000193) end
    for i = 1, count do
        local z = (h + times(0x9E3779B9, i)) % 2 ^ 32
        z = times(mixed(z, 16), 0x85EBCA6B)
        z = times(mixed(z, 13), 0xC2B2AE35)
        out[i] = mixed(z, 16) / 2 ^ 31 - 1
    end
    return out
end

local tables = { pos_embed = 1, mid_pos_embed = 1, decoder_pos_embed = 1, cls_token = 1, dist_token = 1, det_token = 1, mask_token = 1, cls_emb = 1,
    relative_position_bias_table = 1 }

-- The numbers of long tensors begin again after `again` of them.
function synthetic.weight(name, shape, again)
    local count, fan, last = 1, 1, name:match("[^.]*$")
    for i, d in ipairs(shape) do
        count = count * d
        if i > 1 then fan = fan * d end
    end
    local base, scale = 0, math.sqrt(3 / fan)
    if tables[last] then scale = 0.5
    elseif last:find "^gamma" then base, scale = 0.5, 0.25
    elseif #shape == 1 and last == "weight" then base, scale = 1, 0.2
    elseif #shape == 1 then scale = 0.1 end
    local out = synthetic.numbers(name, math.min(count, again or count))
    for i, u in ipairs(out) do out[i] = base + scale * u end
    for i = #out + 1, count do out[i] = out[i - again] end
    return out
end

return synthetic
