-- teachers: several of them, who is masked, models that rank for a criterion, keep schedules: as descriptions and as one step.
local bauta = require "bauta"
local changes = require "bauta.changes"
local cost = require "bauta.cost"
local keep = require "bauta.keep"
local session = require "bauta.session"
local steps = require "bauta.steps"
local t = require "harness"

local data = bauta.data "scenes" { size = 16, train = 64, test = 16 }
local function vit(more)
    local s = { dim = 24, depth = 2, heads = 2, image = 16, patch = 4, classes = 10, drop_path = 0 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch "deit"(s)
end

local function describe(more)
    local s = { name = "x", data = data, student = vit(), batch = 4, epochs = 4, seed = 5 }
    for k, v in pairs(more) do s[k] = v end
    if s.teacher and not s.losses then s.losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" {} } end
    return bauta.distill(s)
end

local pixels, labels = {}, { 3, 1, 4, 1 }
for i = 1, 4 * 16 * 16 * 3 do pixels[i] = (i * i * 7 + i * 13) % 256 end

-- Compiles one step, runs it, and returns what was fetched by these names and its cost.
local function run(e, names, epoch)
    local list = steps.stores(e, session.device())
    local program = steps.train(e, session.device(), list, nil, epoch)
    program:feed("images", pixels)
    program:feed("labels", labels)
    program:feed("step", 1)
    program:feed("epoch", epoch or 0)
    program:feed("progress", 0)
    program:feed("lr", 0.001)
    program:run()
    local out = { cost = cost.summary(program:plan(), 4), stores = list }
    for _, name in ipairs(names) do out[name] = program:read(name) end
    program:free()
    return out
end

local logit, ce = bauta.loss "logit" { temperature = 2 }, bauta.loss "cross-entropy" {}
local student_mask = bauta.mask "student" { keep = 0.5 }
local function teacher(name, more)
    local s = { name = name, model = vit { dim = 36 }, mask = student_mask, losses = { logit } }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.teacher(s)
end

-- ---- several teachers ----
local single = run(describe { teacher = vit { dim = 36 }, mask = student_mask, losses = { ce, logit } },
    { "loss", "loss_ce", "loss_kd", "kept", "teacher_top1", "grad_norm" })
local pair = run(describe { teachers = { teacher("a", { weight = 0.5 }), teacher("b", { weight = 0.5 }) }, losses = { ce } },
    { "loss", "loss_ce", "loss_a_kd", "loss_b_kd", "a_kept", "b_kept", "a_top1", "grad_norm" })
t.near(pair.loss, single.loss, 1e-6, "two equal teachers at half the weight teach as one")
t.near(pair.grad_norm, single.grad_norm, 1e-6 * single.grad_norm + 1e-7, "and give its gradient")
t.near(pair.loss_a_kd, single.loss_kd / 2, 1e-6, "each half of it")
t.equal(pair.loss_a_kd, pair.loss_b_kd, "alike")
t.equal(table.concat(pair.a_kept, " "), table.concat(single.kept, " "), "the same patches")
t.check(pair.cost.by_role["teacher.a"].macs > 0 and not pair.cost.by_role.teacher, "a row of cost for each")
t.near(pair.cost.teachers.macs, 2 * single.cost.teachers.macs, 1e-6, "twice the teachers' cost")
local differ = run(describe { teachers = { teacher "a", teacher("b", { model = vit { dim = 12, depth = 1 },
    mask = bauta.mask "random" { keep = 5 } }) } }, { "loss", "loss_a_kd", "loss_b_kd", "a_kept", "b_kept" })
t.near(differ.loss, differ.loss_a_kd + differ.loss_b_kd, 1e-6, "no other loss")
t.equal(#differ.b_kept, 4 * 5, "its own count")
local twins = run(describe { teachers = { teacher("a", { mask = bauta.mask "random" { keep = 5 } }),
    teacher("b", { mask = bauta.mask "random" { keep = 5 } }) } }, { "a_kept", "b_kept" })
t.check(table.concat(twins.a_kept, " ") ~= table.concat(twins.b_kept, " "), "random criteria of two teachers draw apart")
local one = run(describe { teachers = { teacher("big", { losses = {} }) }, losses = { ce, logit } }, { "loss", "loss_kd", "big_kept" })
t.near(one.loss, single.loss, 1e-6, "the losses of an experiment with one teacher are that teacher's")
t.group "several teachers"

-- ---- a teacher in training mode: its stochastic depth alone tells it from the same teacher at rest ----
do
    local function with(more, ...)
        local s = { teacher = vit { dim = 36, depth = 4, drop_path = 0.6 }, mask = bauta.mask "random" { keep = 0.5 }, losses = { ce, logit } }
        for k, v in pairs(more) do s[k] = v end
        return run(describe(s), { "loss_kd", ... })
    end
    local calm, still, wild, again = with({}, "kept"), with { teacher = vit { dim = 36, depth = 4 } }, with({ teacher_training = true }, "kept"), with { teacher_training = true }
    t.equal(calm.loss_kd, still.loss_kd, "at rest drop_path says nothing")
    t.check(math.abs(wild.loss_kd - calm.loss_kd) > 1e-6, "branches are dropped: %g against %g", wild.loss_kd, calm.loss_kd)
    t.equal(wild.loss_kd, again.loss_kd, "the same ones in every run")
    t.equal(table.concat(wild.kept, " "), table.concat(calm.kept, " "), "the patches are drawn as before")
    t.equal(with { teacher_training = false }.loss_kd, calm.loss_kd, "false is what stands where nothing is said")
    local list = run(describe { teachers = { teacher("a", { model = vit { dim = 36, depth = 4, drop_path = 0.6 }, training = true }), teacher "b" } }, { "loss_a_kd", "loss_b_kd" })
    local calm_list = run(describe { teachers = { teacher("a", { model = vit { dim = 36, depth = 4, drop_path = 0.6 } }), teacher "b" } }, { "loss_a_kd", "loss_b_kd" })
    t.check(math.abs(list.loss_a_kd - calm_list.loss_a_kd) > 1e-6, "one of two")
    t.equal(list.loss_b_kd, calm_list.loss_b_kd, "and not the other")
    -- student masked: its criterion asks the teacher, which is built once, as it teaches
    local both = {}
    for i, training in ipairs { false, true } do
        both[i] = with { mask = bauta.mask "teacher" { keep = 0.5, who = "student" }, teacher_training = training }.loss_kd
    end
    t.check(math.abs(both[1] - both[2]) > 1e-6, "where the criterion has asked for the teacher first")
    t.equal(describe { teacher = vit(), teacher_training = false }:record().teacher_training, nil, "what a run notes where nothing is said")
    t.equal(describe { teacher = vit { drop_path = 0.1 }, teacher_training = true }:record().teacher_training, true, "and else")
end
t.raises("teacher_training = true has no effect: the drop_path of teacher (deit) is 0", function() describe { teacher = vit(), teacher_training = true } end)
t.raises("teachers.b.training = true has no effect: the drop_path of b (deit) is 0",
    function() describe { teachers = { teacher "a", teacher("b", { training = true }) } } end)
t.raises("distill: teachers and teacher_training are both given; one of them expected",
    function() describe { teacher_training = true, teachers = { teacher "a" } } end)
t.group "a teacher in training mode"

t.raises("distill.teacher is missing; expected an arch or \"ema\", or a list of bauta.teacher {...} as teachers",
    function() describe {} end)
t.raises("distill: teachers and teacher are both given; one of them expected",
    function() describe { teacher = vit(), teachers = { teacher "a" } } end)
t.raises("distill: teachers and mask are both given; one of them expected",
    function() describe { mask = student_mask, teachers = { teacher "a" } } end)
t.raises("teachers: two are called a", function() describe { teachers = { teacher "a", teacher "a" } } end)
t.raises('teachers.b.mask.who = "both": the student is masked for one teacher only, and there are 2', function()
    describe { teachers = { teacher "a", teacher("b", { mask = bauta.mask "student" { keep = 0.5, who = "both" } }) } } end)
for _, name in ipairs { "student", "A", "a b", "", "losses", "masked", ("x"):rep(25), 5 } do
    t.refused(function() teacher(name) end, "teacher called " .. tostring(name))
end
t.raises('teacher.model = "deit"; expected an arch or "ema"', function() teacher("a", { model = "deit" }) end)
t.raises("teacher.weight = -1; expected a number 0..1000000", function() teacher("a", { weight = -1 }) end)
t.refused(function() run(describe { teachers = { teacher "a", teacher "b" }, losses = { logit } }, {}) end,
    "a loss of the experiment that needs a teacher when there are two")
t.group "mistakes with teachers"

changes.set { { key = "teachers.b.mask.keep", value = "0.25" }, { key = "teachers.b.losses.logit.temperature", value = "4" },
    { key = "teachers.a.weight", value = "3" }, { key = "teachers.b.model.depth", value = "1" } }
local changed = describe { teachers = { teacher "a", teacher "b" } }
local b = changed.settings.teachers[2].settings
t.equal(changed:kept(changed.settings.teachers[2]), 4, "--set teachers.b.mask.keep")
t.equal(changed:kept(), 8, "the other one's criterion, the same object in the script, is not changed")
t.check(b.losses[1].settings.temperature == 4 and logit.settings.temperature == 2, "--set teachers.b.losses.logit.temperature")
t.equal(changed.settings.teachers[1].settings.weight, 3, "--set teachers.a.weight")
t.equal(b.model.depth, 1, "--set teachers.b.model.depth")
t.equal(#changes.unused(), 0, "all found")
changes.set { { key = "teachers.c.weight", value = "1" }, { key = "teachers.a.nmae", value = "1" }, { key = "teachers.a.name", value = "z" } }
describe { teachers = { teacher "a", teacher "b" } }
t.equal(#changes.unused(), 3, "what is nowhere is not found")
changes.set {}
t.group "--set"

-- ---- who is masked ----
local function who(what, more)
    local s = { keep = what.keep or 0.5, who = what.who }
    for k, v in pairs(more or {}) do s[k] = v end
    return run(describe { teacher = vit { dim = 36 }, mask = bauta.mask(what.name or "student", s), losses = { ce, logit } },
        { "loss", "loss_ce", "loss_kd", unpack(what) })
end
local plain = run(describe { teacher = vit { dim = 36 }, losses = { ce, logit } }, { "loss", "loss_ce", "loss_kd" })
local all = who { who = "student", keep = "all" }
t.near(all.loss, plain.loss, 1e-5, "a student that keeps all patches is not masked")
local masked = who { who = "student", "kept_student" }
t.equal(#masked.kept_student, 4 * 8, "half of the student's patches")
for i = 2, 8 do t.check(masked.kept_student[i] > masked.kept_student[i - 1], "ascending") end
t.check(masked.loss_ce ~= plain.loss_ce, "the student predicts from what it is shown")
t.equal(masked.cost.teachers.macs, plain.cost.teachers.macs, "the teacher sees everything")
t.check(masked.cost.by_role.student.macs < plain.cost.by_role.student.macs, "the student's pass is cheaper")
t.check(masked.cost.by_role.student_full.macs > 0 and not masked.cost.by_role["student_full.backward"],
    "the pass for the scores has a row and no gradient")
local both = who { who = "both", "kept_student", "kept" }
t.equal(table.concat(both.kept, " "), table.concat(both.kept_student, " "), "both see the same patches")
t.near(both.loss_ce, masked.loss_ce, 1e-6, "the student's side is the same")
t.check(math.abs(both.loss_kd - masked.loss_kd) > 1e-9, "the teacher's is not")
t.equal(both.cost.teachers.macs, single.cost.teachers.macs, "the masked teacher costs what it costs")
t.equal(table.concat(masked.kept_student, " "), table.concat(single.kept, " "), "the patches are those that the teacher would get")
t.group "who is masked"

-- ---- models that a criterion asks for ----
bauta.mask.define { name = "guided", score = function(m) return m.class_attention { who = "auxiliary" }:mean { axis = 1 } end }
bauta.mask.define { name = "teaching", score = function(m) return m.class_attention { who = "teacher_full" }:mean { axis = 1 } end }
local guided = who({ name = "guided", "kept" }, { model = vit { dim = 12, depth = 1 } })
t.check(guided.cost.by_role.auxiliary.macs > 0 and guided.cost.by_role.auxiliary.macs < guided.cost.teachers.macs, "its row of cost")
t.equal(#guided.kept, 4 * 8, "kept by another model")
local same = who({ name = "guided", "kept" }, { model = vit() }) -- the student's architecture and seed: its weights
t.equal(table.concat(same.kept, " "), table.concat(single.kept, " "), "a copy of the student ranks as the student")
local teaching = who { name = "teaching", "kept" }
t.check(teaching.cost.by_role.teacher_full.macs > 0, "a full pass of the teacher, with a row of its own")
t.near(teaching.cost.teachers.macs, single.cost.teachers.macs, 1e-6, "besides the masked one")
local served = who { name = "teaching", who = "student", "kept_student" }
t.equal(served.cost.by_role.teacher_full, nil, "a teacher that sees everything anyhow serves both")
t.equal(table.concat(served.kept_student, " "), table.concat(teaching.kept, " "), "the same patches")
t.near(served.cost.teachers.macs, plain.cost.teachers.macs, plain.cost.teachers.macs * 0.2, "and costs one pass")
t.refused(function() who({ name = "guided", "kept" }) end, "a criterion without the model it needs")
t.group "models for criteria"

-- ---- views ----
local loader = bauta.views { globals = 2, locals = 2, local_image = 8 }:loader(data:split "train", { batch = 4, seed = 1, threads = 1,
    ahead = 1, shuffle = true, drop_last = true, augment = { interpolation = "bicubic", flip = 0.5 } }, 16)
loader:start(0, 0)
local crops = loader:next()
local first, second, small = {}, {}, {}
for i = 0, 16 * 16 * 3 - 1 do first[i + 1], second[i + 1] = crops.images[i], crops.images[4 * 16 * 16 * 3 + i] end
for i = 0, 8 * 8 * 3 - 1 do small[i + 1] = crops.local_images[i] - crops.local_images[4 * 8 * 8 * 3 + i] end
t.check(table.concat(first, " ") ~= table.concat(second, " "), "two global views of a picture differ")
local differs = false
for _, v in ipairs(small) do differs = differs or v ~= 0 end
t.check(differs, "two local views differ")
t.equal(loader.batches, 16, "an epoch is as long as with one view")
loader:free()
t.raises("views: arch deit cannot change the size of its pictures; one with a setting `table` (dino) or locals = 0 expected",
    function() describe { teacher = "ema", views = bauta.views {} } end)
t.raises("views.local_image = 10 is no multiple of the student's patch, 4", function()
    describe { student = bauta.arch "dino" { dim = 24, depth = 2, heads = 2, image = 16, patch = 4 }, teacher = "ema",
        views = bauta.views { local_image = 10 } } end)
t.raises("views and mixing exclude each other", function()
    describe { teacher = "ema", views = bauta.views { locals = 0 }, mixing = bauta.mixing {} } end)
t.group "views"

-- ---- keep over the epochs ----
local function counts(v, epochs)
    local out = {}
    for e = 0, epochs - 1 do out[#out + 1] = keep.count(v, 4, 4, "keep", e, epochs) end
    return table.concat(out, " ")
end
t.equal(counts({ [0] = "all", [2] = 0.5, [3] = 5 }, 5), "16 16 8 5 5", "a table")
t.equal(counts("0: all, 2:0.5, 3: 5", 5), "16 16 8 5 5", "a text")
t.equal(counts("0: 75%, 1: 50%", 3), "12 8 8", "labels")
t.equal(counts(bauta.keep { from = 1, to = 0.25, parts = 4 }, 8), "16 16 12 12 8 8 4 4", "linear")
t.equal(counts(bauta.keep { from = 0.25, to = 1, parts = 3, shape = "cosine" }, 3), "4 10 16", "cosine")
t.equal(counts(bauta.keep { from = 1, to = 0.5, parts = 5 }, 2), "16 12", "more parts than epochs: some are left out")
for _, v in ipairs { {}, { [1] = 0.5 }, { [0] = 1 }, { [0] = "half" }, { [0.5] = "all", [0] = "all" }, { [-1] = "all", [0] = "all" },
    "0: all, 0: 0.5", "0:", ": 5", "5: all", "0: all,", { [0] = {} }, { x = 1, [0] = 0.5 } } do
    local ok, why = keep.judge(v, "keep")
    t.check(ok == nil and type(why) == "string" and why:find "keep", "refused: %s", tostring(why))
end
t.refused(function() bauta.keep { from = 0, to = 1 } end, "nothing kept")
t.raises("mask.keep = 17; the model has 16 patches (4x4)",
    function() describe { teacher = vit(), mask = bauta.mask "student" { keep = { [0] = "all", [3] = 17 } } } end)
local scheduled = describe { teacher = vit { dim = 36 }, mask = bauta.mask "student" { keep = { [0] = "all", [1] = 0.5, [3] = 4 } } }
local phases = scheduled:phases()
t.check(#phases == 3 and phases[2].first == 1 and phases[2].epochs == 2 and phases[3].epochs == 1, "three phases")
t.equal(scheduled:record().mask.settings.keep, "0: all, 1: 0.5, 3: 4", "as the log says it")
t.equal(#run(scheduled, { "kept" }, 2).kept, 4 * 8, "the step of epoch 2")
t.equal(#run(scheduled, { "kept" }, 3).kept, 4 * 4, "the step of epoch 3")
local mean = cost.mean { { summary = run(scheduled, {}, 0).cost, epochs = 1 }, { summary = run(scheduled, {}, 1).cost, epochs = 2 },
    { summary = run(scheduled, {}, 3).cost, epochs = 1 } }
local sum = run(scheduled, {}, 0).cost.teachers.macs + 2 * run(scheduled, {}, 1).cost.teachers.macs +
    run(scheduled, {}, 3).cost.teachers.macs
t.near(mean.teachers.macs * 4, sum, 1e-6, "the plan sums the epochs")
t.equal(table.concat(cost.views(scheduled), "|"), "teacher sees 16 of 16, from epoch 1 8, from epoch 3 4 patches (student)", "said")
t.group "keep over the epochs"

-- What the log, a resumed run and a grid know of a teacher is every setting: two that differ in one are not the same.
local text = require("bauta.json").encode
local function listed(more)
    local s = { name = "big", model = vit { dim = 36 }, losses = { bauta.loss "logit" {} } }
    for k, v in pairs(more) do s[k] = v end
    return text(describe { teachers = { bauta.teacher(s) } }:record())
end
local plain = listed {}
for name, v in pairs { mask = bauta.mask "student" { keep = 0.5 }, weight = 2, reducer = bauta.reducer "drop" { keep = 0.5 },
    model = vit { dim = 24 }, losses = { bauta.loss "logit" { temperature = 3 } } } do
    t.check(listed { [name] = v } ~= plain, "%s is in the record", name)
end
t.check(listed { reducer = bauta.reducer "tome" { r = 1 } } ~= listed { reducer = bauta.reducer "tome" { r = 2 } }, "a reducer's settings too")
t.raises("teacher.name = \"average\" means something else here; expected a word of a-z, 0-9 and _ that is no other participant's", function() bauta.teacher { name = "average", model = vit() } end)
t.group "the record of a teacher"
return t.done()
