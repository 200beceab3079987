-- preflight: before the first step, a look at what the teachers know. A teacher that is worse than its card says, or that would be
-- clearly better with its pixels normalised otherwise, stops the run with one line (--no-preflight goes on).
local errors = require "bauta.errors"
local pictures = require "bauta.pictures"
local steps = require "bauta.steps"
local stores = require "bauta.step.stores"

local preflight = {}

local least_gain, least_z = 2, 3 -- another normalisation must be better by so many percentage points, and so surely
local of_pictures, of_spectrograms = { "imagenet", "half", "none", "clip" }, { "audio", "none" }
local function normalisations(t) return t.settings.model.channels == 1 and of_spectrograms or of_pictures end

-- Three standard deviations of a share measured on n pictures, in percentage points.
local function doubt(percent, n)
    local p = math.min(math.max(percent / 100, 0.5 / n), 1 - 0.5 / n)
    return 300 * math.sqrt(p * (1 - p) / n)
end

-- The teachers that can be judged: those with weights of their own whose classes are the data's.
local function judged(e)
    local out = {}
    for _, t in ipairs(e.settings.teachers) do
        if not t:averaged() and t.settings.model.settings.weights and steps.knows_classes(e, t) then out[#out + 1] = t end
    end
    return out
end

-- One program that asks every teacher with every normalisation. Fetched: NAME_NORMALISATION, right or not, a number per picture.
local function compile(self, list, batch)
    local e = self.e
    local b = steps.builder(e, self.device, batch)
    for _, t in ipairs(list) do
        for _, as in ipairs(normalisations(t)) do
            local who = t:called() .. "_" .. as
            local answer = b:model(who, t.settings.model, { store = stores.of(self.stores, t), as = as })
            b:fetch(who, b:op("correct", { answer, b:signal("batch", "labels") }, { top = 1 }))
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
        program:run()
        for _, t in ipairs(list) do
            for _, as in ipairs(normalisations(t)) do
                local who = t:called() .. "_" .. as
                local v = program:view(who)
                right[who] = right[who] or {}
                for i = 0, b.count - 1 do table.insert(right[who], v[i]) end
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
-- card: { expect, tolerance }.
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
        return ("%s is right about %.1f %% of %d test pictures; its card says %.1f (expect), tolerance %.1f"):format(called, own, n,
            card.expect, card.tolerance)
    end
end

-- Looks at all teachers of a run that is about to begin. Returns lines that say what was found.
function preflight.run(self)
    local e, list = self.e, judged(self.e)
    local n = e.settings.preflight
    if n == 0 or #list == 0 then return {} end
    local batch = math.min(e.settings.batch, n, e.settings.data:split("test").count)
    local program = compile(self, list, batch)
    local right, count = measure(self, program, list, n, batch)
    program:free()
    local said, wrong = {}, {}
    for _, t in ipairs(list) do
        local lists, used = {}, t.settings.model.settings.normalise or e.settings.data.settings.normalise
        local called = t.alone and "the teacher" or "teacher " .. t:called()
        for _, as in ipairs(normalisations(t)) do lists[as] = right[t:called() .. "_" .. as] end
        said[#said + 1] = ("%s is right about %.1f %% of %d test pictures%s"):format(called, percent(lists[used]), count,
            preflight.chance(percent(lists[used]), count, e.settings.student.classes))
        wrong[#wrong + 1] = preflight.defect(called, used, lists, t.settings.model.settings)
    end
    for i, line in ipairs(wrong) do wrong[i] = line .. " (--no-preflight goes on all the same)" end
    if #wrong > 0 then errors.raise("data", wrong, e.where) end
    return said
end

return preflight
