-- masking: golden values of every criterion and of every way to select, by hand-made attention; then that the
-- options combine, and that what makes no sense is refused with the reason.
local bauta = require "bauta"
local selection = require "bauta.selection"
local t = require "harness"

local function near(got, want, what, tolerance)
    t.equal(#got, #want, what .. ": how many")
    for i, v in ipairs(want) do t.near(got[i], v, tolerance or 2e-6, ("%s [%d]"):format(what, i)) end
end

-- A graph with models described by hand. models: who = { facts =, class_attention = { shape, numbers }, attention = ... }.
local function by_hand(batch, models, describe)
    local step = bauta.graph({ batch = batch, image = 8 }, function(g)
        for who, m in pairs(models) do
            g:say(who, m.facts)
            for what, v in pairs(m) do
                if what ~= "facts" then g:put(who, what, 0, g:constant(v[2], v[1])) end
            end
        end
        describe(g)
    end)
    local black = {}
    for i = 1, batch * 8 * 8 * 3 do black[i] = 0 end
    step:feed("images", black)
    return step
end

local function facts(N, rows, E)
    return { patches = N, grid_rows = rows, grid_columns = N / rows, prefix = E or 1, depth = 1, heads = 1, dim = 4, classes = 2 }
end

-- Scores by a criterion for the teacher, and what it keeps.
local function ranked(models, batch, mask, k, feed)
    local step = by_hand(batch, models, function(g)
        local scores = g:score(mask, "teacher")
        g:fetch("scores", scores)
        g:fetch("kept", g:keep(scores, k, mask.settings, "teacher", mask.name))
    end)
    for name, v in pairs(feed or {}) do step:feed(name, v) end
    step:run()
    local scores, kept = step:read "scores", table.concat(step:read "kept", " ")
    step:free()
    return scores, kept
end

-- G-M1: two heads, [class, p0..p3].
local m1 = { 0.013166, 0.001782, 0.718828, 0.001782, 0.264442, 0.945874, 0.047092, 0.002345, 0.002345, 0.002345 }
local models = { student = { facts = facts(4, 2), class_attention = { { 1, 2, 1, 5 }, m1 } }, teacher = { facts = facts(4, 2) } }
local scores, kept = ranked(models, 1, bauta.mask "student" {}, 2)
near(scores, { 0.024437, 0.360586, 0.002063, 0.133393 }, "G-M1 all")
t.equal(kept, "1 3", "G-M1 all")
scores, kept = ranked(models, 1, bauta.mask "student" { softmax = "patches" }, 2)
near(scores, { 0.435927, 0.385868, 0.022561, 0.155644 }, "G-M1 patches", 2e-5)
t.equal(kept, "0 1", "G-M1 patches")
scores, kept = ranked(models, 1, bauta.mask "bottom-k" {}, 2)
near(scores, { -0.024437, -0.360586, -0.002063, -0.133393 }, "bottom-k")
t.equal(kept, "0 2", "G-M1 bottom-k")
t.equal(select(2, ranked(models, 1, bauta.mask "student" { select = "bottom" }, 2)), "0 2", "G-M1 bottom")
t.group "G-M1: student, bottom-k"

-- The lengths of the values: 5, 1, 2, 0 in the first head, 1, 3, 10, 2 in the second; the class token's own does not matter.
local m1v = { 9, 9, 3, 4, 1, 0, 0, -2, 0, 0, 9, 9, 1, 0, 0, 3, -6, 8, 2, 0 }
models.student.values = { { 1, 2, 5, 2 }, m1v }
scores, kept = ranked(models, 1, bauta.mask "value-norm" {}, 2)
near(scores, { 0.028001, 0.3629315, 0.013507, 0.002345 }, "value-norm")
t.equal(kept, "0 1", "value-norm")
models.student.values = nil
t.group "attention times the length of the value"

-- The same attention, seen by a teacher, by a third model, by a student with another name.
models = { student = { facts = facts(4, 2), class_attention = { { 1, 1, 1, 5 }, { 0, 1, 0, 0, 0 } } }, teacher = { facts = facts(4, 2) },
    teacher_full = { facts = facts(4, 2), class_attention = { { 1, 2, 1, 5 }, m1 } },
    auxiliary = { facts = facts(4, 2), class_attention = { { 1, 2, 1, 5 }, m1 } } }
local third = bauta.arch "deit" { dim = 4, depth = 1, heads = 1, image = 16, patch = 8, classes = 2 }
for name, model in pairs { teacher = false, dino = third } do
    near((ranked(models, 1, bauta.mask(name, { softmax = "patches", model = model or nil }), 2)), { 0.435927, 0.385868, 0.022561, 0.155644 }, name, 2e-5)
end
t.group "teacher, dino"

-- G-M4: one head, [class, p0, p1, p2].
local m4 = { .4, .3, .2, .1, .1, .5, .2, .2, .2, .1, .6, .1, .3, .3, .3, .1 }
models = { student = { facts = facts(3, 1), attention = { { 1, 1, 4, 4 }, m4 }, class_attention = { { 1, 1, 1, 4 }, { .4, .3, .2, .1 } } },
    teacher = { facts = facts(3, 1) } }
scores, kept = ranked(models, 1, bauta.mask "student" { source = "patches" }, 1)
near(scores, { 0.3, 0.366667, 0.133333 }, "G-M4 patch-patch")
t.equal(kept, "1", "G-M4 patch-patch")
scores, kept = ranked(models, 1, bauta.mask "student" {}, 1)
near(scores, { .3, .2, .1 }, "G-M4 class-patch")
t.equal(kept, "0", "G-M4 class-patch")
-- over the patches only, every row of the map first: rows divided by 0.9, 0.8, 0.7
near((ranked(models, 1, bauta.mask "student" { source = "patches", softmax = "patches" }, 1)),
    { (.5 / .9 + .1 / .8 + .3 / .7) / 3, (.2 / .9 + .6 / .8 + .3 / .7) / 3, (.2 / .9 + .1 / .8 + .1 / .7) / 3 }, "patch-patch over patches")
t.group "G-M4: patch-patch"

-- Rows of several extra tokens: the class token's, the mean of all, the mean of the others.
local rows3 = { .1, .1, .1, .4, .3, .1, .2, .2, .5, 0, .3, .3, .1, .1, .2 }
models = { student = { facts = facts(2, 1, 3), class_attention = { { 1, 1, 3, 5 }, rows3 } }, teacher = { facts = facts(2, 1, 3) } }
near((ranked(models, 1, bauta.mask "student" {}, 1)), { .4, .3 }, "row of the class token")
near((ranked(models, 1, bauta.mask "student" { rows = "extra" }, 1)), { 1 / 3, .5 / 3 }, "all rows")
near((ranked(models, 1, bauta.mask "student" { rows = "others" }, 1)), { .3, .1 }, "other rows")
for asks, want in pairs { [0] = { .4, .3 }, { 1 / 3, .5 / 3 }, { .3, .1 } } do -- what the architecture says, and the setting over it
    models.student.facts.asks = asks
    near((ranked(models, 1, bauta.mask "student" {}, 1)), want, "asks = " .. asks)
    near((ranked(models, 1, bauta.mask "student" { rows = "class" }, 1)), { .4, .3 }, "rows = class, asks = " .. asks)
end
t.equal(bauta.arch "ast" {}.asks, 1, "AST: class and distillation token")
t.equal(bauta.arch "yolos" {}.asks, 2, "YOLOS: detection tokens")
t.equal(bauta.arch "deit" { distilled = true }.asks, 0, "distilled DeiT: the class token")
t.group "other tokens than the class token"

-- G-M2 and G-M3 through the selection.
local function kept_of(numbers, shape, k, how)
    local step = bauta.graph({ batch = shape[1] }, function(g) g:fetch("kept", g:keep(g:constant(numbers, shape), k, how)) end)
    step:run()
    local out = table.concat(step:read "kept", " ")
    step:free()
    return out
end
t.equal(kept_of({ .2, .5, .5, .1, .5 }, { 1, 5 }, 2), "1 2", "G-M2: ties")
t.equal(kept_of({ .1, .4, .2, .3, .5, .1, .3, .1 }, { 2, 4 }, 2), "1 3 0 2", "G-M3: gather")
t.equal(kept_of({ .2, .5, .5, .1, .5 }, { 1, 5 }, 2, "bottom"), "0 3", "bottom")

-- G-M5: random numbers, and the mixture with them.
local u = { .71, .12, .55, .93, .34, .08, .66, .41, .27, .80 }
t.equal(kept_of(u, { 1, 10 }, 5, "bottom"), "1 4 5 7 8", "G-M5: the smallest numbers")
local dino = { .02, .20, .05, .13, .11, .03, .18, .09, .07, .12 }
local step = bauta.graph({ batch = 2 }, function(g)
    local twice = { {}, {} }
    for i = 1, 20 do twice[1][i], twice[2][i] = dino[(i - 1) % 10 + 1], u[(i - 1) % 10 + 1] end
    local s = g:constant(twice[1], { 2, 10 })
    g:fetch("det", s:topk { keep = 4 })
    g:fetch("kept", selection.mixture(g, s, 4, g:constant(twice[2], { 2, 10 })):topk { keep = 5 })
end)
step:run()
t.equal(table.concat(step:read "det", " "), "1 3 6 9 1 3 6 9", "G-M5: by rank")
t.equal(table.concat(step:read "kept", " "), "1 3 5 6 9 1 3 5 6 9", "G-M5: DINO+Random")
step:free()
t.group "G-M2, G-M3, G-M5: selection"

-- The mixture begins when so much of the training is done; the highest are always there, the others change from step to step.
local mixed = bauta.mask "student" { keep = 5, ranked = 0.4, ranked_from = 0.5 }
local row = { 0 }
for i, v in ipairs(dino) do row[i + 1] = v end
models = { student = { facts = facts(10, 2), class_attention = { { 1, 1, 1, 11 }, row } }, teacher = { facts = facts(10, 2) } }
t.equal(select(2, ranked(models, 1, mixed, 5, { progress = 0.49 })), "1 3 4 6 9", "before: the five highest")
local others, seen = {}, 0
for s = 1, 40 do
    local k = " " .. select(2, ranked(models, 1, mixed, 5, { progress = 0.5, step = s })) .. " "
    for _, must in ipairs { "1", "3", "6", "9" } do t.check(k:find(" " .. must .. " ", 1, true), "the four highest: %s", k) end
    for i = 0, 9 do
        if not (i == 1 or i == 3 or i == 6 or i == 9) and k:find(" " .. i .. " ", 1, true) and not others[i] then others[i], seen = true, seen + 1 end
    end
end
t.check(seen >= 5, "the fifth is drawn from the other six: %d seen", seen)
t.raises("mask.ranked = 0.6 is 6 patches; only keep = 5 are kept in all", function() ranked(models, 1, bauta.mask "student" { ranked = 0.6 }, 5) end)
t.group "Table 5: a part at random from half of the training on"

-- Drawn in proportion: of many pictures with the scores 1:2:3:4, each patch comes first as often as its share says; and every draw of 2 of 4
-- has the probability of drawing without putting back.
local n, shares = 8000, { 1, 2, 3, 4 }
local numbers = {}
for i = 1, n do for c = 1, 4 do numbers[#numbers + 1] = shares[c] end end
for k = 1, 2 do
    step = bauta.graph({ batch = n, seed = os.time() % 1000000 }, function(g)
        g:fetch("kept", g:keep(g:constant(numbers, { n, 4 }), k, { select = "sampled" }))
    end)
    step:run()
    local count = { 0, 0, 0, 0 }
    for _, i in ipairs(step:read "kept") do count[i + 1] = count[i + 1] + 1 end
    step:free()
    for c = 1, 4 do
        local p = shares[c] / 10
        if k == 2 then
            for o = 1, 4 do
                if o ~= c then p = p + shares[o] / 10 * shares[c] / (10 - shares[o]) end
            end
        end
        local deviation = math.sqrt(p * (1 - p) / n)
        t.near(count[c] / n, p, 5 * deviation, ("sampled, k = %d, patch %d"):format(k, c - 1))
    end
end
t.equal(kept_of({ 0, 0, 5, 0, 1, 0 }, { 1, 6 }, 2, { select = "sampled" }), "2 4", "a score of 0 comes last")
t.group "sampled in proportion to the score"

-- select = random keeps any patch alike, whatever the scores.
step = bauta.graph({ batch = n, seed = os.time() % 1000000 }, function(g)
    g:fetch("kept", g:keep(g:constant(numbers, { n, 4 }), 1, { select = "random" }))
end)
step:run()
local count = { 0, 0, 0, 0 }
for _, i in ipairs(step:read "kept") do count[i + 1] = count[i + 1] + 1 end
for c = 1, 4 do t.near(count[c] / n, 0.25, 5 * math.sqrt(0.1875 / n), "random " .. c) end
step:free()
t.group "at random"

-- G-M6: other grids, through the criterion: 2x2 -> 4x4 and 3x3 -> 2x2.
models = { student = { facts = facts(4, 2), class_attention = { { 1, 1, 1, 5 }, { 0, .1, .4, .2, .3 } } }, teacher = { facts = facts(16, 4) } }
scores, kept = ranked(models, 1, bauta.mask "student" {}, 5)
near(scores, { .1, .175, .325, .4, .125, .1875, .3125, .375, .175, .2125, .2875, .325, .2, .225, .275, .3 }, "G-M6 edges")
t.equal(kept, "2 3 6 7 11", "G-M6 edges")
scores, kept = ranked(models, 1, bauta.mask "student" { corners = true }, 5)
near(scores, { .1, .2, .3, .4, .133333, .211111, .288889, .366667, .166667, .222222, .277778, .333333, .2, .233333, .266667, .3 }, "G-M6 corners")
t.equal(kept, "2 3 7 11 15", "G-M6 corners")
models = { student = { facts = facts(9, 3), class_attention = { { 1, 1, 1, 10 }, { 0, .05, .10, .15, .20, .25, .05, .10, .04, .06 } } },
    teacher = { facts = facts(4, 2) } }
near((ranked(models, 1, bauta.mask "student" {}, 2)), { .1, .128125, .116875, .06625 }, "G-M6 shrink")
local mine = bauta.mask.define { name = "by-hand", score = function(m) return m.class_attention {}:mean { axis = 1 } end }
near((ranked(models, 1, mine {}, 2)), { .1, .128125, .116875, .06625 }, "the same in Lua")
-- PyTorch 2.x, interpolate(mode = "bicubic", align_corners = False) of [[1, 2], [3, 4]]
step = bauta.graph({ batch = 1, feeds = { x = { "f32", { 1, 2, 2, 1 } } } }, function(g, batch)
    g:fetch("y", batch.x:resize_images { rows = 4, columns = 4 })
end)
step:feed("x", { 1, 2, 3, 4 })
step:run()
near(step:read "y", { 0.68359375, 1.015625, 1.5625, 1.89453125, 1.34765625, 1.6796875, 2.2265625, 2.55859375, 2.44140625, 2.7734375,
    3.3203125, 3.65234375, 3.10546875, 3.4375, 3.984375, 4.31640625 }, "pictures")
step:free()
t.group "G-M6: other grids, other sizes"

-- Layers by name; the middle of 12 is 5, of 3 is 1.
for depth, want in pairs { [12] = 5, [3] = 1, [2] = 0, [1] = 0 } do
    local attention = { student = { facts = facts(2, 1) }, teacher = { facts = facts(2, 1) } }
    attention.student.facts.depth = depth
    local one = by_hand(1, attention, function(g)
        for l = 0, depth - 1 do g:put("student", "class_attention", l, g:constant({ 0, l, 1 }, { 1, 1, 1, 3 })) end
        for _, name in ipairs { "first", "middle", "last" } do g:fetch(name, g:score(bauta.mask "student" { layer = name }, "teacher")) end
        g:fetch("lua", g:score(bauta.mask.define { name = "by-name",
            score = function(m) return m.class_attention { layer = "middle" }:mean { axis = 1 } end } {}, "teacher"))
    end)
    one:run()
    t.equal(one:read("first")[1], 0, "first")
    t.equal(one:read("middle")[1], want, "middle of " .. depth)
    t.equal(one:read("lua")[1], want, "middle in Lua")
    t.equal(one:read("last")[1], depth - 1, "last")
    one:free()
end
t.group "layers by name"

-- What makes no sense.
local function settings(name, s) return function() bauta.mask(name, s) end end
t.raises('mask bottom-k.select = "bottom": the lowest of bottom-k are the highest of mask student; write that', settings("bottom-k", { select = "bottom" }))
t.raises('mask bottom-k.select = "sampled": bottom-k\'s scores are negative and cannot be drawn in proportion; use mask student',
    settings("bottom-k", { select = "sampled" }))
t.raises('mask random.select = "bottom": mask random draws at random already', settings("random", { select = "bottom" }))
t.raises("mask random.ranked = 0.4: mask random ranks nothing", settings("random", { ranked = 0.4 }))
t.raises('mask none.select = "random": mask none ranks nothing', settings("none", { select = "random" }))
t.raises('mask student.ranked = 0.4 with select = "sampled": a part by rank and a part at random wants select = "top"',
    settings("student", { ranked = 0.4, select = "sampled" }))
t.raises('mask student.layer = "lost"; expected a block\'s number, "first", "middle" or "last"', settings("student", { layer = "lost" }))
t.raises("mask student.layer = 0.5 is not a whole number; expected an integer -1000..1000", settings("student", { layer = 0.5 }))
t.raises('mask student.select = "best"; expected "top", "bottom", "random" or "sampled"', settings("student", { select = "best" }))
t.refused(settings("student", { ranked = -1 }), "a negative share")
t.refused(settings("student", { ranked = "much" }), "no share")
t.refused(settings("student", { ranked = { [0] = 0.4 } }), "a schedule")
t.refused(settings("student", { source = "pixels" }), "no source")
models = { student = { facts = facts(4, 2), class_attention = { { 1, 1, 1, 5 }, { 0, .1, 0 / 0, .2, .3 } } }, teacher = { facts = facts(4, 2) } }
local ok, e = pcall(ranked, models, 1, bauta.mask "student" {}, 2)
t.check(not ok and tostring(e):find("student", 1, true) and tostring(e):find("score of patch 1 of image 0 is NaN", 1, true), "NaN: %s", tostring(e))
models.student.class_attention[2] = { 0, .1, -.5, .2, .3 }
t.refused(function() ranked(models, 1, bauta.mask "student" { select = "sampled" }, 2) end, "negative scores, drawn in proportion")
t.refused(function() ranked(models, 1, bauta.mask "student" { rows = "others" }, 2) end, "one extra token only")
t.refused(function() ranked(models, 1, bauta.mask "student" { source = "patches" }, 2) end, "a model without whole maps")
t.refused(function() ranked(models, 1, bauta.mask "teacher" {}, 2) end, "no teacher that sees everything")
t.refused(function() ranked(models, 1, bauta.mask "dino" { model = third }, 2) end, "no third model in the graph")
t.raises("mask dino.model is missing; the arch that ranks the patches expected", settings("dino", {}))
t.raises("mask student.model: this criterion asks no third model; mask dino does", settings("student", { model = third }))
local data = bauta.data "scenes" { size = 16, train = 16, test = 8 }
t.raises("mask.ranked = 0.5 is 2 patches; only keep = 1 are kept in all", function()
    bauta.distill { name = "x", data = data, student = third, teacher = third, epochs = 4,
        mask = bauta.mask "student" { keep = { [0] = "all", [2] = 0.25 }, ranked = 0.5 }, losses = { bauta.loss "logit" {} } }
end)
t.group "what makes no sense"
return t.done()
