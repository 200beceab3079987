-- calibration: what teachers in FP8 need before the first step: the scale of each layer's input, measured on training pictures that they are shown
-- as the first steps will, and a test that they still answer as in the run's precision.
local bind = require "bauta.bind.run"
local agreement = require "bauta.agreement"
local errors = require "bauta.errors"
local inputs = require "bauta.step.inputs"
local pictures = require "bauta.pictures"
local steps = require "bauta.steps"
local stores = require "bauta.step.stores"
local teachers = require "bauta.step.teachers"

local calibration = {}

-- The teachers of an experiment that are computed in FP8.
function calibration.teachers(e)
    local out = {}
    for _, t in ipairs(e.settings.teachers) do
        if t:fp8() then out[#out + 1] = t end
    end
    return out
end

local function called(t) return t.alone and "the teacher" or "teacher " .. t:called() end

local function f(name, unit, doc) return { name, "f64", unit, doc } end
local who = { "teacher", "text", nil, "which one", size = 24 }

-- Declares the tables of a run that has such teachers.
function calibration.declare(run, e)
    if #calibration.teachers(e) == 0 then return end
    run:stream("fp8", "scales of teachers in FP8, found before the first step", { who, { "layer", "text", nil, "which linear layer", size = 64 },
        f("largest", nil, "absolute value of its input on the calibration's pictures"),
        f("scale", nil, "of its input: the power of two that brings that into (224, 448]") })
    run:stream("agreement", "teachers in FP8 beside themselves in the run's precision, on test pictures, before the first step", { who,
        { "pictures", "i64", "pictures", nil }, f("same", "%", "both name the same class"), f("kl", "nats", "KL(run's precision || FP8), mean"),
        f("difference", nil, "largest difference of two logits of a picture by its largest logit, of all pictures") })
end

local function stopped(self)
    if bind.signal() ~= 0 then errors.raise("machine", "stopped by a signal before the first step, at the teacher in FP8", self.e:path()) end
end

-- ---- scales ----

-- The power of two by which numbers up to `largest` are divided, so that they fill E4M3's range, which ends at 448 = 0.875 * 2^9; 1 for zeros.
function calibration.scale(largest)
    if largest <= 0 then return 1 end
    local m, e = math.frexp(math.min(largest, 2 ^ 100))
    return 2 ^ math.max(m > 0.875 and e - 8 or e - 9, -100)
end

-- The training step as far as what a teacher is shown, and that teacher, whose layers tell the largest input.
local function measuring(self, t)
    local e = self.e
    local b = steps.builder(e, self.device, e.settings.batch, true)
    local given = { stores = self.stores, store = self.stores.student, normalise = e.settings.data.settings.normalise, epoch = 0, training = true,
        fp8 = "measure" }
    local _, kept = teachers.student(b, e, given)
    given.student_kept = kept
    teachers.build(b, e, t, given, teachers.kept(b, e, t, given))
    return b:finish()
end

local function feed(self, program, batch)
    local e = self.e
    program:feed("images", batch.images)
    if batch.local_images then program:feed("local_images", batch.local_images) end
    program:feed("labels", batch.labels)
    program:feed("step", batch.number + 1)
    program:feed("epoch", 0)
    program:feed("progress", batch.number / self.per_epoch / e:epochs())
    if inputs.momentum(e) then program:feed("momentum", 1) end
    if self.wants_samples then
        local list = {}
        for i = 1, e.settings.batch do list[i] = tonumber(batch.samples[i - 1]) end
        program:feed("samples", list)
    end
end

-- The layers of a teacher, in order: { name of the scale, layer }.
local function layers_of(self, t)
    local out, front = {}, t:called() .. "."
    for _, tensor in ipairs(self.stores.fp8:list()) do
        if tensor.name:sub(1, #front) == front then out[#out + 1] = { tensor.name, tensor.name:sub(#front + 1) } end
    end
    return out
end

-- The largest absolute input of each of its layers, by the scale's name, and the number of pictures.
local function ranges(self, t, layers)
    local found, program, batch = {}, measuring(self, t), self.e.settings.batch
    local batches = math.min(math.ceil(t:fp8().calibration / batch), self.per_epoch)
    for _, layer in ipairs(layers) do found[layer[1]] = 0 end
    self.loader:start(0, 0)
    for _ = 1, batches do
        stopped(self)
        feed(self, program, self.loader:next() or errors.raise("bug", "the loader ended early", self.e:path()))
        program:run()
        for name, most in pairs(found) do
            local v = program:read("fp8/" .. name)
            found[name] = (v > most or v ~= v) and v or most
        end
    end
    program:free()
    return found, batches * batch
end

local function calibrate(self, t)
    local layers = layers_of(self, t)
    local found, n = ranges(self, t, layers)
    for _, layer in ipairs(layers) do
        local largest = found[layer[1]]
        if not (largest < math.huge) then
            errors.raise("numeric", ("%s: the input of %s is %s on training pictures, and FP8 needs a range"):format(called(t), layer[2],
                errors.show(largest)), self.e:path())
        end
        local scale = calibration.scale(largest)
        self.stores.fp8:write(layer[1], { scale })
        self.run:row("fp8", { teacher = t:called(), layer = layer[2], largest = largest, scale = scale })
    end
    local line = ("%s in fp8: scales of %d layers from %d training pictures"):format(called(t), #layers, n)
    self.run:event("fp8", line)
    self:say(line)
end

-- Finds and writes the scales of all teachers of a run that begins.
function calibration.run(self)
    for _, t in ipairs(calibration.teachers(self.e)) do calibrate(self, t) end
end

-- ---- the agreement test ----

-- The teacher in FP8 and in the run's precision, on what it is shown in evaluation. Fetched, a number per picture: same, kl, difference.
local function comparing(self, t, batch)
    local e = self.e
    local b = steps.builder(e, self.device, batch)
    local given = { stores = self.stores, store = self.stores.student, normalise = e.settings.data.settings.normalise, epoch = 0 }
    teachers.student(b, e, given)
    local kept = teachers.shown(b, e, t, given)
    kept = t:who() ~= "student" and kept or nil
    local got = teachers.build(b, e, t, given, kept):cast { dtype = "f32" }
    local want = b:model(t:called() .. "_reference", t:arch(e.settings.student), { store = stores.of(self.stores, t), kept = kept, normalise = given.normalise,
        reducer = t.settings.reducer, role = t:role() }):cast { dtype = "f32" }
    local kl, _, same = agreement.build(want, got)
    b:fetch("kl", kl)
    b:fetch("same", same)
    b:fetch("difference", (got - want):abs():max { axis = 1 } / want:abs():max { axis = 1 })
    return b:finish()
end

local function figures(self, t)
    local e, n = self.e, t:fp8().test
    local batch = math.min(e.settings.batch, n, e.settings.data:split("test").count)
    local program, sum, room = comparing(self, t, batch), { same = 0, kl = 0, difference = 0 }, {}
    local loader, count = pictures.probe_loader(e, self.options.loaders, n, batch)
    loader:start(0, 0)
    for b in function() return loader:next() end do
        stopped(self)
        local images, labels = pictures.filled(b, batch, room)
        program:feed("images", images)
        program:feed("labels", labels)
        program:feed("step", b.number + 1)
        program:feed("epoch", 0)
        program:feed("progress", 0)
        program:run()
        local same, kl, difference = program:view "same", program:view "kl", program:view "difference"
        for i = 0, b.count - 1 do
            local d = difference[i]
            sum.same, sum.kl = sum.same + same[i], sum.kl + kl[i]
            if d > sum.difference or d ~= d then sum.difference = d end
        end
    end
    loader:free()
    program:free()
    return { teacher = t:called(), pictures = count, same = 100 * sum.same / count, kl = sum.kl / count, difference = sum.difference }
end

-- Makes the programs that are there before the first step, one after the other, so that the device counts their memory. batch: of evaluation.
function calibration.count(e, device, list, batch)
    local run = { e = e, device = device, stores = list }
    for _, t in ipairs(calibration.teachers(e)) do
        measuring(run, t):free()
        comparing(run, t, math.min(batch, t:fp8().test)):free()
    end
end

-- Whether figures keep within a teacher's limits; one that is not a number does not.
function calibration.agrees(found, limits)
    return found.same >= limits.same and found.kl <= limits.kl and found.difference <= limits.difference
end

-- Raises where a teacher in FP8 does not answer as it does in the run's precision. Returns lines that say what was found.
function calibration.test(self)
    local said, wrong = {}, {}
    for _, t in ipairs(calibration.teachers(self.e)) do
        local found, limits = figures(self, t), t:fp8()
        self.run:row("agreement", found)
        local line = ("%s in fp8 and in %s: the same class on %.1f %% of %d test pictures (at least %g), KL %.3g nats (at most %g), " ..
            "logits differ by up to %.3g of the largest (at most %g)"):format(called(t), self.e.precision, found.same, found.pictures, limits.same,
            found.kl, limits.kl, found.difference, limits.difference)
        said[#said + 1] = line
        if not calibration.agrees(found, limits) then
            wrong[#wrong + 1] = line .. '; it is not used: precision "run", or other limits in bauta.fp8 {...}'
        end
    end
    if #wrong > 0 then errors.raise("data", wrong, self.e.where) end
    return said
end

return calibration
