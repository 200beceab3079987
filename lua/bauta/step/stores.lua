-- step/stores: the stores of a run: the student's weights, those of its teachers and of models that rank patches, what losses
-- have learned and what they keep from step to step, the optimiser's state, averages, scales of teachers in FP8.
local graph = require "bauta.bind.graph"

local stores = {}

-- Those that change while a run goes, in the order in which a checkpoint holds them.
stores.changing = { "student", "losses", "state", "optimiser", "ema", "average", "fp8" }

-- Empty stores, by name; they fill while a step is described. Frozen models have one each, by the name of their part in the graph.
function stores.new(e, device)
    local s = e.settings
    local out = {}
    local function add(name) out[name] = graph.store(device, s.seed) end
    add "student"
    add "losses"
    add "state"
    add "optimiser"
    if s.ema > 0 then add "ema" end
    if s.micro > 1 then add "gradients" end -- of a step in parts: of no use between steps
    for _, m in ipairs(e:frozen()) do add(m.who) end
    for _, t in ipairs(s.teachers) do
        if t:averaged() and not out.average then add "average" end
        if t:fp8() and not out.fp8 then add "fp8" end
    end
    return out
end

-- Where the weights of a teacher are.
function stores.of(list, t) return t:averaged() and list.average or list[t:called()] end

return stores
