-- experiment: bauta.train and bauta.distill as descriptions: what a script returns, checked and complete, before anything of it
-- is made.
local changes = require "bauta.changes"
local check = require "bauta.check"
local errors = require "bauta.errors"
local fp8 = require "bauta.fp8"
local judge = require "bauta.judge"
local optimiser = require "bauta.optimiser"
local plugin = require "bauta.plugin"
local recipe = require "bauta.recipe"
local schedule = require "bauta.schedule"
local shadow = require "bauta.probe.shadow"
local teacher = require "bauta.teacher"

local experiment = {}
local Experiment = { class = "experiment" }
Experiment.__index = Experiment

local most_epochs = 100000

local function name_judge(v)
    if type(v) ~= "string" then return nil, "is " .. errors.show(v) end
    if v == "" then return nil, "is empty" end
    for part in (v .. "/"):gmatch("([^/]*)/") do
        if not part:find("^[A-Za-z0-9_-][A-Za-z0-9._-]*$") then return nil, "cannot be a folder" end
    end
    return v
end
experiment.name_judge = name_judge

local function seed_judge(v)
    if type(v) == "string" and v:find("^%d+$") and #v <= 19 then return v end
    if type(v) ~= "number" then return nil, "is " .. errors.show(v) end
    if v ~= v or v < 0 or v == math.huge or v ~= math.floor(v) then return nil, "" end
    if v > 2 ^ 53 then return nil, "cannot be exact in Lua; write it as a string" end
    return v
end

local common = {
    { name = "name", type = "any", accept = name_judge, what = "a name of letters, digits, '.', '_', '-' and '/'",
        doc = "the run's folder below --out" },
    { name = "data", type = "data", doc = "what is learned from" },
    { name = "student", type = "arch", doc = "the model that is trained" },
    { name = "recipe", type = "string", optional = true, doc = "how a paper trains, by name (bauta recipes): settings that are not given here" },
    { name = "losses", type = "list of loss", default = {}, doc = "what is minimised, summed; none: cross-entropy, or what the recipe says" },
    { name = "optimiser", type = "optimiser", optional = true, doc = 'default: bauta.optimiser "adamw" {}' },
    { name = "schedule", type = "schedule", optional = true, doc = 'of the learning rate; default: bauta.schedule "cosine-shifted" {}' },
    { name = "mixing", type = "mixing", optional = true, doc = "bauta.mixing {...}: mixup and CutMix; left out: none" },
    { name = "views", type = "views", optional = true, doc = "bauta.views {...}: several crops of each picture (DINO); left out: one" },
    { name = "trains", type = "string", default = "all", filled = true,
        doc = "beginnings of the names of the weights that are trained, commas between (head); all: every one. When a part is " ..
            "frozen the student runs as in evaluation" },
    { name = "freeze", type = "string", optional = true, filled = true,
        doc = "beginnings of names of the student's weights that rest in the first epochs, commas between (head.last_layer, DINO); left out: none" },
    { name = "freeze_epochs", type = "int", optional = true, min = 1, max = most_epochs, unit = "epochs", doc = "of freeze: how many; left out: 1" },
    { name = "head_deviation", type = "float", optional = true, min = 1e-9, max = 10,
        doc = "the student's class head begins anew, whatever its weights file has: normal with this deviation, biases 0; left out: as the file or the architecture has it" },
    { name = "epochs", type = "int", default = 100, min = 1, max = most_epochs, doc = "passes over the training data" },
    { name = "steps", type = "int", optional = true, min = 0, max = 2 ^ 40, doc = "instead of epochs: so many optimiser steps; 0, or left out: as many as the epochs have" },
    { name = "minutes", type = "float", optional = true, min = 0, max = 1e6, unit = "minutes",
        doc = "instead of epochs: as many steps as this time holds, counted in a rehearsal before the first; 0, or left out: not bounded" },
    { name = "batch", type = "int", default = 128, min = 1, max = 65536, unit = "images", doc = "images of a step" },
    { name = "micro", type = "int", default = 1, min = 1, max = 1024,
        doc = "parts of a batch that run one after the other, their gradients averaged: less memory; mixing, queues and contrasts see a part" },
    { name = "recompute", type = "choice", default = "none", choices = { "none", "blocks" }, same_numbers = true,
        doc = "blocks: what the student's blocks compute is not kept for the backward pass but computed again: less memory, more FLOPs, the same bits" },
    { name = "seed", type = "any", default = 0, accept = seed_judge, what = "an integer of at least 0",
        doc = "of every random stream" },
    { name = "precision", type = "choice", default = "fp32", choices = { "fp32", "tf32", "bf16" },
        doc = "of activations and matrix products; tf32: fp32, but that products round their factors to 10 bits of mantissa" },
    { name = "ema", type = "float", default = 0, min = 0, max = 0.9999999,
        doc = "decay of the averaged weights, evaluated besides; 0: none" },
    { name = "evaluate_every", type = "int", default = 1, min = 1, max = most_epochs, unit = "epochs",
        doc = "and after the last" },
    { name = "checkpoint_every", type = "int", default = 1, min = 1, max = most_epochs, unit = "epochs",
        doc = "and after the last" },
    { name = "knn", type = "int", optional = true, min = 1, max = 2 ^ 20, unit = "neighbours",
        doc = "at the end the student's class tokens are judged by so many nearest training pictures (column knn_top1); left out: not" },
    { name = "after_epoch", type = "function", optional = true, doc = "a hook: called with the run after each epoch" },
    { name = "overlays", type = "int", default = 8, min = 0, max = 64, unit = "pictures",
        doc = "test pictures drawn with what the teacher was shown" },
}

local function with(extra)
    local out = {}
    for _, row in ipairs(common) do out[#out + 1] = row end
    for _, row in ipairs(extra) do out[#out + 1] = row end
    return out
end

experiment.rows = {
    train = with {},
    distill = with {
        { name = "teacher", type = "any", optional = true, accept = teacher.model_judge, what = teacher.model_what,
            doc = 'the model that teaches; "ema": the average of the student\'s own weights' },
        { name = "mask", type = "mask", optional = true, doc = 'what the teacher sees; default: bauta.mask "none" {}' },
        { name = "reducer", type = "reducer", optional = true, doc = "takes tokens away inside the teacher's blocks" },
        { name = "teacher_training", type = "bool", optional = true,
            doc = "true: the teacher's stochastic depth (drop_path) is on while the student trains, as in the released code of ViTKD" },
        { name = "teacher_precision", type = "any", optional = true, accept = fp8.judge, what = fp8.what,
            doc = "of the linear layers in the teacher's blocks: fp8 (E4M3), calibrated and held against itself before the first step; left out, or run: the run's" },
        { name = "preflight", type = "int", default = 256, min = 0, max = 2 ^ 31, unit = "pictures",
            doc = "test pictures on which teachers are judged before the first step; 0: none" },
        { name = "teachers", type = "list of teacher", default = {}, doc = "instead of teacher and mask: several" },
        shadow.rows[1], shadow.rows[2],
        teacher.momentum_rows[1], teacher.momentum_rows[2],
    },
}

-- The short form (teacher, mask) becomes a list of one.
local function complete_teachers(s)
    if #s.teachers == 0 then
        if not s.teacher then errors.raise("arg", "distill.teacher is missing; expected " .. teacher.model_what ..
            ", or a list of bauta.teacher {...} as teachers") end
        s.teachers = { teacher.only(s) }
        s.mask = s.teachers[1].settings.mask
        return
    end
    for _, name in ipairs { "teacher", "mask", "reducer", "teacher_training", "teacher_precision" } do
        if s[name] then errors.raise("arg", ("distill: teachers and %s are both given; one of them expected"):format(name)) end
    end
    for _, row in ipairs(teacher.momentum_rows) do
        if s[row.name] ~= row.default then
            errors.raise("arg", ("distill.%s = %s has no effect: each of the teachers has its own"):format(row.name, errors.show(s[row.name])))
        end
    end
end

-- The name of descriptions that give none; a grid names its cells itself.
experiment.default_name = nil

-- Whose word a setting is: 2 the command line's, 1 the script's, 0 nobody's.
local function said_by(given, setting)
    local own = type(given) == "table" and given or {}
    return changes.sets(setting, own.name) and 2 or own[setting] ~= nil and 1 or 0
end

local function new(kind, given)
    if type(given) == "table" and given.name == nil then given.name = experiment.default_name end
    local said = { epochs = said_by(given, "epochs"), steps = said_by(given, "steps"), minutes = said_by(given, "minutes") }
    local named = changes.early("recipe", type(given) == "table" and given.name) or type(given) == "table" and given.recipe
    if named and type(given) == "table" then given = recipe.filled(named, given) end
    local s = check.settings(experiment.rows[kind], given, kind)
    s.optimiser = s.optimiser or optimiser.new("adamw")
    s.schedule = s.schedule or schedule.new("cosine-shifted")
    if kind == "distill" and #s.teachers == 0 then s.mask = s.mask or plugin.describe("mask", "none") end
    changes.apply(experiment.rows[kind], s)
    if s.teacher_precision == "run" then s.teacher_precision = nil end
    s.teacher_training = s.teacher_training or nil
    local own = 0
    for _, t in ipairs(s.teachers or {}) do own = own + #t.settings.losses end
    if #s.losses == 0 and own == 0 then s.losses = { plugin.describe("loss", recipe.loss(s.recipe)) } end
    if kind == "distill" then complete_teachers(s) else s.teachers = {} end
    local self = setmetatable({ kind = kind, settings = s, where = errors.position(), said = said }, Experiment)
    if s.steps and s.steps > 0 then self.total = s.steps end
    local lines = judge.experiment(self)
    if #lines > 0 then errors.raise("arg", lines) end
    return self
end

function experiment.train(given) return new("train", given) end
function experiment.distill(given) return new("distill", given) end

-- ---- what follows from the settings ----

-- Steps of an epoch. Opens the training data.
function Experiment:per_epoch() return math.max(1, math.floor(self.settings.data:split("train").count / self.settings.batch)) end

-- The minutes that bound the run, or nil.
function Experiment:minutes()
    local m = self.settings.minutes
    return m and m > 0 and m or nil
end

-- So many steps are its length from now on; it was bound by minutes.
function Experiment:settle(steps)
    self.total = steps
    local s = self.settings
    local why = s.schedule:defect(self:epochs(), s.optimiser:peak(s.batch)) or self:resting_defect()
    if why then errors.raise("arg", ("%s (%d steps fit into %g minutes)"):format(why, steps, self:minutes()), self.where) end
end

-- The weights that rest in the first epochs, { names (beginnings), epochs }; nil: none.
function Experiment:resting()
    local s = self.settings
    return s.freeze and { names = s.freeze, epochs = s.freeze_epochs or 1 } or nil
end

-- What is wrong with them in a run as long as this one.
function Experiment:resting_defect()
    local frozen = self:resting()
    if frozen and frozen.epochs >= self:epochs() then
        return ("freeze = %s: for %d epochs of the %s that the run has; less expected (trains leaves weights out for good)"):format(
            errors.show(frozen.names), frozen.epochs, errors.show(self:epochs()))
    end
end

-- Epochs of the run, not a whole number where steps bound it; 1 where minutes do, as long as their steps have not been counted.
function Experiment:epochs()
    if self.total then return self.total / self:per_epoch() end
    return self:minutes() and 1 or self.settings.epochs
end

-- The same with the last one counted whole.
function Experiment:whole_epochs() return self.total and math.ceil(self.total / self:per_epoch()) or self:epochs() end

-- How long it is, for people.
function Experiment:length()
    if self.total then return ("%d steps (%.3g epochs)"):format(self.total, self:epochs()) end
    return self:minutes() and ("%g minutes (of which one epoch is counted here)"):format(self:minutes()) or ("%d epochs"):format(self.settings.epochs)
end

-- The architecture that the criterion of a teacher masks: its own, or the student's.
function Experiment:masked(t)
    local student = self.settings.student
    return t:who() == "student" and student or t:arch(student)
end

-- Kept patches of a teacher (the first one's when left out) in an epoch (from 0); nil when nothing is masked.
function Experiment:kept(t, epoch)
    t = t or self.settings.teachers[1]
    if not t then return nil end
    return t:count(self:masked(t), epoch, self:epochs())
end

-- The epochs of the run in stretches with equal counts of kept patches and equal weights at rest: { first, epochs }; one program is compiled for
-- each. (Of a run bound by minutes as many as may be.)
function Experiment:phases()
    local out, before, frozen = {}, nil, self:resting()
    for epoch = 0, math.max(self:whole_epochs(), frozen and frozen.epochs + 1 or 0) - 1 do
        local counts = { frozen and epoch < frozen.epochs and "frozen" or "" }
        for i, t in ipairs(self.settings.teachers) do counts[i + 1] = self:kept(t, epoch) or 0 end
        local now = table.concat(counts, " ")
        if now ~= before then out[#out + 1] = { first = epoch, epochs = 0 } end
        out[#out].epochs, before = out[#out].epochs + 1, now
    end
    return out
end

-- All losses: { loss, column, label (of its learned tensors), teacher (or nil), weight }. The experiment's own losses speak of
-- the teacher when there is one only.
function Experiment:losses()
    local short, out, used = { ["cross-entropy"] = "ce", ["binary-cross-entropy"] = "bce", logit = "kd" }, {}, {}
    local function add(list, prefix, t, weight)
        for i, loss in ipairs(list) do
            local column = "loss_" .. (prefix and prefix .. "_" or "") .. (short[loss.name] or loss.name:gsub("%-", "_"))
            used[column] = (used[column] or 0) + 1
            out[#out + 1] = { loss = loss, teacher = t, weight = weight,
                column = used[column] > 1 and column .. "_" .. used[column] or column,
                label = (prefix and prefix .. "-" or "") .. loss.name .. (i > 1 and "-" .. i or "") }
        end
    end
    local list = self.settings.teachers
    add(self.settings.losses, nil, #list == 1 and list[1] or nil, 1)
    for _, t in ipairs(list) do add(t.settings.losses, not t.alone and t.settings.name or nil, t, t.settings.weight) end
    return out
end

-- Every setting with its default, as a plain table: the run's log, and what a resumed run is compared with.
function Experiment:record()
    local s, out = self.settings, { kind = self.kind }
    local function records(list)
        local all = {}
        for i, one in ipairs(list) do all[i] = one:record() end
        return all
    end
    for _, row in ipairs(experiment.rows[self.kind]) do
        local v = s[row.name]
        local class = check.class_of(v)
        if class == "optimiser" or class == "schedule" or class == "mixing" or class == "views" or class == "fp8" then out[row.name] = v:describe()
        elseif class then out[row.name] = v:record()
        elseif row.name == "teachers" then
            if not s.teacher then out.teachers = records(v) end
        elseif row.type:find "^list of" then out[row.name] = records(v)
        elseif type(v) ~= "function" and row.name ~= "name" and row.name ~= "recipe" then out[row.name] = v end
    end
    return out
end

-- Settings that say how a run is computed and change no number of it, by name.
function Experiment:harmless()
    local out = {}
    for _, row in ipairs(experiment.rows[self.kind]) do
        if row.same_numbers then out[#out + 1] = row.name end
    end
    return out
end

-- The frozen models of a run: { who (its store), arch, part (how messages call it) }.
function Experiment:frozen()
    local out = {}
    for _, t in ipairs(self.settings.teachers) do
        local helper = t.settings.mask.settings.model
        if not t:averaged() then
            out[#out + 1] = { who = t:called(), arch = t.settings.model,
                part = t.alone and "teacher" or "teacher " .. t:called() }
        end
        if helper then out[#out + 1] = { who = t:called "auxiliary", arch = helper, part = "the criterion's model" } end
    end
    return out
end

-- Runs whose weights it takes: { part, run }.
function Experiment:weights_runs()
    local out = {}
    local function look(part, arch)
        local w = arch.settings.weights
        if check.class_of(w) == "experiment" then out[#out + 1] = { part = part, run = w } end
    end
    look("student", self.settings.student)
    for _, m in ipairs(self:frozen()) do look(m.part, m.arch) end
    return out
end

-- The paths of its settings that --set takes.
function Experiment:paths() return changes.paths(experiment.rows[self.kind], self.settings) end

function Experiment:path() return self.folder or self.settings.name end

experiment.Experiment = Experiment
return experiment
