-- disagreement: the patches that teacher and student judge differently. The teacher's attention comes from a full forward pass of its own, which
-- the plan counts. With sign = more, only what the teacher looks at more than the student counts: what the student still has to learn.
local bauta = require "bauta"

return bauta.mask.define {
    name = "disagreement", doc = "where the teacher's attention and the student's differ most",
    params = { bauta.choice("sign", "both", { "both", "more", "less" }, "differences that count: both ways, teacher more, teacher less") },
    score = function(m)
        local function share(who) -- of the attention on patches, the mean over the heads
            local a = m.class_attention { who = who }:mean { axis = 1 }
            return a / a:sum { axis = 1, keep = 1 }
        end
        local more = share "teacher_full" - share "student"
        return m.params.sign == "more" and more or m.params.sign == "less" and -more or more:abs()
    end,
}
