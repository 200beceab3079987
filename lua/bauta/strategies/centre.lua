-- centre: attention times a prior for the middle of the picture, where photographers put what they mean. A random student's attention says
-- little in the first epochs; the prior then decides, and gives way as the attention becomes uneven.
local bauta = require "bauta"

return bauta.mask.define {
    name = "centre", doc = "attention of the student's class token, times a bell around the middle of the picture",
    params = {
        bauta.float("sigma", 0.5, 0.05, 100, "width of the bell, as a share of half the picture's side"),
        bauta.int("layer", -1, -1000, 1000, "block whose attention is taken"),
    },
    score = function(m)
        local bell = {}
        for r = 0, m.rows - 1 do
            for c = 0, m.columns - 1 do
                local y, x = (2 * r + 1) / m.rows - 1, (2 * c + 1) / m.columns - 1
                bell[#bell + 1] = math.exp(-(x * x + y * y) / (2 * m.params.sigma ^ 2))
            end
        end
        return m.class_attention { layer = m.params.layer }:mean { axis = 1 } * m.constant(bell, { m.patches })
    end,
}
