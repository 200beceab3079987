-- recorded: a run on disk as an experiment that its student can be judged by: model, data and what evaluation goes by, as the run's log has them.
local archive = require "bauta.archive"
local check = require "bauta.check"
local errors = require "bauta.errors"
local experiment = require "bauta.experiment"
local plugin = require "bauta.plugin"
local spec = require "bauta.seeing.spec"

local recorded = {}

-- The data of a run, which lies at `path` now (nil: where it lay).
local function data_of(lines, path, folder)
    local name, settings = spec.recorded(lines, "data")
    if not name then errors.raise("data", "its log does not say what the data is", folder) end
    local known = false
    for _, row in ipairs(plugin.union("data", plugin.find("data", name))) do known = known or row.name == "path" end
    if path and not known then errors.raise("arg", ("--data: data %s lies nowhere: it has no path"):format(name), "command line") end
    if path then settings.path = path end
    return plugin.describe("data", name, settings)
end

-- folder: of the run; data: where its data lies now, or nil; reading: whether a file of weights will be read as the student's settings say. It trains
-- nothing, so what the run had besides (teachers, losses, a schedule) is not there.
function recorded.experiment(folder, data, reading)
    local lines = archive.documents(folder).configuration or errors.raise("data", "its log has no settings", folder)
    local s = { name = "run", data = data_of(lines, data, folder), student = spec.student(lines, reading) }
    if not s.student then errors.raise("data", "its log does not say what the student is", folder) end
    for _, name in ipairs { "batch", "seed", "precision", "epochs", "steps", "minutes" } do s[name] = spec.setting(lines, name) end
    s = check.settings(experiment.rows.train, s, "run")
    s.teachers = {}
    return setmetatable({ kind = "train", settings = s, where = folder, folder = folder, total = s.steps and s.steps > 0 and s.steps or nil },
        experiment.Experiment)
end

return recorded
