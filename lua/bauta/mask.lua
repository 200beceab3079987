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

local mask = {}

-- What score() gets. Everything is made when it is asked for:
--   m.images, m.labels, m.step, m.epoch      of the batch
--   m.progress                               share of the training that is done, 0 to 1
--   m.class_attention { layer = -1, who = "student" }  f32 [B,heads,N]: how much the class token looks at each patch
--   m.tokens { layer = -1, who = "student" } f32 [B,N,dim] after that block, patches only
--   m.signal(who, what, layer)               any signal as it is
--   m.random { name = "noise" }              uniform [B,N], new at every step
--   m.constant(numbers, shape)               a constant
--   m.params                                 the criterion's own settings
--   m.batch, m.patches, m.rows, m.columns    sizes
local view = {}

local batch_signals = { images = true, labels = true, step = true, epoch = true, progress = true, targets = true }
local view_rows = {
    layer = { name = "layer", type = "int", default = -1, min = -1000, max = 1000 },
    who = { name = "who", type = "string", default = "student" },
    name = { name = "name", type = "string", default = "noise" },
}

local function class_attention(b, given)
    local s = check.settings({ view_rows.layer, view_rows.who }, given, "class_attention")
    local a = b:signal(s.who, "class_attention", s.layer)
    local shape, prefix = a:shape(), b:fact(s.who, "prefix")
    return a:slice { axis = 2, from = 0, to = 1 }:slice { axis = 3, from = prefix, to = shape[4] }
        :reshape { shape = ("%d,%d,%d"):format(shape[1], shape[2], shape[4] - prefix) }
end

local function tokens(b, given)
    local s = check.settings({ view_rows.layer, view_rows.who }, given, "tokens")
    local t = b:signal(s.who, "tokens", s.layer)
    return t:slice { axis = 1, from = b:fact(s.who, "prefix"), to = t:shape()[2] }
end

local function new_view(b, description, whom)
    local own = {}
    for _, row in ipairs(description.plugin.rows) do own[row.name] = description.settings[row.name] end
    local m = { params = own, batch = b.batch_size, patches = b:fact(whom, "patches"), rows = b:fact(whom, "grid_rows"),
        columns = b:fact(whom, "grid_columns") }
    m.class_attention = function(given) return class_attention(b, given) end
    m.tokens = function(given) return tokens(b, given) end
    m.signal = function(who, what, layer) return b:signal(who, what, layer) end
    m.random = function(given)
        local s = check.settings({ view_rows.name }, given, "random")
        return b:random(("mask/%s%s/%s"):format(description.name, whom == "teacher" and "" or "@" .. whom, s.name), { m.batch, m.patches })
    end
    m.constant = function(numbers, shape) return b:constant(numbers, shape) end
    return setmetatable(m, { __index = function(_, k)
        if batch_signals[k] then return b:signal("batch", k) end
        if view[k] then return view[k] end
        errors.fail("criterion %s: %s", description.name, errors.unknown("signal " .. errors.show(k), tostring(k),
            { "images", "labels", "step", "epoch", "progress", "class_attention", "tokens", "signal", "random", "constant", "params",
                "batch", "patches", "rows", "columns" }))
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
    if not s.name:find("^[a-z0-9_-]+$") then
        errors.fail('mask.define.name = %s; lower-case letters, digits, "-" and "_" expected', errors.show(s.name))
    end
    if plugin.defined[s.name] and plugin.defined[s.name].where ~= errors.position() then
        errors.fail("mask.define: criterion %s is defined already at %s", s.name, plugin.defined[s.name].where)
    end
    plugin.defined[s.name] = { kind = "mask", name = s.name, doc = s.doc, rows = s.params, version = "script",
        where = errors.position(),
        define = function(b, description, whom)
            local m = new_view(b, description, whom)
            return judge_scores(description, m, s.score(m))
        end }
    return function(settings) return plugin.describe("mask", s.name, settings) end
end

return mask
