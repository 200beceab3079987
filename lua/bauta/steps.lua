-- steps: the compiled programs of an experiment, written with the builder: one training step, and evaluation.
--
--   student(images) -> criterion -> kept -> teacher(kept patches) -> losses -> gradients -> clip, AdamW, average
--
-- The roles name the rows of the cost ledger: student, mask, teacher (or teacher.NAME), loss, optimiser; a model that is there for a
-- criterion's sake has its own name. Who is shown what is in step/teachers.lua, what follows the gradients in step/update.lua.
local builder = require "bauta.builder"
local errors = require "bauta.errors"
local inputs = require "bauta.step.inputs"
local micro = require "bauta.step.micro"
local stores = require "bauta.step.stores"
local teachers = require "bauta.step.teachers"
local update = require "bauta.step.update"

local steps = {}

-- The stores of a run, empty until a step is described.
steps.stores = stores.new

-- A builder that knows a batch of an experiment's pictures: of training, augmented, or as they are.
function steps.builder(e, device, batch, training)
    local b = builder.new { device = device, seed = e.settings.seed, precision = e.precision or e.settings.precision,
        batch = batch, data = e.settings.data.settings }
    inputs[training and "train" or "evaluate"](b, e, batch)
    return b
end

-- Raises where nothing of the student could learn by a loss; one of weight 0 is there to be watched. weights: of the student, in the graph.
local function judge_loss(b, l, loss, weights)
    if l.loss.settings.weight == 0 or b:reaches(loss, weights) then return end
    errors.raise("arg", ("loss %s: no gradient of it reaches the student: nothing would be learned by it (weight = 0 only watches)"):format(l.loss.name),
        l.loss.where)
end

local function weights_of(b, store)
    local out = {}
    for _, t in ipairs(store:list()) do
        if not t.fixed then out[#out + 1] = b:variable(store, t.name) end
    end
    return out
end

-- The losses of an experiment, weighted, each fetched by its column; their sum.
local function build_losses(b, e, list)
    local total, weights = nil, weights_of(b, list.student)
    for _, l in ipairs(e:losses()) do
        b:alias("teacher", l.teacher and l.teacher:called())
        local loss = b:loss(l.loss, l.label, list.losses)
        judge_loss(b, l, loss, weights)
        if l.weight ~= 1 then loss = loss * l.weight end
        b:fetch(l.column, loss)
        total = total and total + loss or loss
    end
    b:alias("teacher", nil)
    b:role("loss")
    b:fetch("loss", total)
    return total
end

-- What criteria and losses have noted, each fetched by its column; the columns.
local function fetch_notes(b)
    local columns = {}
    for i, note in ipairs(b.known:notes()) do
        columns[i] = "note_" .. note.name
        b:fetch(columns[i], note.tensor:cast { dtype = "f32" }:mean { axis = -100 })
    end
    return columns
end

-- Whether the student answers with the data's classes. Only one that is shown views need not (pictures.judge): DINO's, whose logits are a feature.
function steps.classifies(e) return not e.settings.views or e.settings.student.classes == e.settings.data.classes end

-- Whether a teacher can be right about a label.
function steps.knows_classes(e, t) return t:arch(e.settings.student).classes == e.settings.student.classes and steps.classifies(e) end

-- Whether a step asks the one teacher for anything: not where all that is learned from it was found beforehand (the clusters of cc).
local function asked(e)
    for _, l in ipairs(e:losses()) do
        local needs = l.loss.plugin.needs or {}
        if l.loss.plugin.define or #needs == 0 then return true end -- may ask for anything
        for _, need in ipairs(needs) do
            if need:find "^teacher%." then return true end
        end
        for _, v in pairs(l.loss.settings) do -- as compress-2q names a model
            if v == "teacher" or l.teacher and v == l.teacher.settings.name then return true end
        end
    end
    return false
end

-- Whether a training step says how often a teacher is right. It does not run for that alone.
function steps.watches(e, t) return steps.knows_classes(e, t) and (#e.settings.teachers > 1 or asked(e)) end

-- What follows the gradients of a step in parts: a program of its own.
local function update_program(e, device, list, weights, load)
    local b = builder.new { device = device, seed = e.settings.seed, precision = e.precision or e.settings.precision }
    b:feed("step", "i32")
    if inputs.momentum(e) then b:feed("momentum", "f32") end
    b:fetch("grad_norm", update.weights(b, e, list, update.accumulated(b, list, weights), b:input("lr", "f32")))
    if load then load(list) end
    update.averages(b, e, list)
    return b:finish()
end

-- Whether weights rest in an epoch: there may then be nothing to compute again.
local function resting(e, epoch)
    local frozen = e:resting()
    return frozen ~= nil and epoch < frozen.epochs
end

-- A step in parts: `b` holds what is done with one of them.
local function in_parts(b, e, device, list, loss, notes, load, epoch)
    local o, weights = e.settings.optimiser, update.gradients(b, e, list, loss, epoch)
    update.accumulate(b, list, weights, b:input("part_share", "f32"))
    b:update()
    local both = { lr = "update", weight_decay = o.weight_decay_end and "update", step = "both", momentum = inputs.momentum(e) and "both" }
    for _, w in ipairs(weights) do both.step_freed = both.step_freed or w.step and "both" end
    local out = micro.new(e.settings.micro, b:finish(resting(e, epoch)), update_program(e, device, list, weights, load), both)
    out:announce { "loss", "top1" }
    for _, l in ipairs(e:losses()) do out:announce { l.column } end
    out:announce(steps.teacher_columns(e))
    out:announce(notes)
    return out
end

-- The training step of an epoch. Inputs: images, labels, step (from 1), epoch, progress, lr, and where they change over the steps
-- weight_decay and momentum (of an averaged teacher). Fetched: loss, the losses' columns,
-- grad_norm, top1, a teacher's top1 and kept [B,k], and what criteria and losses note (the second result: their columns). load(stores): called when the stores hold all tensors and none was averaged yet.
function steps.train(e, device, list, load, epoch)
    local s = e.settings
    if s.batch % s.micro ~= 0 then
        errors.raise("arg", ("micro = %d: a batch of %d does not fall into so many equal parts"):format(s.micro, s.batch), e.where)
    end
    local b = steps.builder(e, device, s.batch / s.micro, true)
    b:recompute(s.recompute)
    local given = { stores = list, store = list.student, normalise = s.data.settings.normalise, epoch = epoch or 0,
        training = true }
    local logits, student_kept = teachers.student(b, e, given)
    given.student_kept = student_kept
    if student_kept then b:fetch("kept_student", student_kept) end
    for _, t in ipairs(s.teachers) do
        local kept = teachers.kept(b, e, t, given)
        local answer = teachers.build(b, e, t, given, kept)
        b:role("loss")
        if steps.watches(e, t) then b:fetch(steps.teacher_column(t), b:accuracy(answer)) end
        if kept then b:fetch(t:column "kept", kept) end
    end
    b:states(list.state)
    local loss = build_losses(b, e, list)
    local notes = fetch_notes(b)
    b:fetch("top1", b:accuracy(logits))
    if s.micro > 1 then return in_parts(b, e, device, list, loss, notes, load, given.epoch), notes end
    b:fetch("grad_norm", update.weights(b, e, list, update.gradients(b, e, list, loss, given.epoch), b:input("lr", "f32")))
    if load then load(list) end
    update.averages(b, e, list)
    b:update()
    return b:finish(resting(e, given.epoch)), notes
end

-- Bytes of the largest step's arena if its blocks were computed again; nil where that is so already, or of no use.
function steps.recomputed(e, device, list)
    local s, most = e.settings, 0
    if s.recompute ~= "none" then return nil end
    s.recompute = "blocks"
    local ok = pcall(function()
        for _, phase in ipairs(e:phases()) do
            local program = steps.train(e, device, list, nil, phase.first)
            most = math.max(most, program:plan().arena)
            program:free()
        end
    end)
    s.recompute = "none"
    return ok and most or nil
end

-- The column that says how often a teacher is right.
function steps.teacher_column(t) return t.alone and "teacher_top1" or t:column "top1" end

-- Those of an experiment's training steps.
function steps.teacher_columns(e)
    local out = {}
    for _, t in ipairs(e.settings.teachers) do
        if steps.watches(e, t) then out[#out + 1] = steps.teacher_column(t) end
    end
    return out
end

-- What evaluation fetches of them.
function steps.judged(e)
    local out = {}
    for _, t in ipairs(e.settings.teachers) do
        if steps.knows_classes(e, t) then out[#out + 1] = t:column "teacher1" end
    end
    return out
end

local function judge_teacher(b, e, t, given, kept)
    if not steps.knows_classes(e, t) then return end
    local answer = teachers.build(b, e, t, given, t:who() ~= "student" and kept or nil)
    b:role("metric")
    b:fetch(t:column "teacher1", b:op("correct", { answer, b:signal("batch", "labels") }, { top = 1 }))
end

-- Evaluation of the weights in `store`, always on whole pictures. Fetched, a number per picture: correct1, correct5, loss; for each
-- teacher with a criterion kept [B,k]; with `teacher` also teacher1, whether that teacher is right about what it is shown.
function steps.evaluate(e, device, store, list, batch, teacher, epoch)
    local s = e.settings
    local b = steps.builder(e, device, batch)
    local labels = b:signal("batch", "labels")
    local given = { stores = list, store = store, normalise = s.data.settings.normalise, epoch = epoch or 0 }
    local logits = teachers.student(b, e, given)
    b:role("metric")
    b:fetch("correct1", b:op("correct", { logits, labels }, { top = 1 }))
    b:fetch("correct5", b:op("correct", { logits, labels }, { top = math.min(5, s.student.classes) }))
    b:fetch("loss", b:op("cross_entropy", { logits, labels }, { smoothing = 0 }))
    for _, t in ipairs(s.teachers) do
        local kept = teachers.shown(b, e, t, given)
        if kept then b:fetch(t:column "kept", kept) end
        if teacher then judge_teacher(b, e, t, given, kept) end
    end
    return b:finish()
end

return steps
