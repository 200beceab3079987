-- rollout: attention followed through all blocks (Abnar and Zuidema, Quantifying Attention Flow in Transformers, ACL 2020): what reaches the class
-- token at the end when each block hands on half of a token as it is and half as its attention, averaged over the heads, mixes it.
-- Only the class token's row of the product of all maps is wanted, so it is multiplied from the last block to the first. Of a model whose patches are
-- judged by other tokens (AST, YOLOS) it is what reaches their mean; of one without any, what reaches the mean of the patches.
local bauta = require "bauta"

-- One, divided among the tokens from..to-1 of so many.
local function share(tokens, from, to)
    local out = {}
    for i = 0, tokens - 1 do out[i + 1] = i >= from and i < to and 1 / (to - from) or 0 end
    return out
end

return bauta.mask.define {
    name = "rollout", doc = "attention rollout: the student's attention followed through all of its blocks",
    params = {
        bauta.float("residual", 0.5, 0, 1, "share of a token that a block hands on as it is"),
        bauta.choice("of", "student", { "student", "teacher_full", "auxiliary" }, "whose attention; auxiliary: that of `model`"),
    },
    score = function(m)
        local who, keep = m.params.of, m.params.residual
        local prefix, from, to = m.fact(who, "prefix"), m.asked(who)
        local row
        for layer = m.fact(who, "depth") - 1, 0, -1 do
            local map = m.attention { layer = layer, who = who }:mean { axis = 1 } -- [B,T,T]
            if not row then -- the tokens that are asked, or all patches alike
                local tokens = map:size(1)
                row = m.constant(share(tokens, prefix == 0 and 0 or from, prefix == 0 and tokens or to), { 1, 1, tokens })
            end
            row = row * keep + row:matmul(map) * (1 - keep)
        end
        -- what stays with the class token itself is the same for all patches and left out
        local all = row:size(2)
        return m.regrid(who, row:slice { axis = 2, from = prefix, to = all }:reshape { shape = ("%d,%d"):format(m.batch, all - prefix) })
    end,
}
