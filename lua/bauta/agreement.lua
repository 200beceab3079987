-- agreement: how alike the answers of two models are, as nodes of a graph: a number for each picture.
local agreement = {}

local function dot(a, b) return (a * b):sum { axis = 1 } end

-- Logits [B,C] of a teacher and a student. Returns KL(p_t || p_s) in nats, the cosine of the probability vectors (both at
-- temperature 1), and 1 where the highest class is the same: f32 [B] each.
function agreement.build(teacher, student)
    local pt, ps = teacher:softmax(), student:softmax()
    local kl = dot(pt, teacher:log_softmax() - student:log_softmax())
    local cosine = dot(pt, ps) / (dot(pt, pt) * dot(ps, ps)):sqrt()
    return kl, cosine, student:correct(teacher:argmax(), { top = 1 })
end

return agreement
