-- program: the graph of the probe. The student on whole pictures; each teacher on whole pictures, on what its criterion shows it, and
-- on what each shadow would show it.
--
-- Fetched, per teacher t, names through t:column: kept [B,k], saliency [B,N], full1, shown1, and for both views kl, cosine, same;
-- per shadow i: shadowI_kept, shadowI_1. Of the student: student1.
local agreement = require "bauta.agreement"
local shadow = require "bauta.probe.shadow"
local stores = require "bauta.step.stores"
local steps = require "bauta.steps"
local teachers = require "bauta.step.teachers"

local program = {}

-- The student's attention to the patches, mean over heads, on the grid of what is masked: [B,N]. nil: it has no class attention.
local function saliency(b, whom)
    local there, a = pcall(b.signal, b, "student", "class_attention", -1)
    if not there then return nil end
    local shape, prefix = a:shape(), b:fact("student", "prefix")
    a = a:slice { axis = 3, from = prefix, to = shape[4] }:mean { axis = 1 }:mean { axis = 1 }
    return b.known:regrid("student", whom, a)
end

-- The choice of a shadow, and the teacher on it.
local function add_shadow(b, e, t, given, one)
    local whom = t:called("shadow" .. one.number)
    one.column = t:column("shadow" .. one.number)
    local kept = teachers.chosen(b, e, t, given, one.mask, one.k, whom, { who = whom .. "_auxiliary", store = one.store })
    b:fetch(one.column .. "_kept", kept)
    if t:who() == "student" then return end -- such a teacher is never masked
    one.answer = b:model(whom, t:arch(e.settings.student), { store = stores.of(given.stores, t), kept = kept,
        normalise = given.normalise, role = "shadow", reducer = t.settings.reducer, fp8 = teachers.narrow(t, given) })
end

local function compare(b, t, view, logits, student)
    local kl, cosine, same = agreement.build(logits, student)
    b:fetch(t:column("kl" .. view), kl)
    b:fetch(t:column("cosine" .. view), cosine)
    b:fetch(t:column("same" .. view), same)
end

-- The teacher on whole pictures with all their tokens, and as the student sees it: two logits, which may be one.
local function answers(b, e, t, given, kept)
    if t:who() == "student" then kept = nil end
    local shown, who = teachers.build(b, e, t, given, kept), t:called "teacher_full"
    if not kept and not t.settings.reducer then return shown, shown end
    if b.built[who] then return b:signal(who, "logits"), shown end
    return b:model(who, t:arch(e.settings.student), { store = stores.of(given.stores, t), normalise = given.normalise,
        role = "teacher_full" }), shown
end

local function add_teacher(b, e, view, given, student)
    local t, labels = view.teacher, b:signal("batch", "labels")
    local kept = teachers.shown(b, e, t, given)
    view.whom = t:who() == "student" and "student" or t:called()
    for _, one in ipairs(view.shadows) do add_shadow(b, e, t, given, one) end
    local full, shown = answers(b, e, t, given, kept)
    b:role "metric"
    local s = saliency(b, view.whom)
    view.salient = s ~= nil
    if s then b:fetch(t:column "saliency", s) end
    if kept then b:fetch(t:column "kept", kept) end
    view.judged = steps.knows_classes(e, t)
    if not view.judged then return end
    local function right(name, logits) b:fetch(name, logits:correct(labels, { top = 1 })) end
    right(t:column "full1", full)
    right(t:column "shown1", shown)
    compare(b, t, "", shown, student)
    compare(b, t, "_full", full, student)
    for _, one in ipairs(view.shadows) do
        if one.answer then right(one.column .. "_1", one.answer) end
    end
end

-- The views of an epoch: { teacher, masked (the architecture whose patches they are), N, k (nil: all), grid, shadows = { number, label, mask, k, store } }.
function program.views(e, epoch, shadow_stores)
    local out, labels = {}, shadow.labels(e.settings.shadow)
    for _, t in ipairs(e.settings.teachers) do
        local whom = e:masked(t)
        local view = { teacher = t, masked = whom, N = whom.patches, k = e:kept(t, epoch), rows = whom.grid_rows, columns = whom.grid_columns,
            shadows = {} }
        for i, mask in ipairs(e.settings.shadow) do
            view.shadows[i] = { number = i, label = labels[i], mask = mask, store = shadow_stores[i],
                k = shadow.count(mask, whom, view.k or view.N, epoch, e:epochs()) }
        end
        out[#out + 1] = view
    end
    return out
end

-- Compiles the probe of an epoch for batches of `batch` pictures.
function program.build(e, device, list, views, batch, epoch)
    local b = steps.builder(e, device, batch)
    local given = { stores = list, store = list.student, normalise = e.settings.data.settings.normalise, epoch = epoch }
    local student = teachers.student(b, e, given)
    for _, view in ipairs(views) do add_teacher(b, e, view, given, student) end
    b:role "metric"
    b:fetch("student1", student:correct(b:signal("batch", "labels"), { top = 1 }))
    return b:finish()
end

return program
