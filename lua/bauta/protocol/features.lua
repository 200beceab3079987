-- protocol/features: what a frozen model makes of pictures, as rows of numbers: the input of k-NN, linear probes and clusters.
--
--   class        the class token after the final norm (the mean of the tokens where there is none, or where the model classifies by it)
--   last4        the class tokens of the last four blocks, each after the final norm, side by side
--   class-mean   the class token and the mean of the patches, interleaved: c0, m0, c1, m1, ...
local bind = require "bauta.bind.run"
local builder = require "bauta.builder"
local errors = require "bauta.errors"
local ffi = require "bauta.ffi"
local pictures = require "bauta.pictures"

local features = { kinds = { "class", "last4", "class-mean" } }

local function class_token(x) return x:slice { axis = 1, from = 0, to = 1 }:sum { axis = 1 } end

local make = {}

-- The mean that a model classifies by, after its norm; nil where it classifies by a token.
local function pooled(b, who)
    local there, x = pcall(b.signal, b, who, "pooled")
    return there and x:cast { dtype = "f32" } or nil
end

-- A model whose class token goes on through the final norm.
local function judge(b, who, kind, others)
    if b:fact(who, "prefix") == 0 then errors.fail("features %s: the model has no class token; %s expected", kind, others) end
    if pooled(b, who) then errors.fail("features %s: the model classifies by the mean of its patches, and no norm is for its class token; %s expected", kind, others) end
end

function make.class(b, who)
    local x = pooled(b, who)
    if x then return x end
    x = b:signal(who, "features"):cast { dtype = "f32" }
    return b:fact(who, "prefix") > 0 and class_token(x) or x:mean { axis = 1 }
end

function make.last4(b, who)
    local depth, joins = b:fact(who, "depth"), b:fact(who, "joins")
    judge(b, who, "last4", "class")
    if depth < 4 then errors.fail("features last4: the model has %d blocks; at least 4 expected", depth) end
    if joins > depth - 4 then
        errors.fail("features last4: the class token takes part from block %d of %d on (from 0); class or class-mean expected", joins, depth)
    end
    local all = {}
    for layer = depth - 4, depth - 2 do all[#all + 1] = class_token(b:signal(who, "normed", layer):cast { dtype = "f32" }) end
    all[4] = make.class(b, who)
    return b:op("concat", all, { axis = 1 })
end

make["class-mean"] = function(b, who)
    judge(b, who, "class-mean", "class")
    local x, prefix = b:signal(who, "features"):cast { dtype = "f32" }, b:fact(who, "prefix")
    local mean = x:slice { axis = 1, from = prefix, to = x:size(1) }:mean { axis = 1 }
    local rows, width = mean:size(0), mean:size(1)
    local both = { make.class(b, who):reshape { shape = ("%d,%d,1"):format(rows, width) },
        mean:reshape { shape = ("%d,%d,1"):format(rows, width) } }
    return b:op("concat", both, { axis = 2 }):reshape { shape = ("%d,%d"):format(rows, 2 * width) }
end

-- The features of a model that has been built as WHO.
function features.of(b, who, kind) return make[kind](b, who) end

-- The features [B,F] of a model that is built now, in evaluation mode, without gradient.
function features.node(b, arch, store, kind, normalise)
    if not make[kind] then errors.fail("features %s: %s", errors.show(kind), errors.unknown("kind", tostring(kind), features.kinds)) end
    b:model("student", arch, { store = store, normalise = normalise })
    return make[kind](b, "student")
end

function features.builder(e, device, batch, arch)
    local b = builder.new { device = device, seed = e.settings.seed, precision = e.precision or e.settings.precision, batch = batch,
        data = e.settings.data.settings }
    b:pictures(batch, arch)
    return b
end

-- Feeds a batch, which may be short, to a program made with features.builder. progress: the share of the training that is done.
function features.feed(program, batch, size, room, step, epoch, progress)
    local images, labels = pictures.filled(batch, size, room)
    program:feed("images", images)
    program:feed("labels", labels)
    program:feed("step", step)
    program:feed("epoch", epoch or 0)
    program:feed("progress", progress or 0)
end

-- All rows of a split as evaluation shows it: { n, width, rows (raw fp32), labels (raw), samples }. given: kind, store, arch (default:
-- the student), unit (rows of length 1), limit (evenly spaced so many pictures; 0: all), batch; or node, a function that is given the builder and
-- returns them, with the epoch and progress that it is asked about. nil when a signal came.
function features.all(e, device, split, given)
    local arch = given.arch or e.settings.student
    local loader, count = pictures.plain_loader(e, split, arch, given.limit, given.batch, given.threads)
    local size = math.min(given.batch, count)
    local b = features.builder(e, device, size, arch)
    local node = given.node and given.node(b) or features.node(b, arch, given.store, given.kind, e.settings.data.settings.normalise)
    if given.unit then node = node:normalise { eps = 1e-12 } end
    b:fetch("features", node)
    local width = node:size(1)
    local program = b:finish()
    given.load()
    local out = { n = count, width = width, rows = ffi.array("float", count * width), labels = ffi.array("int32_t", count) }
    local at, step, room = 0, 0, {}
    loader:start(0, 0)
    for batch in function() return loader:next() end do
        if bind.signal() ~= 0 then
            out = nil
            break
        end
        step = step + 1
        features.feed(program, batch, size, room, step, given.epoch, given.progress)
        program:run()
        ffi.copy(out.rows + at * width, program:view "features", batch.count * width * 4)
        ffi.copy(out.labels + at, batch.labels, batch.count * 4)
        at = at + batch.count
    end
    loader:free()
    program:free()
    return out
end

return features
