-- changes: --set: a setting by its path, another plugin in the place of one, one run alone; whatever the order on the command line.
local bauta = require "bauta"
local changes = require "bauta.changes"
local t = require "harness"

local said = {}
changes.tell = function(line) said[#said + 1] = line end

local data = bauta.data "scenes" { train = 64, test = 32 }
local function vit() return bauta.arch "deit" { dim = 8, depth = 2, heads = 2, image = 32, patch = 8, classes = 10 } end
local function told()
    local text = table.concat(said)
    said = {}
    return text
end

-- The settings of a run of this name under changes as { "mask=random", ... }.
local function under(list, name, more)
    local out = {}
    for i, one in ipairs(list) do
        local key, value = one:match "^([^=]+)=(.*)$"
        out[i] = { key = key, value = value }
    end
    changes.set(out)
    local given = { name = name or "run", data = data, student = vit(), teacher = vit(), epochs = 4, batch = 16,
        mask = bauta.mask "student" { keep = 0.5, layer = "first" }, optimiser = bauta.optimiser "adamw" { lr = 2e-3, beta2 = 0.95 },
        schedule = bauta.schedule "cosine-shifted" { warmup = 1 }, losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" {} } }
    for k, v in pairs(more or {}) do given[k] = v end
    local ok, e = pcall(bauta.distill, given)
    local left = #changes.unused()
    changes.set {}
    if not ok then error(e, 0) end
    return e.settings, left
end
local function mask_of(...)
    local m = under(...).teachers[1].settings.mask
    return m.name, m.settings
end

-- ---- another plugin ----
local name, s = mask_of { "mask=random" }
t.check(name == "random" and s.keep == 0.5, "the criterion is another one, keep is the script's: %s %s", name, tostring(s.keep))
t.equal(told(), "bauta: --set mask=random: keep = 0.5 as in the script, without layer = 0\n", "what stays is said")
for _, order in ipairs { { "mask=random", "mask.keep=0.25" }, { "mask.keep=0.25", "mask=random" } } do
    name, s = mask_of(order)
    t.check(name == "random" and s.keep == 0.25, "%s: %s %s", table.concat(order, " "), name, tostring(s.keep))
end
t.equal(told(), "", "and said once")
name, s = mask_of({ "mask=bottom-k" })
t.check(name == "bottom-k" and s.keep == 0.5 and s.layer == 0, "what both know stays: %s %s", name, tostring(s.layer))
name, s = mask_of({ "mask=random" }, "run", { mask = bauta.mask "student" { keep = 0.5, select = "bottom", ranked_from = 0.5 } })
t.check(name == "random" and s.select == "top" and s.keep == 0.5, "an order that random has not: %s", s.select)
name, s = mask_of({ "mask=student" }, "run", { mask = bauta.mask "dino" { keep = 0.5, model = vit() } })
t.check(name == "student" and s.model == nil, "a model that is not asked goes: %s", name)
name, s = mask_of { "mask=none" }
t.check(name == "none" and s.keep == "all", "none keeps every patch: %s", tostring(s.keep))
t.raises("mask dino.model is missing; the arch that ranks the patches expected", function() under { "mask=dino" } end)
t.check(not pcall(under, { "mask=random", "mask.layer=1" }), "a setting of the old one is none of the new one")

local o = under({ "optimiser.momentum=0.5", "optimiser=sgd" }).optimiser
t.check(o.kind == "sgd" and o.lr == 2e-3 and o.momentum == 0.5 and o.beta2 == nil and o.weight_decay == 0, "sgd: %s %g", o.kind, o.lr)
t.check(told():find("--set optimiser=sgd: lr = 0.002 as in the script, without beta2 = 0.95\n", 1, true), "the rate is said")
local before = under({})
t.check(before.optimiser.kind == "adamw" and before.optimiser.beta2 == 0.95 and before.schedule.warmup == 1, "nothing of the script's own objects changes")
local c = under { "schedule=dino", "schedule.floor=0.001" }.schedule
t.check(c.kind == "dino" and c.warmup == 1 and c.floor == 0.001, "schedule %s", c.kind)
t.equal(under({ "optimiser=sgd" }, "run", { recipe = "deit", epochs = 10, data = bauta.data "scenes" { train = 64, test = 32 } }).optimiser.kind, "sgd",
    "of a recipe")
t.raises("no such optimiser; did you mean sgd?", function() under { "optimiser=sgdd" } end)
t.raises("no such schedule; did you mean cosine?", function() under { "schedule=cosin" } end)
t.check(select(2, pcall(under, { "mask=studnet" })).lines[1]:find "^no mask 'studnet'; did you mean 'student'%?", "a criterion that is not there")

local teachers = { bauta.teacher { name = "big", model = vit(), mask = bauta.mask "student" { keep = 0.5 }, losses = { bauta.loss "logit" {} } },
    bauta.teacher { name = "small", model = vit(), reducer = bauta.reducer "tome" { r = 2 }, losses = { bauta.loss "logit" {} } } }
local function several(...)
    local given = { name = "run", data = data, student = vit(), teachers = teachers, epochs = 4, batch = 16 }
    local list = {}
    for i, one in ipairs { ... } do list[i] = { key = one:match "^[^=]+", value = one:match "=(.*)$" } end
    changes.set(list)
    local e = bauta.distill(given)
    changes.set {}
    return e.settings.teachers
end
local two = several("teachers.small.reducer=none", "teachers.big.mask=random", "teachers.big.mask.keep=8")
t.check(two[2].settings.reducer == nil and two[1].settings.mask.name == "random" and two[1].settings.mask.settings.keep == 8, "one of several teachers")
t.check(teachers[2].settings.reducer ~= nil and teachers[1].settings.mask.name == "student", "the script's own teachers are as they were")
t.equal(several("teachers.small.reducer=drop", "teachers.small.reducer.keep=0.7")[2].settings.reducer.name, "drop", "another reducer")
t.equal(under({ "reducer=tome", "reducer.r=1" }).teachers[1].settings.reducer.settings.r, 1, "a reducer where none was")
told()
t.raises("only a script can give this as a whole; --set student.SETTING=value changes one of its settings", function() under { "student=vit" } end)
t.raises("only a script can give this as a whole; --set losses.NAME.SETTING=value changes one of its settings", function() under { "losses=logit" } end)
t.raises("only a script can give this as a whole", function() under { "after_epoch=x" } end)
t.group "another plugin"

-- ---- one run alone ----
local list = { "runs.a.student.dim=16", "student.dim=12", "epochs=3", "runs.v.1.epochs=2" }
t.equal(under(list, "a").student.settings.dim, 16, "one run alone, whatever the order")
t.equal(under(list, "b").student.settings.dim, 12, "the others have what is for all")
t.equal(under(list, "b").epochs, 3, "epochs of all")
t.equal(under(list, "v.1").epochs, 2, "a name with a point")
t.equal(select(2, under(list, "a")), 1, "what was for another run is left")
t.equal(select(2, under({ "runs.a.student.dim=16" }, "a.b")), 1, "a name that only begins so")
t.equal(under({ "runs.a.mask=random" }, "b").teachers[1].settings.mask.name, "student", "another plugin for one run")
t.equal(under({ "runs.a.mask=random", "mask=bottom-k" }, "a").teachers[1].settings.mask.name, "random", "one run's comes last")
t.equal(under({ "runs.a.recipe=deit-light", "epochs=5" }, "a").recipe, "deit-light", "a recipe for one run")
t.equal(under({ "runs.a.recipe=deit-light" }, "b").recipe, nil, "and not for others")
t.group "one run alone"

return t.done()
