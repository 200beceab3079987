-- graph: bauta.graph, the level below bauta.distill: any step, evaluation or probe, described by a function.
--
--   local step = bauta.graph({ batch = 8, feeds = { x = { "f32", { 8, 3 } } } }, function(g, batch)
--     g:fetch("mean", batch.x:mean { axis = -100 })
--   end)
--   step:feed("x", numbers); step:run(); print(step:read "mean")
--
-- g offers what bauta.builder has: g:input, g:constant, g:variable, g:op, g:grad, g:fetch, g:role, g:model, g:signal, g:score,
-- g:keep, g:loss, g:accuracy, g:random, g:block. The function runs once; the step runs as often as it is told to. Weights that an arch names
-- are in its store before the step runs.
local archive = require "bauta.archive"
local bind = require "bauta.bind.graph"
local builder = require "bauta.builder"
local check = require "bauta.check"
local errors = require "bauta.errors"
local session = require "bauta.session"
local watch = require "bauta.watch"

local graph = {}

local rows = {
    { name = "seed", type = "int", default = 0, min = 0, max = 2 ^ 53, doc = "of random numbers" },
    { name = "precision", type = "choice", choices = { "fp32", "tf32", "bf16" }, default = "fp32",
        doc = "of activations and matrix products" },
    { name = "recompute", type = "choice", choices = { "none", "blocks" }, default = "none",
        doc = "blocks: what they compute is computed again for the gradient instead of being kept" },
    { name = "batch", type = "int", default = 1, min = 1, max = 65536, doc = "images of a step" },
    { name = "image", type = "int", optional = true, min = 1, max = 4096,
        doc = "side of the pictures: declares batch.images and batch.labels" },
    { name = "feeds", type = "any", default = {}, doc = "further inputs: name = { element type, shape }" },
}

local Step = { class = "step" }
Step.__index = Step

function Step:feed(name, value) self.program:feed(name, value) end
function Step:run() self.program:run() end
function Step:read(name) return self.program:read(name) end
function Step:shape(name) return self.program:shape(name) end
function Step:plan() return self.program:plan() end
function Step:free() self.program:free() end

local function declare(b, s)
    local inputs = {}
    inputs.step, inputs.epoch, inputs.progress = b:feed("step", "i32"), b:feed("epoch", "i32"), b:feed("progress", "f32")
    if s.image then
        inputs.images = b:feed("images", "u8", { s.batch, s.image, s.image, 3 })
        inputs.labels = b:feed("labels", "i32", { s.batch })
    end
    for name, what in pairs(s.feeds) do
        if type(what) ~= "table" then errors.fail("graph.feeds.%s: { element type, shape } expected, got %s", tostring(name),
            errors.show(what)) end
        inputs[name] = b:feed(name, what[1], what[2])
    end
    return setmetatable(inputs, { __index = function(_, k)
        local names = {}
        for n in pairs(inputs) do names[#names + 1] = n end
        errors.fail("batch.%s: %s", tostring(k), errors.unknown("input", tostring(k), names))
    end })
end

-- The files whose weights a store has taken.
local taken = setmetatable({}, { __mode = "k" })

-- Brings the weights that models name into their stores, those of a file once: later steps on the store take what has become of them.
local function load_weights(models)
    for _, m in ipairs(models) do
        local file, before = archive.weights(m.arch.settings.weights, session.out()), taken[m.store] or {}
        if not before[file] then
            local ok, told = pcall(m.arch.load, m.arch, m.store, file)
            if not ok then
                if errors.is(told) then told.where = m.arch.where or told.where end
                error(told, 0)
            end
            if told then io.stderr:write(("bauta: %s: names of %s\n"):format(file, told)) end
            before[file], taken[m.store] = true, before
        end
    end
end

-- Describes and compiles. Returns the step; what the function returns is step.result.
function graph.new(options, describe)
    if type(options) == "function" then options, describe = describe or {}, options end
    if type(describe) ~= "function" then errors.fail("bauta.graph: a function expected, got %s", errors.show(describe)) end
    local s = check.settings(rows, options, "graph")
    local models = {}
    local b = builder.new { device = session.device(), seed = s.seed, precision = s.precision, batch = s.batch, weights = models }
    b.batch_size = s.batch
    b:recompute(s.recompute)
    local result = watch.call("bauta.graph: the function", describe, b, declare(b, s))
    load_weights(models)
    local step = setmetatable({ program = b:finish(), result = result }, Step)
    step.program:feed("step", 1)
    step.program:feed("epoch", 0)
    step.program:feed("progress", 0)
    return step
end

-- A store for the weights of such a step.
function graph.store(seed) return bind.store(session.device(), seed or 0) end

return graph
