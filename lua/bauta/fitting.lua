-- fitting: whether the weights that models begin with are there and fit, of all runs of a script before a step of the first: names and
-- shapes of files, and of the students of earlier runs as they will be.
local builder = require "bauta.builder"
local check = require "bauta.check"
local errors = require "bauta.errors"
local graph = require "bauta.bind.graph"
local session = require "bauta.session"

local fitting = {}

-- The tensors of a model, made once for all who ask.
local function store_of(self, arch)
    if not self.stores[arch] then
        local store, b = graph.store(session.device(), 0), builder.new { device = session.device() }
        b:pictures(1, arch.image_rows, arch.image_columns)
        b:model("student", arch, { store = store })
        b.known:free()
        b.g:free()
        self.stores[arch] = store
    end
    return self.stores[arch]
end

local function file_of(self, run) return self.out .. "/" .. run:path() .. "/student.safetensors" end

-- Raises when the weights of a model do not fit it.
local function judge_model(self, arch)
    local w = arch.settings.weights
    local run = check.class_of(w) == "experiment" and w or self.made[w]
    local file = run and file_of(self, run) or w
    if run and (self.made[file] or not session.exists(file)) then
        if self.must and not self.made[file] then
            errors.raise("data", ("%s: not there; run %s comes first"):format(file, run.settings.name))
        end
        arch:fits(store_of(self, arch), "run " .. run.settings.name, store_of(self, run.settings.student))
    else arch:fits(store_of(self, arch), file) end
end

local function judge_run(self, e)
    local models = e:frozen()
    table.insert(models, 1, { part = "student", arch = e.settings.student })
    for _, m in ipairs(models) do
        if m.arch.settings.weights and not self.judged[m.arch] then
            local ok, why = pcall(judge_model, self, m.arch)
            if not ok and not errors.is(why) then error(why, 0) end
            if not ok then
                local lines = {}
                for i, line in ipairs(why.lines) do lines[i] = ("%s: %s's weights: %s"):format(e:path(), m.part, line) end
                errors.raise(why.code, lines, m.arch.where)
            end
            self.judged[m.arch] = true
        end
    end
    self.made[file_of(self, e)] = e
end

-- list: the runs in their order; out: the folder of runs; must: a run outside of the list whose weights are taken must have left them.
function fitting.judge(list, out, must)
    local self = { out = out, must = must, stores = {}, made = {}, judged = {} }
    for _, e in ipairs(list) do judge_run(self, e) end
    for _, store in pairs(self.stores) do store:free() end
end

return fitting
