-- mask: criteria written in Lua. A criterion is a function that builds the scores of the patches from signals; it runs once,
-- while the step is described, so it costs nothing while steps run.
--
--   bauta.mask.define {
--     name = "middle", doc = "attention of the middle layer",
--     score = function(m) return m.class_attention { layer = 5 }:mean { axis = 1 } end,
--   }
local bind = require "bauta.bind.graph"
local check = require "bauta.check"
local errors = require "bauta.errors"
local plugin = require "bauta.plugin"
local watch = require "bauta.watch"

local mask = {}

-- What score() gets. Everything is made when it is asked for; what belongs to patches is on the grid of the model that will be masked:
--   m.images, m.labels, m.step, m.epoch, m.progress    of the batch; progress: share of the training done, 0 to 1
--   m.class_attention { layer = -1, who = "student" }  f32 [B,heads,N]: how much the class token looks at each patch (where the architecture
--                                                      names other tokens for that, the mean of theirs)
--   m.attention { layer, who }                         f32 [B,heads,T,T]: the whole map of a block, extra tokens first, on its own grid
--   m.tokens { layer, who }                            [B,N,dim] after that block, patches only
--   m.pixels {}                                        f32 [B,N,pixels]: what each patch shows, 0 to 1, channel by channel
--   m.signal(who, what, layer)                         any signal as it is
--   m.regrid(who, x)                                   numbers [..,N] of WHO's patches on the masked model's grid
--   m.fact(who, what)                                  geometry of a model: "depth", "prefix", "heads", ...
--   m.asked(who)                                       which extra tokens these are: from, to, counted from 0, the second not among them
--   m.random { name = "noise" }                        uniform [B,N], new at every step
--   m.constant(numbers, shape)                         a constant
--   m.note(name, x)                                    the mean of x goes into the log: column note_CRITERION_NAME of every training step
--   m.params                                           the criterion's own settings
--   m.batch, m.patches, m.rows, m.columns              sizes
-- who: "student", "teacher_full" (the teacher, unmasked), "auxiliary" (setting `model`). layer: a number, "first", "middle", "last".
local batch_signals = { images = true, labels = true, step = true, epoch = true, targets = true, progress = true }
local view_rows = {
    layer = { name = "layer", type = "any", default = -1, what = 'a block\'s number, "first", "middle" or "last"',
        accept = function(v)
            if plugin.layers[v] then return v end
            if type(v) ~= "number" then return nil, "is " .. errors.show(v) end
            return check.value({ name = "layer", type = "int", min = -1000, max = 1000 }, v, "")
        end },
    who = { name = "who", type = "string", default = "student" },
    name = { name = "name", type = "string", default = "noise" },
}

-- A signal of a block, by the settings { layer, who }; its shape and the extra tokens of the model.
local function of_layer(b, given, what)
    local s = check.settings({ view_rows.layer, view_rows.who }, given, what)
    local middle = s.layer == "middle" or s.layer == plugin.layers.middle
    local layer = middle and math.floor((b:fact(s.who, "depth") - 1) / 2) or plugin.layers[s.layer] or s.layer
    local t = b:signal(s.who, what, layer)
    return t, t:shape(), b:fact(s.who, "prefix"), s.who
end

local function class_attention(b, whom, given)
    local a, shape, prefix, who = of_layer(b, given, "class_attention")
    local from, to = b:asked(who)
    if to == 0 then to = shape[3] end -- no class token: one row, the mean over all queries
    a = a:slice { axis = 2, from = from, to = to }:slice { axis = 3, from = prefix, to = shape[4] }
    if to - from > 1 then a = a:mean { axis = 2, keep = 1 } end
    return b.known:regrid(who, whom, a:reshape { shape = ("%d,%d,%d"):format(shape[1], shape[2], shape[4] - prefix) })
end

local function tokens(b, whom, given)
    local t, shape, prefix, who = of_layer(b, given, "tokens")
    t = t:slice { axis = 1, from = prefix, to = shape[2] }
    local rows, columns = b:fact(who, "grid_rows"), b:fact(who, "grid_columns")
    if rows == b:fact(whom, "grid_rows") and columns == b:fact(whom, "grid_columns") then return t end
    return b.known:regrid(who, whom, t:permute { order = "0,2,1" }):permute { order = "0,2,1" }
end

-- The pictures cut into the patches of `whom`.
local function pixels(b, whom, given)
    check.settings({}, given, "pixels")
    local images = b:signal("batch", "images")
    local shape, rows, columns = images:shape(), b:fact(whom, "grid_rows"), b:fact(whom, "grid_columns")
    local side = shape[2] / rows
    if side ~= math.floor(side) or side ~= shape[3] / columns then
        errors.fail("pixels: %dx%d pixels cannot be cut into %dx%d patches", shape[2], shape[3], rows, columns)
    end
    local scale, shift = {}, {}
    for c = 1, shape[4] do scale[c], shift[c] = 1 / 255, 0 end
    return b:op("patches", { images, b:constant(scale, { shape[4] }), b:constant(shift, { shape[4] }) }, { patch = side })
end

local function new_view(b, description, whom)
    local m = { params = description:own_settings(), batch = b.batch_size, patches = b:fact(whom, "patches"), rows = b:fact(whom, "grid_rows"),
        columns = b:fact(whom, "grid_columns") }
    m.class_attention = function(given) return class_attention(b, whom, given) end
    m.attention = function(given) return (of_layer(b, given, "attention")) end
    m.tokens = function(given) return tokens(b, whom, given) end
    m.pixels = function(given) return pixels(b, whom, given) end
    m.fact = function(who, what) return b:fact(who, what) end
    m.asked = function(who) return b:asked(who) end
    m.regrid = function(who, x) return b.known:regrid(who, whom, x) end
    m.signal = function(who, what, layer) return b:signal(who, what, layer) end
    m.random = function(given)
        local s = check.settings({ view_rows.name }, given, "random")
        return b:random(("mask/%s%s/%s"):format(description.name, whom == "teacher" and "" or "@" .. whom, s.name), { m.batch, m.patches })
    end
    m.note = function(name, t) b:note(description.name .. (whom == "teacher" and "" or "@" .. whom), name, t) end
    m.constant = function(numbers, shape) return b:constant(numbers, shape) end
    return setmetatable(m, { __index = function(_, k)
        if batch_signals[k] then return b:signal("batch", k) end
        errors.fail("criterion %s: %s", description.name, errors.unknown("signal " .. errors.show(k), tostring(k),
            { "images", "labels", "step", "epoch", "progress", "class_attention", "attention", "tokens", "pixels", "signal", "regrid", "fact",
                "asked", "random", "constant", "note", "params", "batch", "patches", "rows", "columns" }))
    end })
end

local function judge_scores(description, m, scores)
    if type(scores) ~= "table" or getmetatable(scores) ~= bind.Tensor then
        errors.raise("arg", ("criterion %s: score returned %s; a tensor [%d,%d] expected"):format(description.name,
            errors.show(scores), m.batch, m.patches),
            description.plugin.where)
    end
    local shape, dtype = bind.type(scores)
    if #shape ~= 2 or shape[1] ~= m.batch or shape[2] ~= m.patches or dtype ~= "f32" then
        errors.raise("arg", ("criterion %s: score returned %s [%s]; f32 [%d,%d] (batch, patches) expected")
            :format(description.name, dtype,
            table.concat(shape, ","), m.batch, m.patches), description.plugin.where)
    end
    return scores
end

local rows = {
    { name = "name", type = "string", filled = true },
    { name = "doc", type = "string", default = "" },
    { name = "params", type = "list of parameter", default = {} },
    { name = "score", type = "function" },
}

-- Defines a criterion and returns its constructor, which is also bauta.mask NAME from now on.
function mask.define(given)
    local s = check.settings(rows, given, "mask.define")
    return plugin.define("mask.define", { kind = "mask", name = s.name, doc = s.doc, rows = s.params, version = "script",
        where = errors.position(), body = s.score,
        define = function(b, description, whom)
            local m = new_view(b, description, whom)
            return judge_scores(description, m, watch.call(("criterion %s: score"):format(s.name), s.score, m))
        end })
end

return mask
