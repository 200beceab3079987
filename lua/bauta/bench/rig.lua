-- bench/rig: what the timings share: an experiment of the size that was asked for, its compiled step, batches, turns, medians.
local errors = require "bauta.errors"

local rig = {}

function rig.median(list) return rig.quantile(list, 0.5) end

-- The q-th part of a list of numbers, between neighbours by their distance.
function rig.quantile(list, q)
    local sorted = { unpack(list) }
    table.sort(sorted)
    local at = 1 + q * (#sorted - 1)
    local low = math.floor(at)
    return sorted[low] + (at - low) * ((sorted[low + 1] or sorted[low]) - sorted[low])
end

-- The precision that the device will compute in; what it cannot do fast is said.
function rig.precision(given, device)
    if not ({ fp32 = true, tf32 = true, bf16 = true })[given.precision] then
        errors.raise("arg", "--precision " .. errors.show(given.precision) .. "; fp32, tf32 or bf16 expected", "command line")
    end
    local precision, why = require("bauta.session").precision(given.precision, device)
    if why and not rig.said then io.stderr:write("bauta: ", why, "\n") end
    rig.said = rig.said or why ~= nil
    return precision
end

-- keep as the command line has it: a count, a share or a text.
function rig.keep(given) return tonumber(given.keep) or given.keep end

-- What the command line asks of the teacher in a step: nothing, everything, or so many patches. { mask, keep } or nil.
function rig.teacher(given)
    if not (given.keep or given.teacher_size) then return nil end
    local keep = given.keep and rig.keep(given) or "all"
    return { mask = keep == "all" and "none" or "student", keep = keep }
end

-- size: a name that the architecture knows, or DIM/DEPTH/HEADS.
function rig.arch(given, size)
    local settings = { image = given.image, patch = given.patch, classes = given.classes, drop_path = 0 }
    local dim, depth, heads = size:match "^(%d+)/(%d+)/(%d+)$"
    if dim then
        settings.dim, settings.depth, settings.heads = tonumber(dim), tonumber(depth), tonumber(heads)
    else
        settings.size = size
    end
    return require("bauta.plugin").describe("arch", given.arch, settings)
end

-- teacher: { mask, keep }, or nil for training alone; mask: the name of a criterion, or one that was made.
function rig.experiment(given, teacher)
    local plugin, experiment = require "bauta.plugin", require "bauta.experiment"
    local e = { name = "bench", data = plugin.describe("data", "scenes", {}), student = rig.arch(given, given.size),
        batch = given.batch, epochs = 1, recompute = given.recompute and "blocks" or nil }
    if not teacher then return experiment.train(e) end
    e.teacher = rig.arch(given, given.teacher_size or "small")
    e.mask = type(teacher.mask) == "string" and plugin.describe("mask", teacher.mask, { keep = teacher.keep }) or teacher.mask
    e.losses = { plugin.describe("loss", "cross-entropy"), plugin.describe("loss", "logit") }
    e.teacher_precision = given.fp8 and "fp8" or nil
    return experiment.distill(e)
end

-- The compiled step of an experiment. stores: those of an earlier step of the same models, or nil. start(stores): before the first step.
function rig.compiled(given, teacher, stores)
    local session, steps = require "bauta.session", require "bauta.steps"
    local device = session.device()
    local e = rig.experiment(given, teacher)
    e.precision = rig.precision(given, device)
    stores = stores or steps.stores(e, device)
    return { program = steps.train(e, device, stores), e = e, stores = stores, sync = "loss", times = {} }
end

-- ---- batches ----

local rotation = 8 -- batches that take turns, so that none is found in a cache only because it was there before

-- Batches of noise, as raw memory: the values do not matter, but they are no constant. Labels are the same in all and use half of the
-- classes, so that there is something to learn.
function rig.batches(given)
    local bind = require "bauta.bind.graph"
    local images, labels = given.batch * given.image * given.image * 3, {}
    for i = 1, given.batch do labels[i] = (i * 7) % math.ceil(given.classes / 2) end
    local out = { labels = labels }
    for i = 1, rotation do out[i] = bind.noise("u8", images, i) end
    return out
end

-- Step i: a batch (the i-th, or `which`) goes in, the step runs, its loss is read as a training loop reads it. Seconds.
function rig.step(one, batches, i, which)
    local clock, p = require("bauta.ffi").clock, one.program
    local start = clock()
    p:feed("images", batches[which or (i - 1) % rotation + 1])
    p:feed("step", i)
    p:run()
    one.loss = p:read(one.sync)
    return clock() - start
end

function rig.ready(one, batches)
    one.program:feed("labels", batches.labels)
    one.program:feed("epoch", 0)
    one.program:feed("progress", 0)
    one.program:feed("lr", 1e-4)
end

-- Steps of several programs in turn, so that a slow moment of the machine hits all of them: one.times in milliseconds. Those before step
-- `from` do not count.
function rig.turns(list, first, from, last, step)
    for i = first, last do
        for _, one in ipairs(list) do
            local seconds = step(one, i)
            if i >= from then one.times[#one.times + 1] = 1000 * seconds end
        end
    end
    for _, one in ipairs(list) do one.ms = rig.median(one.times) end
end

rig.warm = 3 -- steps before any counts: the first runs kernel by kernel, the second may be recorded

-- The first steps, on one batch and in small steps, so that its loss must fall.
function rig.settle(one, batches)
    rig.ready(one, batches)
    one.program:feed("lr", 1e-5)
    for i = 1, rig.warm do
        rig.step(one, batches, i, 1)
        one.first_loss = i == 1 and one.loss or one.first_loss
    end
    one.last_loss = one.loss
    require("bauta.bench.gate").falling(one.first_loss, one.last_loss, ("the first %d steps"):format(rig.warm))
    one.program:feed("lr", 1e-4)
end

-- Timed training steps of programs for one batch size, in turns. done: steps that these weights have made before, if any: they go on then.
function rig.timed(list, given, batches, done)
    for _, one in ipairs(list) do (done and rig.ready or rig.settle)(one, batches) end
    local before, first = rig.load(), (done or rig.warm) + 1
    local from = done and first + rig.warm or first
    rig.turns(list, first, from, from + given.steps - 1, function(one, i) return rig.step(one, batches, i) end)
    local foreign = rig.foreign(before)
    for _, one in ipairs(list) do
        one.foreign = foreign
        if one.loss ~= one.loss then require("bauta.errors").raise("numeric", "the loss is not a number", "bench") end
    end
end

-- Ticks of all processors and of this process so far: { busy, idle, own }; nil where the system does not say.
function rig.load()
    local all, mine = io.open "/proc/stat", io.open "/proc/self/stat"
    local text, own = all and all:read "*l", mine and mine:read "*a"
    if all then all:close() end
    if mine then mine:close() end
    if not (text and own) then return nil end
    local ticks = {}
    for v in text:gmatch "%d+" do ticks[#ticks + 1] = tonumber(v) end
    local user, system = own:match "%) %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ (%d+) (%d+)"
    local idle = ticks[4] + ticks[5]
    local busy = -idle
    for i = 1, 8 do busy = busy + (ticks[i] or 0) end
    return { busy = busy, idle = idle, own = tonumber(user) + tonumber(system) }
end

-- What other processes took of the processors since then, in percent; figures with more than 3 are of a busy machine.
function rig.foreign(before)
    local now = before and rig.load()
    if not now then return nil end
    local busy, own = now.busy - before.busy, now.own - before.own
    return 100 * math.max(busy - own, 0) / math.max(busy + now.idle - before.idle, 1)
end

function rig.foreign_line(foreign)
    if not foreign then return "load: the system does not say what else ran" end
    return ("load: other processes took %.1f %% of the processors meanwhile%s"):format(foreign,
        foreign >= 3 and " (the figures are those of a busy machine)" or "")
end

function rig.free(list)
    local seen = {}
    for _, one in ipairs(list) do
        one.program:free()
        for _, store in pairs(one.stores) do
            if not seen[store] then store:free() end
            seen[store] = true
        end
    end
end

-- ---- words ----

function rig.threads(given)
    return given.threads > 0 and given.threads or require("bauta.ffi").processors()
end

-- "deit tiny" or "deit tiny <- deit small at 98 of 196".
function rig.name(given, one)
    local name = given.arch .. " " .. given.size
    local t = one.e.settings.teachers[1]
    if not t then return name end
    local all = one.e:masked(t).patches
    return ("%s <- %s %s%s at %d of %d"):format(name, given.arch, given.teacher_size or "small", given.fp8 and " in FP8" or "", one.e:kept() or all, all)
end

-- What was asked, and on what: every JSON begins with it.
function rig.facts(given, precision)
    local session = require "bauta.session"
    return { who = "bauta", device = session.device():describe(), arch = given.arch, size = given.size, image = given.image,
        patch = given.patch, classes = given.classes, batch = given.batch, precision = precision, fp8 = given.fp8 and true or nil, threads = rig.threads(given),
        steps = given.steps }
end

function rig.write(given, facts, lines)
    if given.json then
        io.stdout:write(require("bauta.json").encode(facts), "\n")
    else
        io.stdout:write(table.concat(lines, "\n"), "\n")
    end
    return 0
end

return rig
