-- rollout: attention followed through all blocks (Abnar and Zuidema, Quantifying Attention Flow in Transformers, ACL 2020): what reaches the class
-- token at the end when each block hands on half of a token as it is and half as its attention, averaged over the heads, mixes it.
-- Only the class token's row of the product of all maps is wanted, so it is multiplied from the last block to the first. Of a model without a class
-- token it is what reaches the mean of the patches.
local bauta = require "bauta"

return bauta.mask.define {
    name = "rollout", doc = "attention rollout: the student's attention followed through all of its blocks",
    params = {
        bauta.float("residual", 0.5, 0, 1, "share of a token that a block hands on as it is"),
        bauta.choice("of", "student", { "student", "teacher_full", "auxiliary" }, "whose attention; auxiliary: that of `model`"),
    },
    score = function(m)
        local who, keep = m.params.of, m.params.residual
        local row
        local prefix = m.fact(who, "prefix")
        for layer = m.fact(who, "depth") - 1, 0, -1 do
            local map = m.attention { layer = layer, who = who }:mean { axis = 1 } -- [B,T,T]
            if not row then -- the class token itself, or all patches alike
                local first, tokens = {}, map:size(1)
                for i = 1, tokens do first[i] = prefix == 0 and 1 / tokens or i == 1 and 1 or 0 end
                row = m.constant(first, { 1, 1, #first })
            end
            row = row * keep + row:matmul(map) * (1 - keep)
        end
        -- what stays with the class token itself is the same for all patches and left out
        local all = row:size(2)
        return m.regrid(who, row:slice { axis = 2, from = prefix, to = all }:reshape { shape = ("%d,%d"):format(m.batch, all - prefix) })
    end,
}
