-- loss: losses written in Lua. A loss is a function that builds a number from signals of student and teacher; it runs once, while the step is
-- described, so it costs nothing while steps run. What it learns (maps between widths) belongs to the run, not to the student.
--
--   bauta.loss.define {
--     name = "cosine", doc = "angle between the tokens of the last blocks",
--     build = function(l)
--       local s, t = l.match(l.tokens {}, l.tokens { who = "teacher" })
--       return 1 - (l.project("map", s, t:size(2)):normalise() * t:normalise()):sum { axis = 2 }:mean { axis = -100 }
--     end,
--   }
local bind = require "bauta.bind.graph"
local check = require "bauta.check"
local errors = require "bauta.errors"
local plugin = require "bauta.plugin"
local watch = require "bauta.watch"

local loss = {}

-- What build() gets. Everything is made when it is asked for:
--   l.images, l.labels, l.targets, l.step, l.epoch, l.progress   of the batch; targets: soft labels, where pictures are mixed
--   l.logits { who = "student" }                f32 [B,classes]
--   l.tokens { layer = -1, who = "student" }    f32 [B,T,dim] after a block, extra tokens first; of a masked model those of the kept patches only
--   l.features { who }                          f32 [B,T,dim] after the last block and its norm
--   l.signal(who, what, layer)                  any signal as it is
--   l.fact(who, what)                           geometry of a model: "depth", "prefix", "patches", ...
--   l.match(student, teacher, extras)           tokens of both [B,n,D] at the places that both have (a masked teacher: the kept ones; another grid:
--                                               the student's resampled); extras = true: the extra tokens that both have in front
--   l.layers(chosen, theirs)                    pairs of blocks { student, teacher }: "last", "last-6", "first-2", "all" or numbers
--   l.project(name, x, out)                     x W^T + b with learned W and b, as PyTorch's linear layer begins
--   l.weight(name, shape, init, scale, decay)   a learned tensor: init "zero", "one", "normal", "uniform" or "unit"; decay = false: none
--   l.random(name, shape)                       uniform in [0,1), new at every step
--   l.constant(numbers, shape)                  a constant
--   l.note(name, x)                             the mean of x goes into the log: column note_LOSS_NAME of every training step
--   l.params, l.batch                           the loss's own settings (and `weight`), pictures of a batch
-- who: "student", "teacher". It returns one number, f32; the setting `weight`, which every loss has, multiplies it.
local batch_signals = { images = true, labels = true, targets = true, step = true, epoch = true, progress = true }
local layer_row = { name = "layer", type = "int", default = -1, min = -1000, max = 1000 }
local who_row = { name = "who", type = "string", default = "student" }
local weight_row = { name = "weight", type = "float", default = 1, min = 0, max = 1e6, doc = "factor of this loss in the sum" }

local function as_f32(t) return t:cast { dtype = "f32" } end

-- A learned tensor LABEL.NAME.
local function learned(b, store, label, name, shape, init, scale, decay)
    if type(name) ~= "string" or not name:find "^[a-z][a-z0-9_.]*$" or #name > 60 then
        errors.fail("learned tensor %s: 1 to 60 of a-z, 0-9, _ and points expected", errors.show(name))
    end
    if not store then errors.fail("learned tensor %s: there is no store for learned tensors here", name) end
    store:add(label .. "." .. name, shape, init, scale, decay == false)
    return b:variable(store, label .. "." .. name)
end

local function project(b, store, label, name, x, out)
    local shape = x:shape()
    local width = shape[#shape]
    if type(out) ~= "number" or out < 1 or out ~= math.floor(out) then errors.fail("project %s: out = %s; a width of 1 at least expected", name, errors.show(out)) end
    local bound = 1 / math.sqrt(width)
    return as_f32(b:op("linear", { x, learned(b, store, label, name .. ".weight", { out, width }, "uniform", bound),
        learned(b, store, label, name .. ".bias", { out }, "uniform", bound) }))
end

local function new_view(b, description, label, store)
    local l = { params = description:own_settings(), batch = b.batch_size }
    l.logits = function(given) return as_f32(b:signal(check.settings({ who_row }, given, "logits").who, "logits")) end
    l.features = function(given) return as_f32(b:signal(check.settings({ who_row }, given, "features").who, "features")) end
    l.tokens = function(given)
        local s = check.settings({ layer_row, who_row }, given, "tokens")
        return as_f32(b:signal(s.who, "tokens", s.layer))
    end
    l.signal = function(who, what, layer) return b:signal(who, what, layer) end
    l.fact = function(who, what) return b:fact(who, what) end
    l.match = function(student, teacher, extras) return b.known:match(student, teacher, extras) end
    l.layers = function(chosen, theirs) return b.known:layers(chosen, theirs or "") end
    l.project = function(name, x, out) return project(b, store, label, name, x, out) end
    l.weight = function(name, shape, init, scale, decay) return learned(b, store, label, name, shape, init, scale, decay) end
    l.random = function(name, shape) return b:random(("%s/%s"):format(label, name), shape) end
    l.constant = function(numbers, shape) return b:constant(numbers, shape) end
    l.note = function(name, t) b:note(label, name, t) end
    local names = { "images", "labels", "targets", "step", "epoch", "progress" }
    for name in pairs(l) do names[#names + 1] = name end
    return setmetatable(l, { __index = function(_, k)
        if batch_signals[k] then return b:signal("batch", k) end
        errors.fail("loss %s: %s", description.name, errors.unknown("signal " .. errors.show(k), tostring(k), names))
    end })
end

local function judge(description, value)
    local shape, dtype
    if type(value) == "table" and getmetatable(value) == bind.Tensor then shape, dtype = bind.type(value) end
    if not shape or #shape > 0 or dtype ~= "f32" then
        errors.raise("arg", ("loss %s: build returned %s; one number, f32, expected (x:mean { axis = -100 } is the mean of all)"):format(description.name,
            shape and ("%s [%s]"):format(dtype, table.concat(shape, ",")) or errors.show(value)), description.plugin.where)
    end
    return value
end

local rows = {
    { name = "name", type = "string", filled = true },
    { name = "doc", type = "string", default = "" },
    { name = "params", type = "list of parameter", default = {} },
    { name = "build", type = "function" },
}

-- Defines a loss and returns its constructor, which is also bauta.loss NAME from now on.
function loss.define(given)
    local s = check.settings(rows, given, "loss.define")
    local own = { weight_row }
    for _, row in ipairs(s.params) do
        if row.name == "weight" then errors.fail "loss.define: every loss has a setting weight; another name expected" end
        own[#own + 1] = row
    end
    return plugin.define("loss.define", { kind = "loss", name = s.name, doc = s.doc, rows = own, version = "script", where = errors.position(),
        body = s.build,
        define = function(b, description, label, store)
            local value = watch.call(("loss %s: build"):format(s.name), s.build, new_view(b, description, label, store))
            return judge(description, value) * description.settings.weight
        end })
end

return loss
