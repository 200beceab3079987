-- step/teachers: who is shown what: the student, the criteria, the teachers, each on all patches or on the kept ones.
--
--   usually           student(all) -> scores -> kept;  teacher(kept)
--   who = "student"   student_full(all) -> scores -> kept;  student(kept), teacher(all)
--   who = "both"      student_full(all) -> scores -> kept;  student(kept), teacher(kept)
--
-- The student's first pass in the latter two has no gradient: it serves the scores only, and what they do not need is not computed.
local errors = require "bauta.errors"
local stores = require "bauta.step.stores"

local teachers = {}

-- How a teacher's blocks are computed, as Builder:model takes it: nil for the run's precision. given.fp8: "measure" tells what enters their layers.
function teachers.narrow(t, given)
    return t:fp8() and { mode = given.fp8 or "on", scales = given.stores.fp8, name = t:called() } or nil
end

-- The models that a criterion which masks a teacher may ask for. They are built when it does. own: the name and the store of the
-- criterion's `model`.
local function helpers(e, t, given, mask, own)
    local function helper(who, arch, store)
        return { who = who, arch = arch, given = { store = store, role = who, normalise = given.normalise } }
    end
    local full = helper(t:called "teacher_full", t:arch(e.settings.student), stores.of(given.stores, t))
    if t:who() == "student" then -- it is shown everything anyhow
        full.who, full.given.role, full.given.reducer, full.given.fp8 = t:called(), t:role(), t.settings.reducer, teachers.narrow(t, given)
        full.given.training = given.training and t.settings.training
    end
    local model = mask.settings.model
    return { teacher = full, teacher_full = full, auxiliary = model and helper(own.who, model, own.store) or nil }
end

-- The k patches that a criterion chooses of what it masks for a teacher, which is then called `whom`.
function teachers.chosen(b, e, t, given, mask, k, whom, own)
    b:declare(whom, e:masked(t))
    local scores = b:score(mask, whom, helpers(e, t, given, mask, own))
    if not scores then
        errors.raise("arg", ("criterion %s masks nothing; bauta.mask \"none\" {} is the name for that, and keep = %d of %d patches wants another")
            :format(mask.name, k, e:masked(t).patches), mask.where)
    end
    return b:keep(scores, k, mask.settings, whom, mask.name)
end

-- The kept patches that the criterion of a teacher chooses in an epoch; nil when it masks nothing.
local function kept_by(b, e, t, given, epoch)
    local k = e:kept(t, epoch)
    if not k then return nil end
    local who = t:called "auxiliary"
    return teachers.chosen(b, e, t, given, t.settings.mask, k, t:who() == "student" and "student" or t:called(),
        { who = who, store = given.stores[who] })
end

-- The teacher whose criterion masks the student too, or nil.
function teachers.masking(e)
    for _, t in ipairs(e.settings.teachers) do
        if t:who() ~= "teacher" then return t end
    end
end

-- Builds the student; given: stores, normalise, epoch, store (of the student), training. Returns its logits and, when it is
-- masked, the kept patches.
function teachers.student(b, e, given)
    local s, kept = e.settings, nil
    local own = { store = given.store, training = given.training and s.trains == "all", normalise = given.normalise }
    local t = given.training and teachers.masking(e) or nil
    if t then
        b:model("student_full", s.student, { store = given.store, training = own.training, normalise = given.normalise })
        b:alias("student", "student_full")
        kept = kept_by(b, e, t, given, given.epoch)
        b:alias("student", nil)
        own.kept = kept
    end
    local logits = b:model("student", s.student, own)
    if given.training and s.views and s.views.locals > 0 then
        b:model("student_local", s.views:small(s.student), { store = own.store, training = own.training, normalise = own.normalise,
            images = b:signal("batch", "local_images"), role = "student" })
    end
    return logits, kept
end

-- What a teacher is shown when the student has been built; nil: everything.
function teachers.kept(b, e, t, given)
    local who = t:who()
    if who == "teacher" then return kept_by(b, e, t, given, given.epoch) end
    return who == "both" and given.student_kept or nil
end

-- What the criterion of a teacher chooses when the student has seen the whole picture, as in evaluation.
function teachers.shown(b, e, t, given) return kept_by(b, e, t, given, given.epoch) end

-- Builds a teacher. Returns its logits.
function teachers.build(b, e, t, given, kept)
    if b.built[t:called()] then return b:signal(t:called(), "logits") end -- its criterion has asked for it
    return b:model(t:called(), t:arch(e.settings.student), { store = stores.of(given.stores, t), kept = kept,
        training = given.training and t.settings.training, normalise = given.normalise, role = t:role(), reducer = t.settings.reducer,
        fp8 = teachers.narrow(t, given) })
end

return teachers
