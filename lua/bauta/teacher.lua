-- teacher: one of the models that teach a student: what it is shown, what is learned from it, and how much that weighs.
--
--   bauta.teacher { name = "big", model = bauta.arch "deit" {...}, mask = bauta.mask "student" { keep = 0.5 },
--                   losses = { bauta.loss "logit" {} }, weight = 1 }
--
-- An experiment always has a list of them; `teacher =`, `mask =` of bauta.distill is short for a list of one named "teacher".
local check = require "bauta.check"
local errors = require "bauta.errors"
local fp8 = require "bauta.fp8"
local keep = require "bauta.keep"
local plugin = require "bauta.plugin"

local teacher = {}
teacher.__index = teacher
teacher.class = "teacher"

-- Names that mean something else in a graph or among the stores of a run.
local taken = {}
for name in ("student student_full student_local batch masked auxiliary teacher_full losses optimiser ema average state fp8"):gmatch "%S+" do
    taken[name] = true
end

local function name_judge(v)
    if type(v) ~= "string" or not v:find("^[a-z][a-z0-9_]*$") or #v > 24 then return nil, "is " .. errors.show(v) end
    if taken[v] then return nil, "means something else here" end
    return v
end

-- An architecture, or "ema": the student's own average.
local function model_judge(v)
    if v == "ema" or check.class_of(v) == "arch" then return v end
    return nil, "is " .. errors.show(v)
end
teacher.model_judge, teacher.model_what = model_judge, 'an arch or "ema"'

-- Of the averages of the student's weights.
teacher.momentum_rows = {
    { name = "momentum", type = "float", default = 0.996, min = 0, max = 1,
        doc = 'of an averaged teacher ("ema"): share of it that a step leaves, at first' },
    { name = "momentum_end", type = "float", default = 1, min = 0, max = 1, doc = "the same at the end, on a cosine" },
}

teacher.rows = {
    { name = "name", type = "any", accept = name_judge, what = "a word of a-z, 0-9 and _ that is no other participant's",
        doc = "what its columns and rows of cost are called" },
    { name = "model", type = "any", accept = model_judge, what = teacher.model_what,
        doc = 'what teaches; "ema": the average of the student\'s own weights' },
    { name = "mask", type = "mask", optional = true, doc = 'what it sees; default: bauta.mask "none" {}' },
    { name = "reducer", type = "reducer", optional = true, doc = "takes tokens away inside its blocks" },
    { name = "losses", type = "list of loss", default = {}, doc = "what the student learns from it, summed" },
    { name = "weight", type = "float", default = 1, min = 0, max = 1e6, doc = "times the sum of its losses" },
    teacher.momentum_rows[1], teacher.momentum_rows[2],
    { name = "training", type = "bool", optional = true,
        doc = "true: its stochastic depth (drop_path) is on while the student trains, as in the released code of ViTKD" },
    { name = "precision", type = "any", optional = true, accept = fp8.judge, what = fp8.what,
        doc = "of the linear layers in its blocks: fp8 (E4M3), calibrated and held against itself before the first step; left out, or run: the run's" },
}

local function new(settings, alone)
    settings.mask = settings.mask or plugin.describe("mask", "none")
    settings.training = settings.training or nil -- false is what stands where nothing is said
    return setmetatable({ settings = settings, alone = alone, where = errors.position() }, teacher)
end

function teacher.describe(given) return new(check.settings(teacher.rows, given, "teacher"), false) end

-- The one teacher of the short form; its losses are the experiment's.
function teacher.only(s)
    return new({ name = "teacher", model = s.teacher, mask = s.mask, reducer = s.reducer, losses = {}, weight = 1,
        momentum = s.momentum, momentum_end = s.momentum_end, training = s.teacher_training,
        precision = s.teacher_precision }, true)
end

-- The architecture: its own, or for an average the student's.
function teacher:arch(student) return self.settings.model == "ema" and student or self.settings.model end
function teacher:averaged() return self.settings.model == "ema" end

-- How its blocks are computed in FP8: a bauta.fp8, or nil.
function teacher:fp8() return check.class_of(self.settings.precision) == "fp8" and self.settings.precision or nil end
function teacher:masked() return self.settings.mask.name ~= "none" end

-- Who is shown the kept patches only: "teacher", "student" or "both".
function teacher:who() return self:masked() and self.settings.mask.settings.who or "teacher" end

-- What its models are called in the graph and among the stores: itself, and what its criterion may ask for.
function teacher:called(what)
    if not what then return self.settings.name end
    return self.settings.name == "teacher" and what or self.settings.name .. "_" .. what
end

-- Every name of that kind, with so many shadows.
function teacher:names(shadows)
    local out = { self:called(), self:called "auxiliary", self:called "teacher_full" }
    for i = 1, shadows do
        local one = self:called("shadow" .. i)
        out[#out + 1], out[#out + 2] = one, one .. "_auxiliary"
    end
    return out
end

-- Its row in the ledger of costs.
function teacher:role() return self.alone and "teacher" or "teacher." .. self.settings.name end

-- The name of one of its columns: kept, or big_kept.
function teacher:column(name) return self.alone and name or self.settings.name .. "_" .. name end

-- Kept patches in an epoch; nil when nothing is masked. whom: the architecture that is masked.
function teacher:count(whom, epoch, epochs)
    if not self:masked() then return nil end
    local n, why = keep.count(self.settings.mask.settings.keep, whom.grid_rows, whom.grid_columns, "mask.keep", epoch, epochs)
    if not n then errors.raise("arg", why, self.settings.mask.where) end
    return n
end

function teacher:record()
    local s = self.settings
    local out = { name = s.name, model = s.model == "ema" and "ema" or s.model:record(), mask = s.mask:record(), weight = s.weight,
        losses = {}, training = s.training, momentum = s.momentum, momentum_end = s.momentum_end, reducer = s.reducer and s.reducer:record(),
        precision = self:fp8() and self:fp8():describe() }
    for i, loss in ipairs(s.losses) do out.losses[i] = loss:record() end
    return out
end

return teacher
