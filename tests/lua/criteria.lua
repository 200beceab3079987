-- criteria: a criterion written in Lua is a plugin's equal: same scores, same kept patches, and its mistakes have sentences.
local bauta = require "bauta"
local t = require "harness"

local mine = bauta.mask.define {
    name = "mine", doc = "class attention of a block, mean over the heads",
    params = { bauta.int("layer", -1, -100, 99, "block") },
    score = function(m) return m.class_attention { layer = m.params.layer }:mean { axis = 1 } end,
}

local arch = bauta.arch "deit" { dim = 24, depth = 3, heads = 2, image = 16, patch = 4, classes = 5, drop_path = 0 }
local store = bauta.store(7)

local function kept_by(mask, k, select)
    local step = bauta.graph({ batch = 3, image = 16 }, function(g)
        g:model("student", arch, { store = store })
        g:declare("teacher", arch)
        g:fetch("kept", g:keep(g:score(mask, "teacher"), k, select))
    end)
    local pixels = {}
    for i = 1, 3 * 16 * 16 * 3 do pixels[i] = (i * i * 31) % 256 end
    step:feed("images", pixels)
    step:run()
    local out = table.concat(step:read "kept", " ")
    step:free()
    return out
end

for layer = 0, 2 do
    for _, select in ipairs { "top", "bottom" } do
        t.equal(kept_by(mine { layer = layer }, 6, select), kept_by(bauta.mask "student" { layer = layer }, 6, select),
            "layer " .. layer)
    end
end
t.equal(kept_by(bauta.mask "mine" { layer = 1 }, 6), kept_by(mine { layer = 1 }, 6), "found by its name")
t.group "class attention in Lua and in C"

bauta.mask.define { name = "chess", doc = "every second patch", score = function(m)
    local board = {}
    for r = 0, m.rows - 1 do
        for c = 0, m.columns - 1 do board[#board + 1] = (r + c) % 2 end
    end
    return m.random { name = "zero" } * 0 + m.constant(board, { m.patches })
end }
t.equal(kept_by(bauta.mask "chess" {}, 8), "1 3 4 6 9 11 12 14 1 3 4 6 9 11 12 14 1 3 4 6 9 11 12 14", "a constant board")

bauta.mask.define { name = "bright", doc = "bright patches", score = function(m)
    return m.images:cast { dtype = "f32" }:reshape { shape = "3,4,4,4,12" }:mean { axis = 4 }:mean { axis = 2 }:reshape {
        shape = "3,16" }
end }
t.check(#kept_by(bauta.mask "bright" {}, 5) > 0, "from pixels")
t.group "other signals"

local function broken(name, score) return bauta.mask.define { name = name, score = score } {} end
local function try(mask) return function() kept_by(mask, 4) end end
t.raises("criterion nothing: score returned nil; a tensor [3,16] expected", try(broken("nothing", function() end)))
t.raises("criterion number: score returned 5; a tensor [3,16] expected", try(broken("number", function() return 5 end)))
t.raises("criterion flat: score returned f32 [3]; f32 [3,16] (batch, patches) expected",
    try(broken("flat", function(m) return m.random {}:mean { axis = 1 } end)))
t.raises("class_attention.layer = 0.5 is not a whole number; expected an integer -1000..1000",
    try(broken("fraction", function(m) return m.class_attention { layer = 0.5 } end)))
t.raises("class_attention.leyer: no such setting; did you mean layer?",
    try(broken("typo", function(m) return m.class_attention { leyer = 1 } end)))
t.raises('criterion unknown: no such signal "atention"; did you mean attention?',
    try(broken("unknown", function(m) return m.atention end)))
t.raises("criterion near: no such signal \"imagse\"; did you mean images?", try(broken("near", function(m) return m.imagse end)))
t.raises("mul: a tensor and nil cannot be combined", try(broken("nil", function(m) return m.random {} * nil end)))
t.raises("sub: a tensor and a table cannot be combined", try(broken("table", function(m) return {} - m.random {} end)))
t.raises("criterion unset: params.mx: no such parameter; there is none", try(broken("unset", function(m) return m.random {} * m.params.mx end)))
t.refused(try(broken("deep", function(m) return m.class_attention { layer = 17 } end)), "a layer that is not there")
t.refused(try(broken("stranger", function(m) return m.signal("nobody", "logits") end)), "a model that is not there")
t.raises("tensor: no operation \"meen\"; did you mean mean? (bauta ops lists them)",
    try(broken("method", function(m) return m.random {}:meen {} end)))
t.refused(try(broken("axis", function(m) return m.random {}:mean { axis = 9 } end)), "an axis that is not there")
t.refused(try(broken("shape", function(m) return m.random {} + m.constant({ 1, 2, 3 }) end)), "shapes that do not fit")
t.group "mistakes of criteria"
return t.done()
