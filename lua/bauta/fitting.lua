-- fitting: whether the weights that models begin with are there and fit, of all runs of a script or a grid before a step of the first:
-- names and shapes of files, and of the students of earlier runs as they will be.
local builder = require "bauta.builder"
local check = require "bauta.check"
local errors = require "bauta.errors"
local graph = require "bauta.bind.graph"
local json = require "bauta.json"
local session = require "bauta.session"

local fitting = {}

-- The tensors of a model, made once for all who ask.
local function store_of(self, arch, key)
    key = key or json.encode(arch:record())
    if not self.stores[key] then
        local store, b = graph.store(session.device(), 0), builder.new { device = session.device() }
        b:pictures(1, arch)
        b:model("student", arch, { store = store })
        b.known:free()
        b.g:free()
        self.stores[key] = store
    end
    return self.stores[key]
end

local function file_of(self, run) return self.out .. "/" .. run:path() .. "/student.safetensors" end

-- Raises when the weights of a model do not fit it.
local function judge_model(self, arch, key)
    local w = arch.settings.weights
    local run = check.class_of(w) == "experiment" and w or self.made[w]
    local file = run and file_of(self, run) or w
    if run and (self.made[file] or not session.exists(file)) then
        if self.must and not self.made[file] then
            errors.raise("data", ("%s: not there; run %s comes first"):format(file, run.settings.name))
        end
        arch:fits(store_of(self, arch, key), "run " .. run.settings.name, store_of(self, run.settings.student), run.settings.student)
    else arch:fits(store_of(self, arch, key), file) end
end

-- What is wrong with the weights of one model of a run, or nil: an error, whose place is the model's. Equal models with equal weights are looked at once.
local function defect(self, arch)
    local w, record = arch.settings.weights, json.encode(arch:record())
    local key = ("%s\n%s"):format(check.class_of(w) == "experiment" and file_of(self, w) or w, record)
    if self.judged[key] == nil then
        local ok, why = pcall(judge_model, self, arch, record)
        if not ok and not errors.is(why) then error(why, 0) end
        self.judged[key] = not ok and errors.new(why.code, why.lines, arch.where)
    end
    return self.judged[key] or nil
end

-- Calls found(run, part, defect) for every model of the runs whose weights do not fit.
local function each(list, out, must, found)
    session.device() -- one that cannot be had is no weights' defect
    local self = { out = out, must = must, stores = {}, made = {}, judged = {} }
    for _, e in ipairs(list) do
        local models = e:frozen()
        table.insert(models, 1, { part = "student", arch = e.settings.student })
        for _, mask in ipairs(e.settings.shadow or {}) do
            if mask.settings.model then models[#models + 1] = { part = "the model of shadow " .. mask.name, arch = mask.settings.model } end
        end
        for _, m in ipairs(models) do
            local bad = m.arch.settings.weights and defect(self, m.arch)
            if bad then found(e, m.part, bad) end
        end
        self.made[file_of(self, e)] = e
    end
    for _, store in pairs(self.stores) do store:free() end
end

-- A word about a model that does not learn and has nothing to begin with. part: how messages call it.
function fitting.no_weights(part)
    return ("%s has no weights: it keeps what it was initialised with"):format(part == "teacher" and "the teacher" or part)
end

-- The same of all such models of a run: a list of sentences.
function fitting.bare(e)
    local out = {}
    for _, m in ipairs(e:frozen()) do
        if not m.arch.settings.weights then out[#out + 1] = fitting.no_weights(m.part) end
    end
    return out
end

-- What went wrong with the weights of one model of a run, in words that say whose they are. where: of the model.
function fitting.named(why, e, part, where)
    if not errors.is(why) or why.code == "bug" then return why end
    local lines = {}
    for i, line in ipairs(why.lines) do lines[i] = ("%s: %s's weights: %s"):format(e:path(), part, line) end
    local out = errors.new(why.code, lines, where)
    out.trace = why.trace
    return out
end

-- Raises the first defect. list: the runs in their order; out: the folder of runs; must: a run outside of the list whose weights are taken
-- must have left them.
function fitting.judge(list, out, must)
    each(list, out, must, function(e, part, bad)
        error(fitting.named(bad, e, part, bad.where), 0)
    end)
end

-- All defects as lines, each once, with the runs that have it; and the code of the first. names: of the runs.
function fitting.defects(list, out, names)
    local lines, found, code = {}, {}, nil
    each(list, out, false, function(e, part, bad)
        for _, line in ipairs(bad.lines) do
            local text = ("%s's weights: %s"):format(part, line)
            if not found[text] then
                found[text] = { first = names[e], n = 0, text = text }
                lines[#lines + 1] = found[text]
            end
            found[text].n = found[text].n + 1
        end
        code = code or bad.code
    end)
    for i, one in ipairs(lines) do
        lines[i] = ("%s%s: %s"):format(one.first, one.n > 1 and (" and %d more"):format(one.n - 1) or "", one.text)
    end
    return lines, code
end

return fitting
