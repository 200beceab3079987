-- loss_models: every loss that looks inside models, on real ones of unequal size with a masked teacher: bf16 agrees with fp32 within its
-- rounding, every learned tensor gets a gradient, and architectures that lack what a loss needs are refused with what they have.
local bauta = require "bauta"
local t = require "harness"

local student = bauta.arch "deit" { dim = 32, depth = 3, heads = 2, image = 32, patch = 8, classes = 10, distilled = true }
local teacher = bauta.arch "deit" { dim = 64, depth = 4, heads = 4, image = 32, patch = 8, classes = 10 }
local pixels = {}
for i = 1, 4 * 32 * 32 * 3 do pixels[i] = i * 7919 % 256 end

-- The loss and the squared length of the gradient at the student's first weights.
local function measure(name, settings, precision, models)
    local stores = { bauta.store(1), bauta.store(2), bauta.store(3) }
    local step = bauta.graph({ batch = 4, image = 32, precision = precision }, function(g)
        g:model("student", models and models[1] or student, { store = stores[1], training = true })
        local them = models and models[2] or teacher
        g:declare("teacher", them)
        local kept = not models and g:keep(g:score(bauta.mask "student" { keep = 0.5 }, "teacher"), 8) or nil
        g:model("teacher", them, { store = stores[2], kept = kept })
        local loss, wrt = g:loss(bauta.loss(name, settings), nil, stores[3]), {}
        for _, x in ipairs(stores[3]:list()) do wrt[#wrt + 1] = g:variable(stores[3], x.name) end
        wrt[#wrt + 1] = g:variable(stores[1], "patch_embed.proj.weight")
        g:fetch("loss", loss)
        for i, d in ipairs(g:grad(loss, wrt)) do
            t.check(d, "%s: tensor %d of %d gets no gradient", name, i, #wrt)
            if i == #wrt then g:fetch("slope", d:square():sum { axis = -100 }) end
        end
    end)
    step:feed("images", pixels)
    step:feed("labels", { 1, 2, 3, 4 })
    step:run()
    return step:read "loss", step:read "slope"
end

for _, l in ipairs { { "binary-cross-entropy", {} }, { "logit", {} }, { "hard", { head = "distillation" } }, { "nkd", {} }, { "dkd", {} }, { "fitnet", { layers = "all" } }, { "mgd", {} },
    { "vitkd", {} }, { "vitkd", { generator = "self-attention", module = "mha" } }, { "vitkd", { generator = "cross-attention", align = "correlation" } },
    { "manifold", {} }, { "attention", {} }, { "attention", { under_mask = "mass" } }, { "attndistill", {} }, { "attndistill", { align = "tokens", form = "norm" } } } do
    local loss, slope = measure(l[1], l[2], "fp32")
    local half, half_slope = measure(l[1], l[2], "bf16")
    t.check(loss > 0 and slope > 0, "%s: loss %g, slope %g", l[1], loss, slope)
    t.check(math.abs(half / loss - 1) < 0.05, "%s: loss %g, in bf16 %g", l[1], loss, half)
    t.check(math.abs(half_slope / slope - 1) < 0.2, "%s: slope %g, in bf16 %g", l[1], slope, half_slope)
end
t.group "bf16 beside fp32"

local swin = bauta.arch "swin" { image = 32, patch = 2, window = 2, depths = "1,1,1,1", heads = "1,2,2,4", dim = 16, classes = 10 }
local plain = bauta.arch "deit" { dim = 32, depth = 3, heads = 2, image = 32, patch = 8, classes = 10 }
t.raises("plugin fitnet: student.tokens of layer 0; 3 to 3 (or -1 for the last) expected",
    function() measure("fitnet", { layers = "0", teacher_layers = "0" }, "fp32", { swin, teacher }) end)
t.raises("plugin hard: head = distillation: student has no distillation token (distilled = true of arch deit or mae gives it one)",
    function() measure("hard", { head = "distillation" }, "fp32", { plain, teacher }) end)

-- What docs/losses.md says of a Swin student: its earlier blocks, whose grids are finer, take no part.
for _, l in ipairs { { "nkd", {} }, { "fitnet", {} }, { "fitnet", { layers = "last-2" } }, { "mgd", {} }, { "vitkd", { mimic = "last" } }, { "vitkd", { mimic = "none", generate = "last-2" } },
    { "manifold", { layers = "last-2" } }, { "attention", { layers = "last-2" } }, { "attndistill", { layers = "last-2" } }, { "reg", {} }, { "simreg", {} } } do
    local deep = bauta.arch "swin" { image = 32, patch = 2, window = 4, depths = "1,1,2", heads = "1,2,4", dim = 16, classes = 10 }
    t.check(measure(l[1], l[2], "fp32", { deep, teacher }) > 0, "%s, Swin learns", l[1])
end
for _, l in ipairs { { "fitnet", { layers = "all" } }, { "vitkd", {} }, { "vitkd", { mimic = "last", module = "mha" } }, { "manifold", {} }, { "attention", {} },
    { "attndistill", { layers = "all" } }, { "attndistill", { values = true } }, { "hard", { head = "distillation" } } } do
    t.refused(function() measure(l[1], l[2], "fp32", { swin, teacher }) end, l[1] .. " and a Swin student")
end

-- CaiT's blocks of patches are paired, not the two behind them; what looks at class attention looks at those two.
local cait = bauta.arch "cait" { dim = 64, depth = 4, heads = 4, image = 32, patch = 8, classes = 10 }
t.equal(("%d %d %d"):format(cait.depth, cait.trunk, cait.joins), "6 4 4", "facts of CaiT")
t.equal(("%d %d %d"):format(plain.depth, plain.trunk, plain.joins), "3 3 0", "facts of DeiT")
local convit = bauta.arch "convit" { dim = 32, depth = 4, heads = 4, image = 32, patch = 8, classes = 10, ["local"] = 2 }
t.equal(("%d %d %d"):format(convit.depth, convit.trunk, convit.joins), "4 4 2", "facts of ConViT")
local function alike(name, settings, others, models, what)
    t.near(measure(name, settings, "fp32", models), (measure(name, others, "fp32", models)), 0, what)
end
alike("manifold", {}, { teacher_layers = "0,2,3", extras = false }, { plain, cait }, "manifold, CaiT teaches")
alike("manifold", {}, { layers = "0,1,2,3", teacher_layers = "0,1,2,3", extras = false }, { cait, teacher }, "manifold, CaiT learns")
alike("manifold", { layers = "0,1" }, { layers = "0,1", extras = false }, { convit, teacher }, "manifold, local blocks of ConViT")
t.check(measure("manifold", { layers = "2,3" }, "fp32", { convit, teacher }) ~= measure("manifold", { layers = "2,3", extras = false }, "fp32", { convit, teacher }),
    "ConViT's class token has joined")
alike("fitnet", {}, { layers = "2", teacher_layers = "3" }, { plain, cait }, "fitnet, CaiT teaches")
for _, name in ipairs { "fitnet", "mgd", "vitkd" } do t.check(measure(name, {}, "fp32", { plain, cait }) > 0, "%s, CaiT teaches", name) end
for _, name in ipairs { "attention", "attndistill" } do
    alike(name, { layers = "last" }, { layers = "2", teacher_layers = "5" }, { plain, cait }, name .. ", CaiT teaches")
end
-- All blocks are paired unless a script says otherwise: where one of them does not ask, the message names blocks that do, and those work.
local swin_alone = bauta.arch "swin" { image = 32, patch = 4, window = 4, depths = "1,1", heads = "1,2", dim = 16, classes = 10 }
for _, c in ipairs { { plain, cait, "teacher", "0 of the student is paired with block 0", "4 to 5", 2 }, { cait, plain, "student", "0 of the student is paired with block 0", "4 to 5", 2 },
    { plain, swin_alone, "teacher", "0 of the student is paired with block 0", "1 to 1", 1 } } do
    t.raises(("plugin attention: block %s of the teacher, and the %s has no class attention there but in blocks %s; "):format(c[4], c[3], c[5]) ..
        ('layers = "last-%d", teacher_layers = "last-%d" compares the last ones'):format(c[6], c[6]), function() measure("attention", {}, "fp32", { c[1], c[2] }) end)
    local last = "last-" .. c[6]
    t.check(measure("attention", { layers = last, teacher_layers = last }, "fp32", { c[1], c[2] }) > 0, "%s learns from %s", c[1].name, c[2].name)
end
t.group "blocks behind the trunk"

-- A teacher whose tokens are merged on the way has no tokens of places any more; its logits still teach.
local function merged(loss, r)
    local stores = { bauta.store(1), bauta.store(2), bauta.store(3) }
    local step = bauta.graph({ batch = 2, image = 32 }, function(g)
        g:model("student", plain, { store = stores[1], training = true })
        g:model("teacher", teacher, { store = stores[2], reducer = bauta.reducer("tome", { r = r }) })
        g:fetch("loss", g:loss(bauta.loss(loss, {}), nil, stores[3]))
    end)
    step:free()
    return true
end
t.check(merged("logit", 2), "logits of a reduced teacher")
for _, r in ipairs { 1, 2 } do
    for _, loss in ipairs { "fitnet", "vitkd", "manifold" } do t.refused(function() merged(loss, r) end, loss .. " with merged tokens") end
end
t.group "refusals"
return t.done()
