-- builder: describing a step. A builder is a graph together with what is known in it: the batch, models, their signals.
-- bauta.distill is written with it, and so is anything a script builds with bauta.graph.
local graph = require "bauta.bind.graph"
local plugins = require "bauta.bind.plugin"
local check = require "bauta.check"
local errors = require "bauta.errors"
require "bauta.tensor"

local Builder = { class = "builder" }

function Builder.__index(self, k)
    if rawget(Builder, k) then return rawget(Builder, k) end
    local f = graph.Graph[k]
    if type(f) == "function" then -- what a graph can do, a builder can
        return function(b, ...) return f(b == self and self.g or b, ...) end
    end
end

local means = { imagenet = { 0.485, 0.456, 0.406 }, half = { 0.5, 0.5, 0.5 }, none = { 0, 0, 0 } }
local deviations = { imagenet = { 0.229, 0.224, 0.225 }, half = { 0.5, 0.5, 0.5 }, none = { 1, 1, 1 } }

-- options: device, seed, precision ("fp32" or "bf16").
local function new(options)
    local g = graph.graph(options.device, options.seed or 0)
    g:precision(options.precision or "fp32")
    return setmetatable({ g = g, known = plugins.build(g), batch_size = options.batch }, Builder)
end

-- Declares an input and makes it known as the signal batch.NAME.
function Builder:feed(name, dtype, shape)
    local t = self.g:input(name, dtype, shape or {})
    self.known:put("batch", name, -1, t)
    return t
end

-- The usual batch: images u8 [B,H,W,3], labels, step and epoch.
function Builder:pictures(batch, rows, columns)
    self.batch_size = batch
    self:feed("step", "i32")
    self:feed("epoch", "i32")
    return self:feed("images", "u8", { batch, rows, columns, 3 }), self:feed("labels", "i32", { batch })
end

-- The two constants that normalise pixels 0..255.
function Builder:normalisation(name)
    if not self.scale then
        local scale, shift = {}, {}
        for c = 1, 3 do
            scale[c] = 1 / (255 * deviations[name][c])
            shift[c] = -means[name][c] / deviations[name][c]
        end
        self.scale, self.shift = self.g:constant(scale, { 3 }), self.g:constant(shift, { 3 })
    end
    return self.scale, self.shift
end

-- Builds a model as WHO; given: store, training, kept, images (default: the batch's), normalise, role. Returns its logits.
function Builder:model(who, arch, given)
    if check.class_of(arch) ~= "arch" then errors.fail("%s: arch expected, got %s", who, errors.show(arch)) end
    self.g:role(given.role or who)
    local scale, shift = self:normalisation(given.normalise or "imagenet")
    self.known:arch(who, arch:params(), { images = given.images or self:signal("batch", "images"), scale = scale, shift = shift,
        kept = given.kept, store = given.store, training = given.training })
    return self:signal(who, "logits")
end

function Builder:declare(who, arch) self.known:declare(who, arch:params()) end

-- A model described by hand: its facts ({ patches = 16, prefix = 1, ... }) and its signals, so that criteria and losses find them.
function Builder:say(who, facts)
    for what, value in pairs(facts) do self.known:say(who, what, value) end
end

function Builder:put(who, what, layer, t) self.known:put(who, what, layer or -1, t) end
function Builder:signal(who, what, layer) return self.known:get(who, what, layer) end
function Builder:fact(who, what) return self.known:fact(who, what) end

-- Uniform numbers in [0,1), new at every step.
function Builder:random(name, shape)
    return self.g:op("uniform", { self:signal("batch", "step") }, { shape = table.concat(shape, ","), stream = name })
end

-- Scores [B,N] of the patches of `whom` by a criterion, a plugin or one defined in Lua; nil when it masks nothing.
function Builder:score(mask, whom)
    if check.class_of(mask) ~= "mask" then errors.fail("score: mask expected, got %s", errors.show(mask)) end
    self.g:role("mask")
    self.g:place("mask " .. mask.name)
    local scores
    if mask.plugin.define then scores = mask.plugin.define(self, mask, whom) else scores = self.known:score(whom,
        mask:params()) end
    self.g:place("")
    return scores
end

-- The kept patches i32 [B,k] by scores.
function Builder:keep(scores, k, select)
    self.g:role("mask")
    return self.g:op("topk", { scores }, { keep = k, order = select or "top" })
end

-- A loss, already weighted; label names the instance (its learned tensors and random streams).
function Builder:loss(loss, label, store)
    if check.class_of(loss) ~= "loss" then errors.fail("loss expected, got %s", errors.show(loss)) end
    self.g:role("loss")
    return self.known:loss(label or loss.name, loss:params(), store)
end

-- The share of rows of logits whose label is among the `top` highest, in percent.
function Builder:accuracy(logits, top)
    return self.g:op("correct", { logits, self:signal("batch", "labels") }, { top = top or 1 }):mean { axis = -100 } * 100
end

-- Compiles what was described; the builder is of no use afterwards.
function Builder:finish()
    local program = self.g:compile()
    self.known:free()
    self.g:free()
    return program
end

return { new = new, Builder = Builder }
