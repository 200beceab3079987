-- parity of losses: a case as tests/lua/loss_rig.lua takes it, tensors by data or by synthetic name (docs/testing.md). Compared are the loss
-- and the gradients of the student's signals and of the learned tensors.
local rig = require "loss_rig"
local synthetic = require "synthetic"

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
    local data = synthetic.numbers(t.synthetic, count)
    for i, v in ipairs(data) do data[i] = v * (t.scale or 1) end
    if t.softmax then softened(data, t.shape[#t.shape]) end
    return { shape = t.shape, data = data }
end

return function(case)
    for _, who in ipairs { "student", "teacher", "student_local" } do
        local signals = case[who] and case[who].signals or {}
        for name, t in pairs(signals) do signals[name] = made(t) end
    end
    for name, t in pairs(case.weights or {}) do case.weights[name] = made(t) end
    for name, t in pairs(case.states or {}) do case.states[name] = made(t) end
    return (rig.run(case))
end
