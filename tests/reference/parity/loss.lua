-- parity of losses: a case as tests/lua/loss_rig.lua takes it, tensors by data or by synthetic name (docs/testing.md). Compared are the loss
-- and the gradients of the student's signals and of the learned tensors.
local bit = require "bit"
local rig = require "loss_rig"

local function times(a, b) -- modulo 2^32, of two numbers below 2^32
    local low = a % 65536
    return ((a - low) / 65536 * b % 65536 * 65536 + low * b) % 2 ^ 32
end

local function mixed(a, shift) return bit.bxor(a, bit.rshift(a, shift)) % 2 ^ 32 end

-- Numbers in [-1,1), a function of the name and the index.
local function synthetic(name, count)
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

local function softened(x, width)
    for from = 0, #x - 1, width do
        local sum = 0
        for i = from + 1, from + width do
            x[i] = math.exp(x[i])
            sum = sum + x[i]
        end
        for i = from + 1, from + width do x[i] = x[i] / sum end
    end
end

local function made(t)
    if not t.synthetic then return t end
    local count = 1
    for _, d in ipairs(t.shape) do count = count * d end
    local data = synthetic(t.synthetic, count)
    for i, v in ipairs(data) do data[i] = v * (t.scale or 1) end
    if t.softmax then softened(data, t.shape[#t.shape]) end
    return { shape = t.shape, data = data }
end

return function(case)
    for _, who in ipairs { "student", "teacher" } do
        local signals = case[who] and case[who].signals or {}
        for name, t in pairs(signals) do signals[name] = made(t) end
    end
    for name, t in pairs(case.weights or {}) do case.weights[name] = made(t) end
    return (rig.run(case))
end
