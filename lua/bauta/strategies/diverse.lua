-- diverse: patches that differ. Those with much attention often look alike, and one of them would do; here each next patch is the one whose
-- token is farthest from all that are kept already, times its attention to a power: 0 is plain farthest-point selection, more trusts the
-- attention more. The teacher sees fewer repetitions for the same number of patches.
local bauta = require "bauta"

return bauta.mask.define {
    name = "diverse", doc = "farthest-point selection among the student's tokens, weighted by its attention",
    params = {
        bauta.float("power", 0.5, 0, 10, "of the attention; 0: differences alone"),
        bauta.int("layer", -1, -1000, 1000, "block whose tokens and attention are taken"),
    },
    score = function(m)
        local tokens = m.tokens { layer = m.params.layer }:cast { dtype = "f32" }:normalise()
        local attention = m.class_attention { layer = m.params.layer }:mean { axis = 1 }
        return tokens:farthest(((attention + 1e-12):log() * m.params.power):exp())
    end,
}
