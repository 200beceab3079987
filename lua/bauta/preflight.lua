-- preflight: before the first step, a look at what the teachers know. A teacher that is worse than its card says, that would be clearly
-- better with its pixels normalised otherwise, or that is clearly worse in the training mode it is to teach in, stops the run with one
-- line (--no-preflight goes on). Of one that cannot be judged that is said.
local archive = require "bauta.archive"
local card = require "bauta.card"
local errors = require "bauta.errors"
local pictures = require "bauta.pictures"
local steps = require "bauta.steps"
local stores = require "bauta.step.stores"
local weights = require "bauta.bind.weights"

local preflight = {}

local least_gain, least_z = 2, 3 -- what is clearly better is so by so many percentage points, and so surely
local of_pictures, of_spectrograms = { "imagenet", "half", "none", "clip" }, { "audio", "none" }
local function normalisations(t) return t.settings.model.channels == 1 and of_spectrograms or of_pictures end

-- The normalisation that a teacher runs with.
local function used_by(e, t) return t.settings.model.settings.normalise or e.settings.data.settings.normalise end

-- What puts a teacher into training mode, for messages: the setting and what it does; nil where it is at rest, as teachers are.
local function unrest(e, t)
    if not t.settings.training then return nil end
    return ("%s, drop_path %.3g"):format(t.alone and "teacher_training" or "training", t:arch(e.settings.student).settings.drop_path)
end

local function called(t) return t.alone and "the teacher" or "teacher " .. t:called() end

-- How it is asked: { as, the normalisation; name, what it is called in the program; training }. First with each normalisation, then as it will teach.
local function ways(e, t)
    local out = {}
    for i, as in ipairs(normalisations(t)) do out[i] = { as = as, name = t:called() .. "_" .. as } end
    if t.settings.training then out[#out + 1] = { as = used_by(e, t), name = t:called() .. "_training", training = true } end
    return out
end

-- Three standard deviations of a share measured on n pictures, in percentage points.
local function doubt(percent, n)
    local p = math.min(math.max(percent / 100, 0.5 / n), 1 - 0.5 / n)
    return 300 * math.sqrt(p * (1 - p) / n)
end

local function has_weights(t) return not t:averaged() and t.settings.model.settings.weights ~= nil end

-- The teachers that can be judged: those with weights of their own whose classes are the data's.
local function judged(e)
    local out = {}
    for _, t in ipairs(e.settings.teachers) do
        if has_weights(t) and steps.knows_classes(e, t) then out[#out + 1] = t end
    end
    return out
end

-- One program that asks every teacher in every way. Fetched: right or not, a number per picture.
local function compile(self, list, batch)
    local e = self.e
    local b = steps.builder(e, self.device, batch)
    for _, t in ipairs(list) do
        for _, way in ipairs(ways(e, t)) do
            local answer = b:model(way.name, t.settings.model, { store = stores.of(self.stores, t), as = way.as, training = way.training })
            b:fetch(way.name, b:op("correct", { answer, b:signal("batch", "labels") }, { top = 1 }))
        end
    end
    return b:finish()
end

-- For each fetched name a list of 1 and 0, right or not, and the number of pictures.
local function measure(self, program, list, n, batch)
    local loader, count = pictures.probe_loader(self.e, self.options.loaders, n, batch)
    local right, room = {}, {}
    loader:start(0, 0)
    for b in function() return loader:next() end do
        local images, labels = pictures.filled(b, batch, room)
        program:feed("images", images)
        program:feed("labels", labels)
        program:feed("step", b.number + 1)
        program:run()
        for _, t in ipairs(list) do
            for _, way in ipairs(ways(self.e, t)) do
                local v = program:view(way.name)
                right[way.name] = right[way.name] or {}
                for i = 0, b.count - 1 do table.insert(right[way.name], v[i]) end
            end
        end
    end
    loader:free()
    return right, count
end

local function percent(list)
    local sum = 0
    for _, v in ipairs(list) do sum = sum + v end
    return 100 * sum / #list
end

-- How surely one list is right more often than another, in standard deviations (McNemar): only pictures on which they differ count.
local function surely(a, b)
    local gains, losses = 0, 0
    for i, v in ipairs(a) do
        if v > b[i] then gains = gains + 1 elseif v < b[i] then losses = losses + 1 end
    end
    return gains + losses > 0 and (gains - losses) / math.sqrt(gains + losses) or 0
end

-- A remark about a teacher that may as well guess: right about `own` % of n pictures.
function preflight.chance(own, n, classes)
    local chance = 100 / classes
    if classes < 2 or own - doubt(own, n) > chance then return "" end
    return (": not clearly more than chance, %.3g %%"):format(chance)
end

-- What is wrong with a teacher, or nil. used: the normalisation it runs with; right: for each normalisation the list of 1 and 0;
-- card: { expect, tolerance, says (who expects that, where it is not the script) }.
function preflight.defect(called, used, right, card)
    local own, n = percent(right[used]), #right[used]
    local best, at = own, used
    for _, as in ipairs(right.audio and of_spectrograms or of_pictures) do
        local p = percent(right[as])
        if p > best then best, at = p, as end
    end
    if card.expect and own >= card.expect - card.tolerance then return nil end
    if best - own >= least_gain and surely(right[at], right[used]) > least_z then
        return ("%s is right about %.1f %% of %d test pictures with normalise = %s, and about %.1f %% with %s; give its arch normalise = \"%s\"")
            :format(called, own, n, used, best, at, at)
    end
    if card.expect and own + doubt(own, n) < card.expect - card.tolerance then
        return ("%s is right about %.1f %% of %d test pictures; %s, tolerance %.1f"):format(called, own, n,
            (card.says or "its card says %.1f (expect)"):format(card.expect), card.tolerance)
    end
end

-- A teacher that is to teach in training mode: a remark, and what is wrong with that, or nil. why: it is; rest, training: lists of 1 and 0.
function preflight.restless(called, why, rest, training)
    local own, so = percent(rest), percent(training)
    if own - so >= least_gain and surely(rest, training) > least_z then
        return "", ("%s is right about %.1f %% of %d test pictures at rest, and about %.1f %% in training mode, as it would teach (%s); leave that out")
            :format(called, own, #rest, so, why)
    end
    return ("; in training mode, as it teaches (%s), about %.1f %%"):format(why, so)
end

-- A teacher whose answers no label can judge: a remark, and what is wrong with it where it is expected to be right. classes: of the student.
function preflight.unjudged(called, outputs, classes, expect)
    local why = ("%s has %d outputs, the student %d classes"):format(called, outputs, classes)
    if expect then return nil, ("%s: what its card says, %.1f (expect), cannot be judged"):format(why, expect) end
    return why .. ": not judged on test pictures"
end

-- What there is to say of teachers that are not judged: adds to lines and to defects.
local function pass_over(e, said, wrong)
    for _, t in ipairs(e.settings.teachers) do
        local known, why, model = steps.knows_classes(e, t), unrest(e, t), t.settings.model
        if has_weights(t) and not known then
            said[#said + 1], wrong[#wrong + 1] = preflight.unjudged(called(t), model.classes, e.settings.student.classes, model.settings.expect)
        end
        if why and not (has_weights(t) and known) then said[#said + 1] = ("%s teaches in training mode (%s)"):format(called(t), why) end
    end
end

-- What a teacher is expected to be right about: by its script, or by its own file, where that speaks of the same pictures.
local function card_of(self, t)
    local s, e = t.settings.model.settings, self.e
    if s.expect then return s end
    local file = weights.open(archive.weights(s.weights, self.options.out))
    local notes = file:notes()
    file:free()
    return { expect = card.accuracy(notes, e.settings.data, e.settings.student), tolerance = s.tolerance, says = "its file says %.1f (top1)" }
end

-- What is found about one that can be judged: adds to lines and to defects. right, count: of measure.
local function look(self, t, right, count, said, wrong)
    local e, lists, used = self.e, {}, used_by(self.e, t)
    for _, as in ipairs(normalisations(t)) do lists[as] = right[t:called() .. "_" .. as] end
    local own, why, remark, restless = percent(lists[used]), unrest(e, t), "", nil
    if why then remark, restless = preflight.restless(called(t), why, lists[used], right[t:called() .. "_training"]) end
    said[#said + 1] = ("%s is right about %.1f %% of %d test pictures%s%s"):format(called(t), own, count,
        preflight.chance(own, count, e.settings.student.classes), remark)
    wrong[#wrong + 1] = preflight.defect(called(t), used, lists, card_of(self, t))
    wrong[#wrong + 1] = restless
end

-- Looks at all teachers of a run that is about to begin. Returns lines that say what was found.
function preflight.run(self)
    local e, said, wrong = self.e, {}, {}
    local n, list = e.settings.preflight, judged(e)
    if n == 0 then return {} end
    pass_over(e, said, wrong)
    if #list > 0 then
        local batch = math.min(e.settings.batch, n, e.settings.data:split("test").count)
        local program = compile(self, list, batch)
        local right, count = measure(self, program, list, n, batch)
        program:free()
        for _, t in ipairs(list) do look(self, t, right, count, said, wrong) end
    end
    for i, line in ipairs(wrong) do wrong[i] = line .. " (--no-preflight goes on all the same)" end
    if #wrong > 0 then errors.raise("data", wrong, e.where) end
    return said
end

return preflight
