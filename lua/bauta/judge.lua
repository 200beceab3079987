-- judge: what the parts of an experiment must have in common, and settings that say nothing beside others: a list of sentences, found while
-- a script describes.
local augmentation = require "bauta.augmentation"
local check = require "bauta.check"
local errors = require "bauta.errors"
local keep = require "bauta.keep"
local plugin = require "bauta.plugin"
local recipe = require "bauta.recipe"
local selection = require "bauta.selection"
local shadow = require "bauta.probe.shadow"
local teacher = require "bauta.teacher"

local judge = {}

-- ---- teachers ----

local function compares_logits(losses)
    for _, loss in ipairs(losses) do
        for _, need in ipairs(loss.plugin.needs or {}) do
            if need == "teacher.logits" then return true end
        end
    end
end

-- t: one teacher of the experiment; alone: the losses of the experiment are its own as well.
local function judge_teacher(s, t, alone, lines)
    local a, own = t:arch(s.student), t.settings
    local losses = #own.losses > 0 and own.losses or alone and s.losses or {}
    if a.classes ~= s.student.classes and compares_logits(losses) then
        lines[#lines + 1] = ("%s has %d classes, student %d; losses that compare logits need equal counts"):format(own.name,
            a.classes, s.student.classes)
    end
    if t:fp8() and t:averaged() then
        lines[#lines + 1] = ('%s = fp8: %s is an average of the student, whose weights change at each step, and FP8 codes are made once; "run" expected'):format(
            t.alone and "teacher_precision" or ("teachers.%s.precision"):format(own.name), own.name)
    end
    if own.training and (a.settings.drop_path or 0) == 0 then
        lines[#lines + 1] = ("%s = true has no effect: the drop_path of %s (%s) is 0"):format(
            t.alone and "teacher_training" or ("teachers.%s.training"):format(own.name), own.name, a.name)
    end
    local who = t:who()
    if who ~= "teacher" and not alone then
        lines[#lines + 1] = ("teachers.%s.mask.who = %s: the student is masked for one teacher only, and there are %d")
            :format(own.name, errors.show(who), #s.teachers)
    end
    if who == "both" and (a.grid_rows ~= s.student.grid_rows or a.grid_columns ~= s.student.grid_columns) then
        lines[#lines + 1] = ('mask.who = "both": %s has %dx%d patches, student %dx%d; equal grids expected'):format(own.name,
            a.grid_rows, a.grid_columns, s.student.grid_rows, s.student.grid_columns)
    end
end

local function judge_keep(e, t, lines)
    local s, mask, whom = e.settings, t.settings.mask, t:who() == "student" and e.settings.student or t:arch(e.settings.student)
    local before, epochs = nil, e:epochs()
    if mask.name ~= "none" and mask.settings.keep == "all" and not mask.given.keep then
        lines[#lines + 1] = ('mask %s.keep is missing: a share (0.5), a count (98), a label ("50%%"), or "all" where every patch is meant to be seen'):format(mask.name)
    end
    lines[#lines + 1] = keep.unreached(mask.settings.keep, epochs, "mask.keep")
    for epoch = 0, math.ceil(epochs) - 1 do
        local v = keep.at(mask.settings.keep, epoch, epochs)
        if v ~= before then
            local n, why = keep.count(v, whom.grid_rows, whom.grid_columns, "mask.keep")
            if not n then lines[#lines + 1] = why end
            if mask.name == "none" and n and n < whom.patches then
                lines[#lines + 1] = ("mask none keeps every patch; keep = %s wants another criterion"):format(errors.show(v))
            end
            if n and mask.settings.ranked ~= nil then
                lines[#lines + 1] = select(2, selection.ranked_count(mask.settings, n, whom.grid_rows, whom.grid_columns))
            end
            if #lines > 0 then return end
        end
        before = v
    end
end

-- A name that a teacher gives to itself, to what its criterion asks or to a shadow, and that another gives too; nil when there is none.
local function common_name(a, b, shadows)
    local own = {}
    for _, name in ipairs(a:names(shadows)) do own[name] = true end
    for _, name in ipairs(b:names(shadows)) do
        if own[name] then return name end
    end
end

local function judge_names(s, lines)
    for i, b in ipairs(s.teachers) do
        for j = 1, i - 1 do
            local one, other = s.teachers[j].settings.name, b.settings.name
            local shared = common_name(s.teachers[j], b, #s.shadow)
            if one == other then lines[#lines + 1] = ("teachers: two are called %s"):format(one)
            elseif shared then
                lines[#lines + 1] = ("teachers: %s and %s would both call something %s; another name expected"):format(one, other, shared)
            end
        end
    end
end

-- Averages of the student: their settings say nothing of other teachers, and there is one average only.
local function judge_averages(s, lines)
    local first
    for _, t in ipairs(s.teachers) do
        local own = t.settings
        for _, row in ipairs(t:averaged() and {} or teacher.momentum_rows) do
            if own[row.name] ~= row.default then
                lines[#lines + 1] = ('%s.%s = %s has no effect: it is no average of the student (model "ema")'):format(own.name, row.name,
                    errors.show(own[row.name]))
            end
        end
        if t:averaged() and first and (own.momentum ~= first.momentum or own.momentum_end ~= first.momentum_end) then
            lines[#lines + 1] = ("teachers %s and %s are one average of the student; equal momentum expected"):format(first.name, own.name)
        end
        first = first or t:averaged() and own or nil
    end
end

-- Losses between labels and the student.
local of_labels = { ["cross-entropy"] = true, ["binary-cross-entropy"] = true }

-- Whether a loss may have to do with a teacher of that name. speaks: whether it is the one that the loss calls "teacher".
local function concerns(loss, name, speaks)
    for _, v in pairs(loss.settings) do -- as compress-2q names one
        if v == name or speaks and v == "teacher" then return true end
    end
    if loss.plugin.define then return true end -- may ask for any
    if of_labels[loss.name] or not speaks then return false end
    local needs = loss.plugin.needs or {}
    for _, need in ipairs(needs) do
        if need:find "^teacher%." then return true end
    end
    return loss.settings.statistics ~= nil or #needs == 0 -- of its embeddings; a plugin that does not say
end

local function any_concerns(losses, name, speaks)
    for _, loss in ipairs(losses) do
        if concerns(loss, name, speaks) then return true end
    end
    return false
end

-- Whether anything that is not a teacher's own speaks of it: the experiment's losses, those of other teachers, criteria in Lua; or whether what the
-- student is shown is chosen with it.
local function is_named(s, t)
    local name = t.settings.name
    if any_concerns(s.losses, name, #s.teachers == 1) then return true end
    if #s.teachers == 1 then return t:who() ~= "teacher" end
    for _, other in ipairs(s.teachers) do
        if other.settings.mask.plugin.define or any_concerns(other.settings.losses, name, false) then return true end
    end
    return false
end

local function names_of(losses)
    local out = {}
    for i, loss in ipairs(losses) do out[i] = loss.name end
    return #out > 0 and table.concat(out, ", ") or "none"
end

-- What is learned from a teacher.
local function judge_lessons(s, t, lines)
    local own = t.settings
    local where = t.alone and "the teacher" or "teachers." .. own.name
    if #own.losses > 0 and not any_concerns(own.losses, own.name, true) then
        lines[#lines + 1] = ("%s: none of its losses (%s) needs a teacher: nothing would be learned from it"):format(where, names_of(own.losses))
    elseif #own.losses == 0 and not is_named(s, t) then
        lines[#lines + 1] = #s.teachers == 1 and
            ('%s: none of the losses (%s) needs it: nothing would be learned from it; bauta.loss "logit" {}, say, among them expected, or bauta.train without a teacher')
            :format(where, names_of(s.losses))
            or ("%s has no losses, and no other loss names it: nothing would be learned from it"):format(where)
    end
    if #own.losses == 0 and own.weight ~= 1 then
        lines[#lines + 1] = ("teachers.%s.weight = %s has no effect: it has no losses of its own"):format(own.name, errors.show(own.weight))
    end
end

local function judge_teachers(e, lines)
    local s = e.settings
    judge_names(s, lines)
    judge_averages(s, lines)
    for _, t in ipairs(s.teachers) do
        judge_lessons(s, t, lines)
        judge_teacher(s, t, #s.teachers == 1, lines)
        judge_keep(e, t, lines)
    end
end

-- ---- the whole ----

-- Losses that take every class of a soft target as a full yes.
local function judge_targets(e, lines)
    local mixing = e.settings.mixing
    for _, l in ipairs(e:losses()) do
        local name, binary = l.loss.name, l.loss.settings.binary
        if name == "binary-cross-entropy" and binary and mixing and mixing.smoothing > 0 then
            lines[#lines + 1] = ("loss %s.binary: mixing.smoothing = %s makes every class a target; smoothing = 0 expected"):format(name, errors.show(mixing.smoothing))
        elseif name == "binary-cross-entropy" and not binary and not mixing then
            lines[#lines + 1] = ("loss %s.binary = false has no effect: nothing is mixed"):format(name)
        end
    end
end

local function judge_weights(e, lines)
    for _, l in ipairs(e:losses()) do
        if (l.loss.settings.weight or 1) * l.weight ~= 0 then return end
    end
    lines[#lines + 1] = "every loss has weight 0: nothing would be learned"
end

-- Losses that make sense of some pictures only: of several views, of pictures that both models see the same part of.
local function judge_sight(e, lines)
    for _, l in ipairs(e:losses()) do
        local name, t = l.loss.name, l.teacher
        if name == "dino" and not e.settings.views then
            lines[#lines + 1] = "loss dino: views = bauta.views {...} expected: it compares several crops of each picture"
        elseif name == "g2sd" and t and t:who() ~= "both" then
            lines[#lines + 1] = ('loss g2sd: a mask with who = "both" expected, %s is given: student and teacher see the same few patches, and the others are learned'):format(
                t:masked() and ("%swho = %s"):format(t.alone and "mask." or ("teachers.%s.mask."):format(t.settings.name), errors.show(t:who())) or "none")
        end
    end
end

local function judge_freeze(e, lines)
    local s, frozen = e.settings, e:resting()
    if s.freeze_epochs and not s.freeze then lines[#lines + 1] = ("freeze_epochs = %d: freeze = beginnings of names expected as well"):format(s.freeze_epochs) end
    lines[#lines + 1] = frozen and not e:minutes() and e:resting_defect() or nil
end

-- What bounds a run: epochs, steps or minutes.
local function judge_length(e, lines)
    local s = e.settings
    if e:minutes() and e.total then
        lines[#lines + 1] = ("steps = %d and minutes = %s: one of them expected (0: not given)"):format(s.steps, errors.show(s.minutes))
    end
    for name, bound in pairs { steps = e.total, minutes = e:minutes() } do
        if bound and e.said.epochs > 0 and e.said.epochs >= e.said[name] then -- what the command line says stands instead of the script's epochs
            lines[#lines + 1] = ("epochs = %d has no effect beside %s = %s: one of them expected (%s = 0: not given)"):format(s.epochs, name,
                errors.show(s[name]), name)
        end
    end
    for _, t in ipairs(s.teachers) do
        if e:minutes() and check.class_of(t.settings.mask.settings.keep) == "keep" then
            lines[#lines + 1] = "minutes: how many epochs they hold is not known yet, and keep changes over the epochs; epochs or steps expected"
        end
    end
    if not e:minutes() then lines[#lines + 1] = s.schedule:defect(e:epochs(), s.optimiser:peak(s.batch)) end
end

-- The data's settings where the script says nothing: the defaults, or what the recipe says, which is meant for pictures of any size.
local function usual(s)
    local out, kind = plugin.defaults "data", recipe.kinds[s.recipe]
    for k, v in pairs(kind and kind.data or {}) do out[k] = v end
    return out
end

local seen = { [1] = "spectrograms", [3] = "pictures" }

-- Whether the models see what the data gives.
local function judge_channels(s, lines)
    local models = { { "student", s.student } }
    for _, t in ipairs(s.teachers or {}) do models[#models + 1] = { t.settings.name, t:arch(s.student) } end
    for _, m in ipairs(models) do
        if m[2].channels ~= s.data.channels then
            lines[#lines + 1] = ("data %s gives %s, and %s (%s) sees %s"):format(s.data.name, seen[s.data.channels], m[1], m[2].name,
                seen[m[2].channels] or m[2].channels .. " channels")
        end
    end
    if s.data.channels == 3 and s.student.channels == 3 and s.student.image_rows ~= s.student.image_columns then
        lines[#lines + 1] = ("student %s sees pictures of %d rows and %d columns, and data %s gives square ones; a teacher may see such pictures, resized"):format(
            s.student.name, s.student.image_rows, s.student.image_columns, s.data.name)
    end
    if s.data.channels == 1 and s.views then lines[#lines + 1] = "views are crops of pictures, and data " .. s.data.name .. " gives spectrograms" end
end

-- What is wrong with an experiment: a list of sentences.
function judge.experiment(e)
    local s, lines = e.settings, {}
    judge_length(e, lines)
    judge_freeze(e, lines)
    lines[#lines + 1] = s.optimiser:defect()
    lines[#lines + 1] = s.mixing and s.mixing:defect(s.batch % s.micro == 0 and s.batch / s.micro or s.batch)
    lines[#lines + 1] = s.batch % s.micro ~= 0 and ("micro = %d: a batch of %d does not fall into so many equal parts"):format(s.micro, s.batch) or nil
    lines[#lines + 1] = s.micro > 1 and s.views and "micro and views exclude each other: the views of a picture lie apart in the batch" or nil
    lines[#lines + 1] = s.views and (s.mixing and "views and mixing exclude each other" or s.views:defect(s.student)) or nil
    augmentation.defects(s.data, s.views and plugin.defaults "data" or usual(s), s.student.image_rows, s.views, lines)
    judge_targets(e, lines)
    judge_weights(e, lines)
    judge_sight(e, lines)
    judge_channels(s, lines)
    if e.kind == "distill" then judge_teachers(e, lines) end
    return e.kind == "distill" and #lines == 0 and shadow.defects(e) or lines
end

return judge
