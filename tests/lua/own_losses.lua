-- own_losses: losses written in Lua: the same numbers and gradients as the plugins whose formula they write, what they learn, and what they may not do.
local bauta = require "bauta"
local errors = require "bauta.errors"
local session = require "bauta.session"
local steps = require "bauta.steps"
local t = require "harness"

local seed = tonumber(os.getenv "BAUTA_SEED" or os.time() % 100000)
print("seed " .. seed)
math.randomseed(seed)

local B, side = 3, 16
local function vit(more)
    local s = { dim = 24, depth = 3, heads = 3, image = side, patch = 4, classes = 5, drop_path = 0 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch "deit"(s)
end
local pixels = {}
for i = 1, B * side * side * 3 do pixels[i] = math.random(0, 255) end

bauta.loss.define { name = "my-logit", doc = "soft cross-entropy of the teacher's answer",
    params = { bauta.float("temperature", 1, 0.01, 100) },
    build = function(l)
        local T = l.params.temperature
        local s, teacher = (l.logits {} * (1 / T)):log_softmax(), (l.logits { who = "teacher" } * (1 / T))
        local p = teacher:softmax()
        return (p * (teacher:log_softmax() - s)):sum { axis = 1 }:mean { axis = -100 } * (T * T)
    end }
bauta.loss.define { name = "my-fitnet", doc = "squared error of tokens through a learned map", params = { bauta.string("layers", "last") },
    build = function(l)
        local sum
        for _, pair in ipairs(l.layers(l.params.layers)) do
            local function tokens(who, layer)
                if layer == l.fact(who, "depth") - 1 then return l.features { who = who } end
                return l.tokens { who = who, layer = layer }
            end
            local s, teacher = l.match(tokens("student", pair[1]), tokens("teacher", pair[2]))
            local miss = (teacher - l.project("fc." .. pair[1], s, teacher:size(2))):square():mean { axis = -100 }
            sum = sum and sum + miss or miss
        end
        return sum
    end }

-- The value of a loss, and its gradients by the student's input embedding and by what it learns itself.
local function judged(loss, student, teacher, keep, learned)
    local stores = { bauta.store(seed), bauta.store(seed + 1), bauta.store(seed + 2) }
    local step = bauta.graph({ batch = B, image = side }, function(g)
        g:model("student", student, { store = stores[1] })
        local kept = keep and g:keep(g:score(bauta.mask "student" {}, "student"), keep, "top", "student") or nil
        g:model("teacher", teacher, { store = stores[2], kept = kept })
        local value = g:loss(loss, "x", stores[3])
        g:fetch("value", value)
        local by = { g:variable(stores[1], "pos_embed") }
        for _, name in ipairs(learned) do by[#by + 1] = g:variable(stores[3], name) end
        for i, d in ipairs(g:grad(value, by)) do g:fetch("d" .. i, d) end
    end)
    step:feed("images", pixels)
    step:run()
    local out = { value = step:read "value", store = stores[3] }
    for i = 1, 1 + #learned do out[i] = step:read("d" .. i) end
    step:free()
    return out
end

local function same(mine, theirs, learned, what)
    t.near(mine.value, theirs.value, 2e-6 * (1 + math.abs(theirs.value)), what)
    t.check(theirs.value > 1e-4, "%s: a loss worth comparing: %g", what, theirs.value)
    for i = 1, 1 + #learned do
        local worst, size = 0, 0
        for k, v in ipairs(theirs[i]) do
            worst, size = math.max(worst, math.abs(v - mine[i][k])), math.max(size, math.abs(v))
        end
        t.check(size > 0 and worst <= 1e-5 * size, "%s: gradient %d is off by %g of %g", what, i, worst, size)
    end
end

local small, wide, fine = vit(), vit { dim = 36 }, vit { dim = 36, patch = 2 }
for _, keep in ipairs { false, 6 } do
    local how = keep and " with a masked teacher" or ""
    same(judged(bauta.loss "my-logit" { temperature = 3, weight = 0.5 }, small, wide, keep, {}),
        judged(bauta.loss "logit" { temperature = 3, weight = 0.5 }, small, wide, keep, {}), {}, "logit" .. how)
    local learned = { "x.fc.2.weight", "x.fc.2.bias" }
    same(judged(bauta.loss "my-fitnet" { weight = 7 }, small, wide, keep, learned),
        judged(bauta.loss "fitnet" { weight = 7, reduction = "mean" }, small, wide, keep, learned), learned, "fitnet" .. how)
end
local learned = { "x.fc.1.weight", "x.fc.2.bias" }
same(judged(bauta.loss "my-fitnet" { layers = "1,2" }, small, fine, false, learned),
    judged(bauta.loss "fitnet" { weight = 1, reduction = "mean", layers = "1,2" }, small, fine, false, learned), learned, "a finer teacher, two blocks")
t.group "as the plugins whose formula it is"

-- ---- what a gradient reaches ----
do
    local store = bauta.store(1)
    for _, name in ipairs { "a", "b" } do store:add(name, { 3 }, "one") end
    bauta.graph({}, function(g)
        local a, b = g:variable(store, "a"), g:variable(store, "b")
        local sum = (a * a):mean { axis = -100 }
        t.check(g:reaches(sum, { a }) and g:reaches(sum, { b, a }) and g:reaches(a, { a }), "what it is made of")
        t.check(not g:reaches(sum, { b }) and not g:reaches(sum, {}), "and nothing else")
        t.check(not g:reaches(a:less(b):mean { axis = -100 }, { a, b }), "a comparison has no gradient")
        t.check(g:reaches(a:less(b):where(a, b):mean { axis = -100 }, { b }), "what it chooses has")
        g:fetch("sum", sum)
    end)
    t.refused(function() bauta.graph({}, function(g) g:reaches(5, {}) end) end, "a number")
end
t.group "what a gradient reaches"

-- ---- in a run: learned tensors are trained, notes and columns are there, two teachers have theirs apart ----
local data = bauta.data "scenes" { size = side, train = 64, test = 16 }
local labels = { 3, 1, 4, 1 }
local function step_of(more)
    local s = { name = "x", data = data, student = vit { classes = 10 }, batch = 4, epochs = 4, seed = 5 }
    for k, v in pairs(more) do s[k] = v end
    local e = bauta.distill(s)
    local stores = steps.stores(e, session.device())
    local program, notes = steps.train(e, session.device(), stores, nil, 0)
    local images = {}
    for i = 1, 4 * side * side * 3 do images[i] = (i * 7) % 256 end
    for name, v in pairs { images = images, labels = labels, step = 1, epoch = 0, progress = 0, lr = 0.001 } do program:feed(name, v) end
    return program, stores, notes, e
end
bauta.loss.define { name = "whitened", doc = "uses everything there is", params = { bauta.int("width", 7, 1, 100) },
    build = function(l)
        local x, y = l.logits {}, l.logits { who = "teacher" }
        local scale = l.weight("scale", { 1, l.params.width }, "one", 0, false)
        local drop = l.random("drop", { l.batch, l.params.width }):less(l.constant({ 0.5 }, { 1, 1 }))
        local a = (l.project("mine", x, l.params.width) - l.project("theirs", y, l.params.width)) * scale * drop
        l.note("size", a:square():mean { axis = -100 })
        return a:square():mean { axis = -100 }
    end }
-- A loss by which the student learns nothing: of constants, of the teacher alone, of its own tensors alone, of a choice.
local idle = { constant = function(l) return l.constant({ 3 }, {}) end, teacher = function(l) return l.logits { who = "teacher" }:mean { axis = -100 } end,
    own = function(l) return l.project("map", l.logits { who = "teacher" }, 3):square():mean { axis = -100 } end,
    choice = function(l) return l.logits {}:less(l.constant({ 0 }, { 1, 1 })):mean { axis = -100 } end }
for name, build in pairs(idle) do
    local make = bauta.loss.define { name = "idle-" .. name, build = build }
    local function with(weight)
        local program, stores = step_of { teacher = vit { classes = 10 }, losses = { bauta.loss "cross-entropy" {}, make { weight = weight } } }
        program:free()
        for _, store in pairs(stores) do store:free() end
    end
    t.raises(("loss idle-%s: no gradient of it reaches the student: nothing would be learned by it (weight = 0 only watches)"):format(name), function() with(1) end)
    t.check(pcall(with, 0), "%s: watched", name)
end
local program, stores, notes, e = step_of { teacher = vit { classes = 10, dim = 36 }, losses = { bauta.loss "cross-entropy" {}, bauta.loss "whitened" {} } }
local names, before = {}, {}
for _, w in ipairs(stores.losses:list()) do
    names[#names + 1] = w.name .. (w.no_decay and "*" or "")
    before[w.name] = stores.losses:read(w.name)
end
table.sort(names)
t.equal(table.concat(names, " "), "whitened-2.mine.bias whitened-2.mine.weight whitened-2.scale* whitened-2.theirs.bias whitened-2.theirs.weight", "what it learns")
program:run()
for name, was in pairs(before) do
    local moved = 0
    for i, v in ipairs(stores.losses:read(name)) do moved = math.max(moved, math.abs(v - was[i])) end
    t.check(moved > 1e-5, "%s is trained: moved by %g", name, moved)
end
t.equal(table.concat(notes, " "), "note_whitened_2_size", "its note")
t.near(program:read "note_whitened_2_size", program:read "loss_whitened", 1e-6, "the note's value")
t.near(program:read "loss", program:read "loss_ce" + program:read "loss_whitened", 1e-5, "the sum")
program:free()
local function tutor(name) return bauta.teacher { name = name, model = vit { classes = 10, dim = 36 }, losses = { bauta.loss "whitened" { weight = 3 } } } end
program, stores = step_of { teachers = { tutor "a", tutor "b" } }
t.equal(#stores.losses:list(), 10, "two of them learn apart")
program:run()
t.near(program:read "loss", program:read "loss_a_whitened" + program:read "loss_b_whitened", 1e-5, "two teachers")
program:free()
t.equal(e:record().losses[2].settings.weight, 1, "its settings are in the log")
t.equal(#e:record().losses[2].sha256, 64, "and what its text was")
t.group "in a run"

-- ---- mistakes ----
local count = 0
local function built(build, more)
    count = count + 1
    local name = "wrong-" .. count
    bauta.loss.define { name = name, doc = "x", params = {}, build = build }
    return function()
        local s = { teacher = vit { classes = 10, dim = 36 }, losses = { bauta.loss(name, {}) } }
        for k, v in pairs(more or {}) do s[k] = v end
        step_of(s)
    end
end
t.raises("loss wrong-1: build returned f32 [4,10]; one number, f32, expected (x:mean { axis = -100 } is the mean of all)", built(function(l) return l.logits {} end))
t.raises("loss wrong-2: build returned 5; one number, f32, expected (x:mean { axis = -100 } is the mean of all)", built(function() return 5 end))
t.raises("loss wrong-3: build returned nil; one number, f32, expected (x:mean { axis = -100 } is the mean of all)", built(function() end))
t.raises([[loss wrong-4: no such signal "logit"; did you mean logits?]], built(function(l) return l.logit {} end))
t.raises("the teacher's tokens are f32[4,10]; [B,17,..] expected: 1 in front and 16 patches", built(function(l) return l.match(l.tokens {}, l.logits { who = "teacher" }) end))
for _, name in ipairs { "", "A", "a b", "a/b", 5, ("x"):rep(61) } do
    t.raises(("learned tensor %s: 1 to 60 of a-z, 0-9, _ and points expected"):format(errors.show(name)), built(function(l) return l.weight(name, { 1 }):mean { axis = -100 } end))
end
for _, out in ipairs { 0, 1.5, "5", -1 } do t.raises(("project p: out = %s; a width of 1 at least expected"):format(errors.show(out)), built(function(l) return l.project("p", l.logits {}, out) end)) end
local no_setting = built(function(l) return l.logits {}:mean { axis = -100 } * l.params.wieght end)
t.raises(("loss wrong-%d: params.wieght: no such parameter; did you mean weight?"):format(count), no_setting)
t.raises("bad argument #1 to 'math.min' (number expected, got table)", built(function(l) return math.min(l.logits {}, 1) end))
local path = bauta.loss "logit" {}.plugin.path
t.raises(("loss.define: there is a loss logit already, %s; another name expected"):format(path), function()
    bauta.loss.define { name = "logit", build = function() end }
end)
t.refused(built(function(l) return l.weight("w", { 0 }):mean { axis = -100 } end), "an empty tensor")
t.refused(built(function(l) return l.layers("nosuch") end), "layers")
t.refused(built(function(l) return l.layers() end), "layers of nothing")
t.refused(built(function(l) return l.logits { whom = "teacher" } end), "a setting that is not there")
t.raises([[loss.define.name = "A b"; lower-case letters, digits, "-" and "_" expected]], function() bauta.loss.define { name = "A b", build = function() end } end)
t.raises("loss.define: every loss has a setting weight; another name expected", function() bauta.loss.define { name = "heavy", params = { bauta.float("weight", 1, 0, 2) }, build = function() end } end)
t.refused(function() bauta.loss.define { name = "my-logit", build = function() end } end, "a name twice")
t.refused(function() bauta.loss.define { name = "x" } end, "no build")
t.refused(function() bauta.loss "my-logit" { temperature = 0 } end, "a setting out of range")
t.refused(function() bauta.loss "my-logit" { weight = -1 } end, "a negative weight")
t.refused(function() bauta.loss "my-logit" { temprature = 1 } end, "a misspelt setting")
t.group "mistakes"

return t.done()
