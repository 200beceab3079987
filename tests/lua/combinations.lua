-- combinations: settings that are fine by themselves and say nothing, or contradict each other, together: each is refused where it is
-- written, with the reason.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bauta = require "bauta"
local changes = require "bauta.changes"
local session = require "bauta.session"
local steps = require "bauta.steps"
local t = require "harness"

local function scenes(more)
    local s = { size = 16, train = 64, test = 16 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.data("scenes", s)
end
local function model(kind, more)
    local s = { dim = 12, depth = 2, heads = 2, image = 16, patch = 4, classes = 10 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch(kind, s)
end
local function vit(more) return model("deit", more) end
local function with(base, more)
    for k, v in pairs(more or {}) do base[k] = v end
    return base
end
local function train(more) return bauta.train(with({ name = "x", data = scenes(), student = vit(), batch = 8, epochs = 4 }, more)) end
local function distill(more)
    return bauta.distill(with({ name = "x", data = scenes(), student = vit(), teacher = vit(), batch = 8, epochs = 4,
        losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" {} } }, more))
end
local function several(list) return bauta.distill { name = "x", data = scenes(), student = vit(), batch = 8, epochs = 4, teachers = list } end
local function student(more) return bauta.mask("student", with({ keep = 0.5 }, more)) end
local logit = bauta.loss "logit" {}
local function teacher(name, more) return bauta.teacher(with({ name = name, model = vit(), losses = { logit } }, more)) end

-- ---- how long, how much ----
t.raises("epochs = 2 has no effect beside steps = 10: one of them expected (steps = 0: not given)", function() train { epochs = 2, steps = 10 } end)
t.raises("epochs = 2 has no effect beside minutes = 0.5: one of them expected (minutes = 0: not given)", function() train { epochs = 2, minutes = 0.5 } end)
local function bound(more) return bauta.train(with({ name = "x", data = scenes(), student = vit(), batch = 8 }, more)) end
t.check(pcall(bound, { epochs = 2, steps = 0 }) and pcall(bound, { steps = 64 }) and pcall(bound, { steps = 64, recipe = "linear", batch = 8 }), "one of them")
changes.set { { key = "steps", value = "64" } }
t.check(pcall(bound, { epochs = 2 }), "the command line's steps stand instead of the script's epochs")
changes.set { { key = "epochs", value = "3" } }
t.raises("epochs = 3 has no effect beside steps = 64: one of them expected (steps = 0: not given)", function() bound { steps = 64 } end)
changes.set { { key = "mask.keep", value = "all" } }
t.check(pcall(distill, { mask = bauta.mask "student" {} }), "all, from the command line")
changes.set {}
local sentence = 'mask %s.keep is missing: a share (0.5), a count (98), a label ("50%%"), or "all" where every patch is meant to be seen'
t.raises(sentence:format "student", function() distill { mask = bauta.mask "student" {} } end)
t.raises(sentence:format "random", function() distill { mask = bauta.mask "random" { who = "student" } } end)
t.raises(sentence:format "student", function() several { teacher("a", { mask = bauta.mask "student" {} }) } end)
t.check(pcall(distill, { mask = bauta.mask "student" { keep = "all" } }) and pcall(distill, { mask = bauta.mask "none" {} }) and pcall(distill, {}) and
    pcall(distill, { mask = student(), shadow = { bauta.mask "random" {} } }), "every patch where it is said; a shadow keeps what the run's criterion does")
t.group "how long, how much"

-- ---- pictures ----
local function of(settings, more) return function() train(with({ data = scenes(settings) }, more)) end end
local large = { student = vit { image = 64, patch = 16 } }
t.raises("student segmenter sees pictures of 16 rows and 20 columns, and data scenes gives square ones; a teacher may see such pictures, resized",
    of({}, { student = model("segmenter", { rows = 16, columns = 20 }) }))
t.raises("data scenes.border = 2 has no effect: training pictures are not made by augment = pad here", of({ augment = "crop", border = 2 }))
t.raises("data scenes.border = 2 has no effect: training pictures are not made by augment = pad here", of({ border = 2 }, large))
t.raises("data scenes.scale_low = 0.5 has no effect: training pictures are not made by augment = crop here", of { scale_low = 0.5 })
t.raises("data scenes.flip = 1 has no effect: augment = none changes no picture", of { augment = "none", flip = 1 })
t.raises("data scenes.randaugment = 2 has no effect: augment = none changes no picture", of { augment = "none", randaugment = 2 })
t.raises("data scenes.three_augment = true has no effect: augment = none changes no picture", of { augment = "none", three_augment = true })
t.raises("data scenes.magnitude = 7 has no effect: there is no randaugment\ndata scenes.spread = 1 has no effect: there is no randaugment",
    of { magnitude = 7, spread = 1 })
t.raises("data scenes.jitter = 0.3 has no effect: randaugment takes its place", of { jitter = 0.3, randaugment = 2 })
t.raises("data scenes.hue = 0.1 has no effect: augment = none changes no picture", of { hue = 0.1, augment = "none" })
t.raises("data scenes.erasing_integers = true has no effect: there is no erasing", of { erasing_integers = true })
t.raises("data scenes.test_crop = 0.9 has no effect: pictures of 16 pixels are evaluated whole", of { test_crop = 0.9 })
t.raises("data scenes.test_interpolation = \"bilinear\" has no effect: pictures of 16 pixels are evaluated whole", of { test_interpolation = "bilinear" })
t.raises("data scenes.interpolation = \"bilinear\" has no effect: no training picture is resized or turned", of { interpolation = "bilinear" })
t.raises("data scenes.interpolation = \"bilinear\" has no effect: no training picture is resized or turned", of({ interpolation = "bilinear", augment = "none" }, large))
t.check(pcall(of { interpolation = "bilinear", randaugment = 2 }) and pcall(of { interpolation = "bilinear", augment = "crop" }) and
    pcall(of({}, { recipe = "linear" })), "pictures that are turned; cropped; a recipe says it of any picture")
for _, fine in ipairs { { augment = "none", flip = 0 }, { border = 2 }, { randaugment = 2, magnitude = 7, spread = 1 }, { jitter = 0.3, hue = 0.1 },
    { erasing = 0.5, erasing_integers = true }, { augment = "crop", scale_low = 0.5 } } do t.check(pcall(of(fine)), "fine") end
t.check(pcall(of({ scale_low = 0.5, test_crop = 0.9 }, large)), "both speak of large pictures")
t.group "pictures"

-- ---- views ----
local function viewed(settings, v)
    return function() distill { data = scenes(settings), student = model "dino", teacher = "ema", views = bauta.views(v or { locals = 0 }) } end
end
for name, v in pairs { augment = "pad", border = 3, scale_low = 0.3, randaugment = 2, jitter = 0.5, hue = 0.1, three_augment = true, erasing = 0.5 } do
    t.raises(("data scenes.%s = %s has no effect: with views, bauta.views says how pictures are cut and coloured"):format(name,
        require("bauta.errors").show(v)), viewed { [name] = v })
end
t.check(pcall(viewed { flip = 0, interpolation = "bilinear", repeats = 2 }), "views honour these")
t.raises("views.local_image = 8 has no effect: locals = 0", viewed({}, { locals = 0, local_image = 8 }))
local dataset = scenes():split "train"
local function first_view(flip)
    local loader = bauta.views { globals = 1, locals = 0, boundary = 1, colours = false }:loader(dataset, { batch = 4, seed = 1, threads = 8, ahead = 1,
        augment = { flip = flip, interpolation = "bicubic" } }, 16)
    loader:start(0, 0)
    local batch, out = loader:next(), {}
    for row = 0, 4 * 16 - 1 do
        for column = 0, 15 do out[#out + 1] = batch.images[(row * 16 + (flip == 1 and 15 - column or column)) * 3] end
    end
    loader:free()
    return table.concat(out, " ")
end
t.equal(first_view(1), first_view(0), "flip = 1 mirrors every view, flip = 0 none")
t.group "views"

-- ---- optimisers, schedules, mixing ----
local function optimised(kind, settings) return function() train { optimiser = bauta.optimiser(kind, settings) } end end
t.raises("optimiser.nesterov = true has no effect: momentum is 0", optimised("sgd", { nesterov = true, momentum = 0 }))
t.raises("optimiser.decay_all = true: LARS leaves tensors of one axis as they are; decay_tokens expected", optimised("lars", { decay_all = true, weight_decay = 1 }))
t.raises("optimiser.decay_tokens = true has no effect: decay_all is true", optimised("adamw", { decay_all = true, decay_tokens = true }))
t.raises("optimiser.decay_tokens = true has no effect: weight_decay is 0", optimised("sgd", { decay_tokens = true }))
t.raises("optimiser.decay_all = true has no effect: weight_decay is 0", optimised("sgd", { decay_all = true }))
t.check(pcall(optimised("adamw", { weight_decay = 0, weight_decay_end = 0.4, decay_tokens = true })), "a decay that begins at 0")
local function scheduled(kind, settings) return function() train { schedule = bauta.schedule(kind, settings) } end end
t.raises("schedule.start = 0.01 has no effect: there is no warm-up", scheduled("cosine", { warmup = 0, start = 0.01 }))
t.raises("schedule.at: epoch 4 is never reached, the run has 4 (from 0)", scheduled("steps", { at = "1,4" }))
t.check(pcall(scheduled("steps", { at = "1,3" })), "steps within the run")
t.raises("schedule.hold = 7 epochs; the run has 4, and its rate would never fall", scheduled("exponential", { hold = 7 }))
t.check(pcall(scheduled("exponential", {})) and pcall(scheduled("steps", {})), "defaults are meant for runs of any length")
t.raises("mixing.swap = 0.3 has no effect: cutmix is 0, and there is nothing to swap", function() train { mixing = bauta.mixing { cutmix = 0, swap = 0.3 } } end)
t.raises("loss binary-cross-entropy.binary = false has no effect: nothing is mixed",
    function() train { losses = { bauta.loss "binary-cross-entropy" { binary = false } } } end)
t.group "optimisers, schedules, mixing"

-- A decay that begins at 0 does decay, also where only spared weights learn.
local function stepped(trains, weight_decay_end)
    local e = train { trains = trains, optimiser = bauta.optimiser "adamw" { lr = 0.1, weight_decay = 0, weight_decay_end = weight_decay_end } }
    local list = steps.stores(e, session.device())
    local program, images, labels = steps.train(e, session.device(), list), {}, {}
    for i = 1, 8 * 16 * 16 * 3 do images[i] = i * i % 256 end
    for i = 1, 8 do labels[i] = i % 10 end
    for name, v in pairs { images = images, labels = labels, step = 1, epoch = 0, progress = 0, lr = 0.1, weight_decay = weight_decay_end } do
        program:feed(name, v)
    end
    program:run()
    return list.student:read "head.weight"
end
local without, decayed = stepped("head", 0), stepped("head", 1)
local initial = steps.stores(train(), session.device())
steps.train(train(), session.device(), initial)
for i, w in ipairs(initial.student:read "head.weight") do t.near(decayed[i], without[i] - 0.1 * w, 1e-6, "the decay of the step") end
t.check(pcall(stepped, "norm", 1), "nothing to decay")
t.group "a decay from 0"

-- ---- models ----
for name, v in pairs { prefix = "x.", partial = "head", keys = "dino", resize = "bicubic", expect = 80 } do
    t.raises(("arch deit.%s = %s has no effect: no weights are given"):format(name, require("bauta.errors").show(v)), function() vit { [name] = v } end)
end
t.raises("arch deit.tolerance = 2 has no effect: nothing is expected", function() vit { weights = "w.safetensors", tolerance = 2 } end)
t.check(pcall(vit, { weights = "w.safetensors", keys = "dino", resize = "bicubic", expect = 80, tolerance = 2 }), "with weights")
session.options.weights = "other.safetensors"
t.check(pcall(vit, { keys = "dino" }), "with those of the command line")
session.options.weights = nil
t.group "models"

-- ---- criteria ----
t.raises('mask none.who = "both": mask none keeps every patch', function() bauta.mask "none" { who = "both" } end)
t.raises("mask none.corners = true: mask none ranks nothing", function() bauta.mask "none" { corners = true } end)
t.raises("mask random.corners = true: mask random ranks nothing", function() bauta.mask "random" { keep = 0.5, corners = true } end)
t.raises("mask student.ranked_from = 0.2 has no effect: no part is `ranked`", function() student { ranked_from = 0.2 } end)
t.check(pcall(student, { ranked = 0.25, ranked_from = 0.2 }), "with a ranked part")
t.raises("mask.keep: epoch 4 is never reached, the run has 4 (from 0)", function() distill { mask = student { keep = { [0] = "all", [4] = 0.5 } } } end)
t.raises("shadow random.keep: epoch 9 is never reached, the run has 4 (from 0)",
    function() distill { mask = student(), shadow = { bauta.mask "random" { keep = "0: 0.5, 9: 0.25" } } } end)
t.group "criteria"

-- ---- a teacher in FP8 ----
local changing = 'is an average of the student, whose weights change at each step, and FP8 codes are made once; "run" expected'
t.raises("teacher_precision = fp8: teacher " .. changing, function() distill { teacher = "ema", teacher_precision = "fp8" } end)
t.raises("teachers.a.precision = fp8: a " .. changing,
    function() several { teacher("a", { model = "ema", precision = bauta.fp8 {} }), teacher "b" } end)
t.raises("distill: teachers and teacher_precision are both given; one of them expected",
    function() bauta.distill { name = "x", data = scenes(), student = vit(), teachers = { teacher "a" }, teacher_precision = "fp8" } end)
for _, v in ipairs { "bf16", 8, true, {}, student() } do t.refused(function() distill { teacher_precision = v } end, "teacher_precision") end
for name, list in pairs { calibration = { 0, -1, 1.5, "512" }, test = { 0, 2 ^ 40 }, same = { -1, 101, 0 / 0 }, kl = { -1, "0.1" }, difference = { -0.5, math.huge }, kll = { 1 } } do
    for _, v in ipairs(list) do t.refused(function() bauta.fp8 { [name] = v } end, "fp8." .. name) end
end
local exact = distill { teacher_precision = "fp8" }
t.check(exact.settings.teachers[1]:fp8().same == 95 and exact:record().teacher_precision.kl == 0.05, "defaults, and what a run notes")
local usual = distill { teacher_precision = "run" }
t.check(not usual.settings.teachers[1]:fp8() and usual:record().teacher_precision == nil, "run is what stands where nothing is said")
t.check(several({ teacher("a", { precision = "fp8" }), teacher "b" }):record().teachers[1].precision.test == 512, "one of two")
t.group "a teacher in FP8"

-- ---- teachers ----
t.raises('teacher.momentum = 0.9 has no effect: it is no average of the student (model "ema")', function() distill { momentum = 0.9 } end)
t.check(pcall(distill, { teacher = "ema", momentum = 0.9 }), "an average has a momentum")
t.raises("distill: teachers and reducer are both given; one of them expected", function()
    bauta.distill { name = "x", data = scenes(), student = vit(), teachers = { teacher "a" }, reducer = bauta.reducer "drop" { keep = 0.5 } }
end)
t.raises("distill.momentum = 0.9 has no effect: each of the teachers has its own", function()
    bauta.distill { name = "x", data = scenes(), student = vit(), teachers = { teacher "a" }, momentum = 0.9 }
end)
t.raises("teachers a and b are one average of the student; equal momentum expected",
    function() several { teacher("a", { model = "ema" }), teacher("b", { model = "ema", momentum = 0.5 }) } end)
t.raises("teachers.b has no losses, and no other loss names it: nothing would be learned from it", function() several { teacher "a", teacher("b", { losses = {} }) } end)
t.check(pcall(several, { teacher("a", { losses = { bauta.loss "compress-2q" { queue = 8, keys = "slow" } } }),
    teacher("slow", { model = "ema", losses = {} }) }), "an average that a loss names")
local function with_losses(list, losses) return function() bauta.distill { name = "x", data = scenes(), student = vit(), batch = 8, epochs = 4, teachers = list, losses = losses } end end
t.raises("every loss has weight 0: nothing would be learned", function() distill { losses = { bauta.loss "logit" { weight = 0 } } } end)
t.raises("every loss has weight 0: nothing would be learned", function() several { teacher("a", { weight = 0 }) } end)
t.raises("loss dino: views = bauta.views {...} expected: it compares several crops of each picture",
    function() distill { student = model("dino", { head = true, outputs = 16 }), teacher = "ema", losses = { bauta.loss "dino" {} } } end)
local blind = 'loss g2sd: a mask with who = "both" expected, %s is given: student and teacher see the same few patches, and the others are learned'
local coder = model("mae", { pool = "class", decoder = true, decoder_dim = 12, decoder_depth = 1, decoder_heads = 2 })
for given, mask in pairs { ['mask.who = "teacher"'] = student(), ['mask.who = "student"'] = student { who = "student" }, none = bauta.mask "none" {} } do
    t.raises(blind:format(given), function() distill { student = coder, teacher = coder, mask = mask, losses = { bauta.loss "g2sd" {} } } end)
end
t.raises(blind:format 'teachers.a.mask.who = "teacher"', function() several { teacher("a", { model = coder, mask = student(), losses = { bauta.loss "g2sd" {} } }) } end)
t.check(pcall(distill, { student = coder, teacher = coder, mask = student { who = "both" }, losses = { bauta.loss "g2sd" {} } }), "G2SD's first stage")
t.raises("teachers.a.weight = 2 has no effect: it has no losses of its own", with_losses({ teacher("a", { losses = {}, weight = 2 }) }, { logit }))
local ce = bauta.loss "cross-entropy" {}
local idle = "%s: none of the losses (%s) needs it: nothing would be learned from it; bauta.loss \"logit\" {}, say, among them expected, or bauta.train without a teacher"
t.raises(idle:format("the teacher", "cross-entropy"), function() distill { losses = {}, mask = student() } end)
t.raises(idle:format("the teacher", "cross-entropy, binary-cross-entropy"), function() distill { losses = { ce, bauta.loss "binary-cross-entropy" {} }, mixing = bauta.mixing { smoothing = 0 } } end)
t.raises(idle:format("teachers.a", "cross-entropy"), with_losses({ teacher("a", { losses = {} }) }, nil))
t.raises("teachers.a: none of its losses (cross-entropy) needs a teacher: nothing would be learned from it", function() several { teacher("a", { losses = { ce } }), teacher "b" } end)
local of_own = bauta.loss.define { name = "of-own", build = function(l) return l.logits {}:mean { axis = -100 } end }
for _, loss in ipairs { bauta.loss "logit" { weight = 0 }, of_own {}, bauta.loss "cc" { statistics = "auto" }, bauta.loss "attention" {} } do
    t.check(pcall(distill, { losses = { ce, loss } }), "a loss that needs the teacher, or may: %s", loss.name)
end
t.check(pcall(distill, { losses = { ce }, mask = bauta.mask "teacher" { keep = 0.5, who = "student" } }), "a teacher that chooses what the student sees")
t.check(pcall(with_losses({ teacher("a", { losses = {} }), teacher "b" }, { bauta.loss "logit" { teacher = "a" } })), "a loss of the experiment that names it")
t.raises("teachers: two are called a", function() several { teacher "a", teacher "a" } end)
t.raises("teachers: a and a_auxiliary would both call something a_auxiliary; another name expected", function() several { teacher "a", teacher "a_auxiliary" } end)
t.raises("teachers: a_teacher_full and a would both call something a_teacher_full; another name expected",
    function() several { teacher "a_teacher_full", teacher "a" } end)
local function shadowed(name, other)
    return function()
        bauta.distill { name = "x", data = scenes(), student = vit(), batch = 8, epochs = 4, teachers = { teacher(name, { mask = student() }),
            teacher(other, { mask = student() }) }, shadow = { bauta.mask "random" { keep = 0.5 } } }
    end
end
t.raises("teachers: a and a_shadow1 would both call something a_shadow1; another name expected", shadowed("a", "a_shadow1"))
t.raises("teachers: teacher and shadow1 would both call something shadow1; another name expected", shadowed("teacher", "shadow1"))
t.check(pcall(shadowed("a", "a_shadow2")), "a shadow that is not there")
t.group "teachers"

-- ---- from the command line ----
local function set(key, value, f)
    changes.set { { key = key, value = value } }
    local ok, e = pcall(f)
    changes.set {}
    return ok and e.settings or table.concat(e.lines, "\n")
end
t.equal(set("seed", "9007199254740993", train).seed, "9007199254740993", "a seed that no number of Lua can hold stays a text")
t.equal(set("seed", "12", train).seed, 12, "a small one is a number")
t.equal(set("seed", "1e300", train), "seed = 1e300 cannot be exact in Lua; write it as a string", "a number that is no seed")
t.equal(set("student.keys", "dino", train), "arch deit.keys = \"dino\" has no effect: no weights are given", "settings are judged again")
t.equal(set("data.border", "3", train).data.settings.border, 3, "one that has an effect")
t.equal(set("data.scale_low", "0.3", train), "data scenes.scale_low = 0.3 has no effect: training pictures are not made by augment = crop here", "and one that has none")
t.group "from the command line"
return t.done()
