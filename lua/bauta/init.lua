-- bauta: the Lua API. A script describes experiments with it and returns one; `bauta run` carries it out.
--
--   bauta.data NAME {..} bauta.arch NAME {..} bauta.mask NAME {..} bauta.loss NAME {..} plugins, or what mask.define and loss.define define
--   bauta.losses NAME {..} what a paper minimises, a list of losses   bauta.optimiser NAME {..}   bauta.schedule NAME {..}
--   bauta.train {..}   bauta.distill {..}   bauta.suite {..}   bauta.grid {..}                     what a script returns
--   bauta.teacher {..} one of several teachers   bauta.keep {..} patches kept, changing over the epochs   bauta.mixing {..} mixup
--   bauta.fp8 {..} a teacher's precision
--   bauta.params {..}  with rows bauta.int, bauta.float, bauta.string, bauta.choice, bauta.bool    settings of the script
--   bauta.plugins "loss"  the names of Bauta's own plugins of a kind
--   bauta.graph(options, function(g, batch) ... end)   bauta.store(seed)                           the level below
local check = require "bauta.check"
local errors = require "bauta.errors"
local experiment = require "bauta.experiment"
local ffi = require "bauta.ffi"
local graph = require "bauta.graph"
local grid = require "bauta.grid"
local loss = require "bauta.loss"
local losses = require "bauta.losses"
local keep = require "bauta.keep"
local mask = require "bauta.mask"
local mixing = require "bauta.mixing"
local optimiser = require "bauta.optimiser"
local params = require "bauta.params"
local plugin = require "bauta.plugin"
local reducer = require "bauta.reducer"
local report = require "bauta.report"
local schedule = require "bauta.schedule"
local session = require "bauta.session"
local suite = require "bauta.suite"
local teacher = require "bauta.teacher"

local bauta = { version = ffi.version() }

-- bauta.KIND "name" {settings} and bauta.KIND("name", settings).
local function constructor(kind, make)
    return function(name, settings)
        if type(name) ~= "string" then errors.fail('bauta.%s: a name expected, got %s; write bauta.%s "name" { ... }', kind,
            errors.show(name), kind) end
        if settings ~= nil then return make(name, settings) end
        return setmetatable({}, { class = kind .. " without settings", __call = function(_, given)
            local made = make(name, given)
            return made
        end })
    end
end

for kind in pairs(plugin.common) do
    bauta[kind] = constructor(kind, function(name, given)
        local made = plugin.describe(kind, name, given)
        return made
    end)
end

-- bauta.mask, bauta.loss and bauta.reducer are called and have functions besides.
local function with(kind, functions)
    local make = bauta[kind]
    bauta[kind] = setmetatable(functions, { __call = function(_, name, given)
        local made = make(name, given)
        return made
    end })
end

with("mask", { define = mask.define })
with("loss", { define = loss.define })
with("reducer", { cost = reducer.cost, matched = reducer.matched })

local function of_kinds(what, module)
    return constructor(what, function(name, given)
        if not module.kinds[name] then
            local names = {}
            for n in pairs(module.kinds) do names[#names + 1] = n end
            errors.fail("%s %s: %s", what, errors.show(name), errors.unknown(what, name, names))
        end
        local made = module.new(name, given)
        return made
    end)
end

bauta.optimiser = of_kinds("optimiser", optimiser)
bauta.schedule = of_kinds("schedule", schedule)
bauta.losses = of_kinds("losses", losses)

bauta.train, bauta.distill, bauta.suite, bauta.grid = experiment.train, experiment.distill, suite.new, grid.new
bauta.teacher, bauta.keep, bauta.mixing = teacher.describe, keep.range, mixing.new
bauta.views, bauta.fp8 = require("bauta.views").new, require("bauta.fp8").new
bauta.int, bauta.float, bauta.string, bauta.choice, bauta.bool = check.int, check.float, check.string, check.choice, check.bool
bauta.params = params.read
bauta.graph, bauta.store = graph.new, graph.store
bauta.table, bauta.summary = report.table, require "bauta.summary"
bauta.fail = errors.fail

-- The names of Bauta's own plugins of a kind ("loss", "arch", ...), sorted, for scripts that go through all of them; those of other folders are not
-- among them.
function bauta.plugins(kind)
    if type(kind) ~= "string" or not plugin.common[kind] then
        local kinds = {}
        for k in pairs(plugin.common) do kinds[#kinds + 1] = k end
        errors.fail("bauta.plugins: %s", errors.unknown("kind " .. errors.show(kind), tostring(kind), kinds))
    end
    return require("bauta.reference").names(kind, session.places.plugins)
end

-- The columns of a table of a run's log, { names, n, NAME = { numbers } }: bauta.rows("runs/student", "train").
function bauta.rows(path, name) return require("bauta.archive").rows(path, name) end

return setmetatable(bauta, { __index = function(_, k)
    local names = {}
    for n in pairs(bauta) do names[#names + 1] = n end
    errors.fail("bauta.%s: %s", tostring(k), errors.unknown("function", tostring(k), names))
end })
