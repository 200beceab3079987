-- bench/rig: what the timings share: an experiment of the size that was asked for, its compiled step, and timing it.
local errors = require "bauta.errors"

local rig = {}

function rig.median(list)
    local sorted = { unpack(list) }
    table.sort(sorted)
    local n = #sorted
    return n % 2 == 1 and sorted[(n + 1) / 2] or (sorted[n / 2] + sorted[n / 2 + 1]) / 2
end

local function precision_of(device, given)
    if given.precision ~= "fp32" and given.precision ~= "bf16" then
        errors.raise("arg", "--precision " .. errors.show(given.precision) .. "; fp32 or bf16 expected", "command line")
    end
    if given.precision == "bf16" and not device:has("bf16") then
        io.stderr:write("bauta: this device has no fast bf16; fp32 is used\n")
        return "fp32"
    end
    return given.precision
end

-- teacher: { mask, keep }, or nil for training alone; mask: the name of a criterion, or one that was made.
function rig.experiment(given, size, teacher)
    local plugin, experiment = require "bauta.plugin", require "bauta.experiment"
    local function arch(which)
        return plugin.describe("arch", given.arch, { size = which, image = given.image, patch = given.patch,
            classes = given.classes, drop_path = 0 })
    end
    local e = { name = "bench", data = plugin.describe("data", "scenes", {}), student = arch(size), batch = given.batch,
        epochs = 1 }
    if teacher then
        e.teacher, e.mask = arch(given.teacher_size), type(teacher.mask) == "string" and
            plugin.describe("mask", teacher.mask, { keep = teacher.keep }) or teacher.mask
        e.losses = { plugin.describe("loss", "cross-entropy"), plugin.describe("loss", "logit") }
        return experiment.distill(e)
    end
    return experiment.train(e)
end

-- Noise as pictures: the values do not matter, but they are no constant.
function rig.feed(program, given)
    local images, labels, x = {}, {}, 1
    for i = 1, given.batch * given.image * given.image * 3 do
        x = (x * 16807) % 2147483647
        images[i] = x % 256
    end
    for i = 1, given.batch do labels[i] = (i * 7) % given.classes end
    program:feed("images", images)
    program:feed("labels", labels)
    program:feed("epoch", 0)
    program:feed("lr", 1e-4)
end

-- Milliseconds of each step, after two that do not count.
function rig.timed(program, given)
    local ffi, times = require "bauta.ffi", {}
    rig.feed(program, given)
    for i = 1, given.steps + 2 do
        program:feed("step", i)
        local t = ffi.clock()
        program:run()
        if i > 2 then times[i - 2] = 1000 * (ffi.clock() - t) end
    end
    return times
end

-- stores: those of an earlier step of the same models, or nil.
function rig.compiled(given, teacher, profile, stores)
    local session, steps = require "bauta.session", require "bauta.steps"
    local device = session.device()
    local e = rig.experiment(given, given.size, teacher)
    e.precision = precision_of(device, given)
    stores = stores or steps.stores(e, device)
    local program = steps.train(e, device, stores)
    if profile then program:profile(true) end
    return program, e, stores
end

return rig
