-- experiment: bauta.train, bauta.distill and bauta.suite as descriptions: what a script returns, checked and complete, before
-- anything of it is made.
local check = require "bauta.check"
local errors = require "bauta.errors"
local optimiser = require "bauta.optimiser"
local plugin = require "bauta.plugin"
local schedule = require "bauta.schedule"

local experiment = {}
local Experiment = { class = "experiment" }
local Suite = { class = "suite" }
Experiment.__index, Suite.__index = Experiment, Suite

local most_epochs = 100000

local function name_judge(v)
    if type(v) ~= "string" then return nil, "is " .. errors.show(v) end
    if v == "" then return nil, "is empty" end
    for part in (v .. "/"):gmatch("([^/]*)/") do
        if not part:find("^[A-Za-z0-9_-][A-Za-z0-9._-]*$") then return nil, "cannot be a folder" end
    end
    return v
end

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
    { name = "losses", type = "list of loss", default = {}, doc = "what is minimised, summed; none: cross-entropy" },
    { name = "optimiser", type = "optimiser", optional = true, doc = 'default: bauta.optimiser "adamw" {}' },
    { name = "schedule", type = "schedule", optional = true, doc = 'of the learning rate; default: bauta.schedule "cosine" {}' },
    { name = "epochs", type = "int", default = 100, min = 1, max = most_epochs, doc = "passes over the training data" },
    { name = "batch", type = "int", default = 128, min = 1, max = 65536, unit = "images", doc = "images of a step" },
    { name = "seed", type = "any", default = 0, accept = seed_judge, what = "an integer of at least 0",
        doc = "of every random stream" },
    { name = "precision", type = "choice", default = "fp32", choices = { "fp32", "bf16" },
        doc = "of activations and matrix products" },
    { name = "ema", type = "float", default = 0, min = 0, max = 0.9999999,
        doc = "decay of the averaged weights, evaluated besides; 0: none" },
    { name = "evaluate_every", type = "int", default = 1, min = 1, max = most_epochs, unit = "epochs",
        doc = "and after the last" },
    { name = "checkpoint_every", type = "int", default = 1, min = 1, max = most_epochs, unit = "epochs",
        doc = "and after the last" },
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
        { name = "teacher", type = "arch", doc = "the model that teaches" },
        { name = "mask", type = "mask", optional = true, doc = 'what the teacher sees; default: bauta.mask "none" {}' },
    },
}

-- What the command line wants changed: list of { key, value }, and which of them found their place.
local changes = {}
function experiment.set_changes(list) changes = list end

function experiment.unused_changes()
    local out = {}
    for _, c in ipairs(changes) do
        if not c.used then out[#out + 1] = c end
    end
    return out
end

local function copied(object)
    local out = {}
    for k, v in pairs(object) do out[k] = v end
    if object.settings then
        out.settings = {}
        for k, v in pairs(object.settings) do out.settings[k] = v end
        out.made = nil
    end
    return setmetatable(out, getmetatable(object))
end

local function row_of(rows, name)
    for _, row in ipairs(rows) do
        if row.name == name then return row end
    end
end

-- Sets a setting of an optimiser or schedule, or of a description, by text. Returns nil or what is wrong.
local function set_inner(object, key, text)
    if object.set then return object:set(key, text) end
    local rows = (object.class == "optimiser" and optimiser or schedule).kinds[object.kind].rows
    local row = row_of(rows, key)
    if not row then
        local names = {}
        for i, r in ipairs(rows) do names[i] = r.name end
        return ("%s.%s: %s"):format(object.class, key, errors.unknown("setting", key, names))
    end
    local v, why = check.text(row, text, object.class .. ".")
    if v == nil then return why end
    object[key] = v
end

local function change_loss(s, key, text)
    local name, inner = key:match("^([^.]+)%.(.+)$")
    local list, hit = {}, nil
    for i, loss in ipairs(s.losses) do
        list[i] = loss
        if loss.name == name and not hit then
            list[i], hit = copied(loss), i
        end
    end
    if not hit then return nil, false end
    s.losses = list
    return set_inner(list[hit], inner, text), true
end

-- Applies one --set to the settings of a run. Returns whether it has such a setting, and what is wrong.
local function change(rows, s, key, text)
    local part, inner = key:match("^([^.]+)%.(.+)$")
    if not part then
        local row = row_of(rows, key)
        if not row or (row.type ~= "any" and not ({ int = 1, float = 1, bool = 1, string = 1,
            choice = 1 })[row.type]) then return false end
        local v, why = check.text(row, text)
        if v == nil then return true, why end
        s[key] = v
        return true
    end
    if part == "losses" then
        local why, found = change_loss(s, inner, text)
        return found, why
    end
    local row = row_of(rows, part)
    if not row or not s[part] or type(s[part]) ~= "table" then return false end
    s[part] = copied(s[part])
    return true, set_inner(s[part], inner, text)
end

local function apply_changes(kind, s)
    for _, c in ipairs(changes) do
        if not c.by_script then -- a parameter of the script goes first
            local found, why = change(experiment.rows[kind], s, c.key, c.value)
            if why then errors.raise("arg", why, "--set " .. c.key) end
            c.used = c.used or found
        end
    end
end

-- ---- what the parts must have in common ----

local function judge_models(s, lines)
    local a, t = s.student, s.teacher
    if not t then return end
    if a.grid_rows ~= t.grid_rows or a.grid_columns ~= t.grid_columns then
        lines[#lines + 1] = ("teacher has %dx%d patches, student %dx%d; masks need equal grids"):format(t.grid_rows,
            t.grid_columns, a.grid_rows, a.grid_columns)
    end
    if a.image_rows ~= t.image_rows then
        lines[#lines + 1] = ("teacher takes images of %d pixels, student of %d; equal sizes expected"):format(t.image_rows,
            a.image_rows)
    end
    if a.classes ~= t.classes then
        lines[#lines + 1] = ("teacher has %d classes, student %d; losses that compare logits need equal counts")
            :format(t.classes, a.classes)
    end
end

local function judge(kind, s)
    local lines = {}
    judge_models(s, lines)
    local defect = s.schedule:defect(s.epochs)
    lines[#lines + 1] = defect
    if kind == "distill" then
        local keep = require "bauta.keep"
        local n, why = keep.count(s.mask.settings.keep, s.teacher.grid_rows, s.teacher.grid_columns, "mask.keep")
        if not n then lines[#lines + 1] = why end
        if s.mask.name == "none" and n and n < s.teacher.patches then
            lines[#lines + 1] = ("mask none keeps every patch; keep = %s wants another criterion")
                :format(errors.show(s.mask.settings.keep))
        end
    end
    return lines
end

local function new(kind, given)
    local s = check.settings(experiment.rows[kind], given, kind)
    s.optimiser = s.optimiser or optimiser.new("adamw")
    s.schedule = s.schedule or schedule.new("cosine")
    if kind == "distill" then s.mask = s.mask or plugin.describe("mask", "none") end
    if #s.losses == 0 then s.losses = { plugin.describe("loss", "cross-entropy") } end
    apply_changes(kind, s)
    local lines = judge(kind, s)
    if #lines > 0 then errors.raise("arg", lines) end
    return setmetatable({ kind = kind, settings = s, where = errors.position() }, Experiment)
end

function experiment.train(given) return new("train", given) end
function experiment.distill(given) return new("distill", given) end

-- The kept patches of the teacher, or nil when nothing is masked.
function Experiment:kept()
    local s = self.settings
    if self.kind ~= "distill" or s.mask.name == "none" then return nil end
    return s.mask:count(s.teacher)
end

-- Every setting with its default, as a plain table: the run's log, and what a resumed run is compared with.
function Experiment:record()
    local s, out = self.settings, { kind = self.kind }
    for _, row in ipairs(experiment.rows[self.kind]) do
        local v = s[row.name]
        local class = check.class_of(v)
        if class == "optimiser" or class == "schedule" then out[row.name] = v:describe()
        elseif class then out[row.name] = v:record()
        elseif row.type == "list of loss" then
            out.losses = {}
            for i, loss in ipairs(v) do out.losses[i] = loss:record() end
        elseif type(v) ~= "function" and row.name ~= "name" then out[row.name] = v end
    end
    return out
end

-- ---- suites ----

local suite_rows = {
    { name = "name", type = "any", accept = name_judge, what = "a name", optional = true,
        doc = "put in front of the runs' names" },
    { name = "runs", type = "list of experiment", doc = "in order; one may take the weights of an earlier one" },
    { name = "report", type = "function", optional = true, doc = "called with the results when all runs are complete" },
}

local function weights_runs(e)
    local out = {}
    for _, part in ipairs { "student", "teacher" } do
        local arch = e.settings[part]
        local w = arch and arch.settings.weights
        if check.class_of(w) == "experiment" then out[#out + 1] = { part = part, run = w } end
    end
    return out
end
experiment.weights_runs = weights_runs

function experiment.suite(given)
    local s = check.settings(suite_rows, given, "suite")
    local seen, lines = {}, {}
    if #s.runs == 0 then lines[1] = "suite.runs is empty; at least one run expected" end
    if #s.runs > 100000 then lines[1] = ("suite has %d runs; at most 100000"):format(#s.runs) end
    for i, e in ipairs(s.runs) do
        for _, need in ipairs(weights_runs(e)) do
            if not seen[need.run] then
                lines[#lines + 1] = ("suite.runs[%d] (%s): %s takes the weights of %s, which is no earlier run of the suite")
                    :format(i,
                    e.settings.name, need.part, need.run.settings.name)
            end
        end
        for j = 1, i - 1 do
            if s.runs[j].settings.name == e.settings.name then
                lines[#lines + 1] = ("suite.runs[%d] and runs[%d] have one name, %s"):format(j, i, e.settings.name)
            end
        end
        seen[e] = true
    end
    if #lines > 0 then errors.raise("arg", lines) end
    if s.name then
        for _, e in ipairs(s.runs) do e.folder = s.name .. "/" .. e.settings.name end
    end
    s.where = errors.position()
    return setmetatable(s, Suite)
end

function Experiment:path() return self.folder or self.settings.name end

experiment.Experiment, experiment.Suite = Experiment, Suite
return experiment
