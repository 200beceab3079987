-- builder: describing a step. A builder is a graph together with what is known in it: the batch, models, their signals.
-- bauta.distill is written with it, and so is anything a script builds with bauta.graph.
local graph = require "bauta.bind.graph"
local plugins = require "bauta.bind.plugin"
local check = require "bauta.check"
local errors = require "bauta.errors"
local selection = require "bauta.selection"
require "bauta.tensor"

local Builder = { class = "builder" }

function Builder.__index(self, k)
    if rawget(Builder, k) then return rawget(Builder, k) end
    local f = graph.Graph[k]
    if type(f) == "function" then -- what a graph can do, a builder can
        return function(b, ...) return f(b == self and self.g or b, ...) end
    end
end

-- Of pixels 0..255; audio, of one channel, of the logarithms of a spectrogram (AST).
local means = { imagenet = { 0.485, 0.456, 0.406 }, half = { 0.5, 0.5, 0.5 }, none = { 0, 0, 0 },
    clip = { 0.48145466, 0.4578275, 0.40821073 } }
local deviations = { imagenet = { 0.229, 0.224, 0.225 }, half = { 0.5, 0.5, 0.5 }, none = { 1, 1, 1 },
    clip = { 0.26862954, 0.26130258, 0.27577711 } }
local audio = { mean = -6.6268077, deviation = 5.358466 }

-- What a batch of so many channels is made of: bytes of pictures, or the numbers of spectrograms.
local function dtype(channels) return channels == 1 and "f32" or "u8" end

-- options: device, seed, precision ("fp32" or "bf16"), batch; data: its settings, whose mean and deviation count where it gives spectrograms;
-- weights: a list that takes { arch, store } of each model that names weights. Runs know theirs by themselves.
local function new(options)
    local g = graph.graph(options.device, options.seed or 0)
    g:precision(options.precision or "fp32")
    return setmetatable({ g = g, known = plugins.build(g), batch_size = options.batch, constants = {}, built = {}, helpers = {},
        resized = {}, data = options.data or {}, weights = options.weights },
        Builder)
end

-- Declares an input and makes it known as the signal batch.NAME.
function Builder:feed(name, dtype, shape)
    local t = self.g:input(name, dtype, shape or {})
    self.known:put("batch", name, -1, t)
    return t
end

-- The usual batch: images [B,H,W,C] in the size and with the channels that an architecture sees, labels, step, epoch, and progress, the share of the
-- training that is done.
function Builder:pictures(batch, arch)
    self.batch_size = batch
    self:feed("step", "i32")
    self:feed("epoch", "i32")
    self:feed("progress", "f32")
    return self:feed("images", dtype(arch.channels), { batch, arch.image_rows, arch.image_columns, arch.channels }), self:feed("labels", "i32", { batch })
end

-- Scale and shift of each channel, two lists.
local function factors(name, channels, data)
    local scale, shift = {}, {}
    if name == "audio" and channels == 1 then
        local deviation = 2 * (data.deviation or audio.deviation)
        return { 1 / deviation }, { -(data.mean or audio.mean) / deviation }
    end
    if name == "none" and channels == 1 then return { 1 }, { 0 } end
    if name == "audio" or channels ~= 3 and name ~= "none" then
        errors.fail("normalise = %s is for %s; the model sees %d", name, name == "audio" and "one channel" or "three channels", channels)
    end
    for c = 1, channels do
        scale[c] = 1 / (255 * (deviations[name][c] or 1))
        shift[c] = -(means[name][c] or 0) / (deviations[name][c] or 1)
    end
    return scale, shift
end

-- The two constants that normalise what a model of so many channels (3) sees: pixels 0..255, or a spectrogram.
function Builder:normalisation(name, channels)
    channels = channels or 3
    local key = name .. channels
    if not self.constants[key] then
        local scale, shift = factors(name, channels, self.data)
        self.constants[key] = { self.g:constant(scale, { channels }), self.g:constant(shift, { channels }) }
    end
    return unpack(self.constants[key])
end

-- The batch's pictures in the size that a model is made for: enlarged or reduced bicubically as tensors, once for each size.
function Builder:images_for(arch)
    local images = self:signal("batch", "images")
    local rows, columns = arch.image_rows, arch.image_columns
    if images:size(1) == rows and images:size(2) == columns then return images end
    if images:size(3) == 1 then
        errors.fail("arch %s sees spectrograms of %d rows and %d columns, and these have %d and %d", arch.name, rows, columns, images:size(1), images:size(2))
    end
    local key = rows .. "x" .. columns
    self.resized[key] = self.resized[key] or self:op("resize_images", { images }, { rows = rows, columns = columns })
    return self.resized[key]
end

-- Builds a model as WHO; given: store, training, kept, images (default: the batch's), normalise (where the arch does not say), as
-- (a normalisation in spite of what it says), reducer, role, fp8 ({ mode = "on" or "measure", scales = a store, name }). Returns its logits.
function Builder:model(who, arch, given)
    if check.class_of(arch) ~= "arch" then errors.fail("%s: arch expected, got %s", who, errors.show(arch)) end
    self.g:role(given.role or who)
    local images, channels = given.images or self:images_for(arch), arch:params():fact "channels"
    if images:size(3) ~= channels then errors.fail("%s: arch %s sees %d channel%s, and the pictures have %d", who, arch.name, channels, channels == 1 and "" or "s", images:size(3)) end
    local scale, shift = self:normalisation(given.as or arch.settings.normalise or given.normalise or (channels == 1 and "audio" or "imagenet"), channels)
    local fp8 = given.fp8
    if fp8 then self.known:fp8(fp8.mode, fp8.scales, fp8.name) end
    self.known:arch(who, arch:params(), { images = images, scale = scale, shift = shift,
        kept = given.kept, store = given.store, training = given.training, reducer = given.reducer and given.reducer:params() })
    if fp8 then self.known:fp8 "off" end
    if self.weights and arch.settings.weights then table.insert(self.weights, { arch = arch, store = given.store }) end
    self.built[who] = true
    return self:signal(who, "logits")
end

-- Builds a model that a criterion asks for, once, and makes it known under the name it asks with.
local function call_up(self, name)
    local h = self.helpers[name]
    if not h then return end
    self.helpers[name] = nil
    if not self.built[h.who] then self:model(h.who, h.arch, h.given) end
    if name ~= h.who then self:alias(name, h.who) end
    self.g:role("mask")
end

function Builder:declare(who, arch) self.known:declare(who, arch:params()) end

-- A model described by hand: its facts ({ patches = 16, prefix = 1, ... }) and its signals, so that criteria and losses find them.
function Builder:say(who, facts)
    for what, value in pairs(facts) do self.known:say(who, what, value) end
end

function Builder:put(who, what, layer, t) self.known:put(who, what, layer or -1, t) end
function Builder:alias(alias, who) self.known:alias(alias, who) end

function Builder:signal(who, what, layer)
    call_up(self, who)
    return self.known:get(who, what, layer)
end

function Builder:fact(who, what)
    call_up(self, who)
    return self.known:fact(who, what)
end

-- The extra tokens, from 0 up to but not with the second, whose attention tells how salient a patch is, as the architecture says (BA_ROWS_CLASS,
-- _EXTRA, _OTHERS of bauta/plugin.h); 0, 0 without any.
function Builder:asked(who)
    local asks, prefix = self:fact(who, "asks"), self:fact(who, "prefix")
    return asks == 2 and 1 or 0, asks == 0 and math.min(prefix, 1) or prefix
end

-- A number for the log of training, the mean of a tensor, as ba_host.note has it; label: whose it is.
function Builder:note(label, name, t)
    if type(name) ~= "string" or not name:find "^[a-z0-9_]+$" or #name > 32 then
        errors.fail("note %s: 1 to 32 of a-z, 0-9 and _ expected", errors.show(name))
    end
    if type(t) ~= "table" or getmetatable(t) ~= graph.Tensor then errors.fail("note %s: tensor expected, got %s", name, errors.show(t)) end
    self:put("note", (label:gsub("[^%w_]", "_")) .. "_" .. name, -1, t)
end

-- Uniform numbers in [0,1), new at every step.
function Builder:random(name, shape)
    return self.g:op("uniform", { self:signal("batch", "step") }, { shape = table.concat(shape, ","), stream = name })
end

-- Scores [B,N] of the patches of `whom` by a criterion, a plugin or one defined in Lua; nil when it masks nothing.
-- helpers: the models it may ask for besides those that are built: name = { who, arch, given } as for Builder:model.
function Builder:score(mask, whom, helpers)
    if check.class_of(mask) ~= "mask" then errors.fail("score: mask expected, got %s", errors.show(mask)) end
    for name, h in pairs(helpers or {}) do self.helpers[name] = h end
    self.g:role("mask")
    for _, need in ipairs(mask.plugin.needs or {}) do call_up(self, need:match "^[^.]+") end
    self.g:place("mask " .. mask.name)
    self.known:corners(mask.settings.corners)
    local scores
    if mask.plugin.define then scores = mask.plugin.define(self, mask, whom) else scores = self.known:score(whom,
        mask:params()) end
    self.g:place("")
    self.helpers = {}
    for name in pairs(helpers or {}) do self:alias(name, nil) end
    return scores
end

-- The kept patches i32 [B,k] by scores. how: "top", "bottom" or the settings of the criterion `name`, see selection.lua.
function Builder:keep(scores, k, how, whom, name)
    self.g:role("mask")
    self.g:place(name and "mask " .. name or "mask")
    local kept = selection.keep(self, scores, k, how, whom, name)
    self.g:place("")
    return kept
end

-- A loss, already weighted; label names the instance (its learned tensors and random streams).
function Builder:loss(loss, label, store)
    if check.class_of(loss) ~= "loss" then errors.fail("loss expected, got %s", errors.show(loss)) end
    self.g:role("loss")
    if not loss.plugin.define then return self.known:loss(label or loss.name, loss:params(), store) end
    self.g:place("loss " .. loss.name)
    local value = loss.plugin.define(self, loss, label or loss.name, store)
    self.g:place("")
    return value
end

-- Where losses keep what lives from step to step (queues, centres); update() adds what renews it, behind the optimiser.
function Builder:states(store) self.known:states(store) end

function Builder:update()
    self.g:role("loss")
    self.known:update()
end

-- The share of rows of logits whose label is among the `top` highest, in percent.
function Builder:accuracy(logits, top)
    local pictures = self:signal("batch", "labels"):size(0)
    if logits:size(0) > pictures then logits = logits:slice { axis = 0, from = 0, to = pictures } end -- of the first view
    return self.g:op("correct", { logits, self:signal("batch", "labels") }, { top = top or 1 }):mean { axis = -100 } * 100
end

-- Whether activations are kept for the gradient ("none") or those of blocks computed again ("blocks").
function Builder:recompute(what)
    self.recomputes = what == "blocks"
    self.g:recompute(what)
end

-- Compiles what was described; the builder is of no use afterwards. idle: there may be nothing to compute again.
function Builder:finish(idle)
    local program = self.g:compile()
    if self.recomputes and not idle and program:plan().again == 0 then
        program:free()
        errors.fail "recompute = blocks has no effect: no gradient needs what blocks compute (none is taken, the blocks are not trained, or there are none), or keeping it takes less memory"
    end
    self.known:free()
    self.g:free()
    return program
end

return { new = new, Builder = Builder, dtype = dtype, audio = audio, means = means, deviations = deviations }
