-- bench/work: how much a step computes, counted in two ways.
--   model     what the mathematics of the models asks: every row of every block, backward twice as much as forward but for the pixels,
--             which have no gradient. This is the usual MFU: no credit for what is left out.
--   executed  what the compiled program really multiplies: dead rows and patches that nobody needs are not there.
local work = {}

-- The product that embeds pixels: it needs no gradient of its input.
local function embedding(program)
    local macs = 0
    for _, n in ipairs(program:nodes()) do
        if n[1] == "student" and n[3] == "patch_embed" then macs = macs + tonumber(n[5]) end
    end
    return macs
end

local function learns(role) return role == "student" end

-- { model, executed, flops }: FLOPs of products by either count, and all FLOPs executed, per step.
function work.of(program)
    local model, executed, flops = 0, 0, 0
    for _, row in ipairs(program:plan().rows) do
        if not row.role:find "%.backward$" then model = model + (learns(row.role) and 3 or 1) * row.nominal end
        executed, flops = executed + row.macs, flops + row.flops
    end
    return { model = 2 * (model - embedding(program)), executed = 2 * executed, flops = flops }
end

return work
