-- bad_input: hundreds of wrong calls in one process. Every one is an error with a sentence; none ends the process.
local bauta = require "bauta"
local t = require "harness"
local raises, refused = t.raises, t.refused

local tiny = { dim = 24, depth = 2, heads = 2, image = 16, patch = 4, classes = 10, drop_path = 0 }
local function arch(more)
    local s = {}
    for k, v in pairs(tiny) do s[k] = v end
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch "deit"(s)
end
local data, student, teacher = bauta.data "scenes" { size = 16, train = 64, test = 16 }, arch(), arch()

local function distill(more)
    local s = { name = "x", data = data, student = student, teacher = teacher, losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" {} } }
    for k, v in pairs(more or {}) do s[k] = v end
    return function() return bauta.distill(s) end
end

-- ---- names of settings ----
raises("distill.epohcs: no such setting; did you mean epochs?", distill { epohcs = 3 })
raises("distill.lr_decy: no such setting; known: after_epoch, batch, checkpoint_every, data, ema, epochs, evaluate_every, " ..
    "freeze, freeze_epochs, head_deviation, knn, losses, mask, micro, minutes, mixing, momentum, momentum_end, name, optimiser, overlays, precision, preflight, probe, recipe, recompute, reducer, schedule, seed, shadow, steps, student, " ..
    "teacher, teacher_precision, teacher_training, teachers, trains, views",
    distill { lr_decy = 3 })
raises("optimiser.lrr: no such setting; did you mean lr?", function() bauta.optimiser "adamw" { lrr = 1 } end)
raises("schedule.warmpu: no such setting; did you mean warmup?", function() bauta.schedule "cosine" { warmpu = 1 } end)
raises("mask student.kep: no such setting; did you mean keep?", function() bauta.mask "student" { kep = 0.5 } end)
raises("arch deit.widht: no such setting; known: channels, classes, depth, dim, distilled, drop_path, expect, heads, image, keys, mlp, " ..
    "normalise, partial, patch, positions, prefix, resize, size, tolerance, weights",
    function() bauta.arch "deit" { widht = 5 } end)
raises("distill: a setting without a name (key 1); write name = value", distill { "quick" })
raises("distill: a table of settings expected, got 5", function() bauta.distill(5) end)
raises("distill: a table of settings expected, got an arch", function() bauta.distill(student) end)
raises("distill: a table of settings expected, got \"x\"", function() bauta.distill "x" end)
t.group "names of settings"

-- ---- types and ranges ----
local losses_form = ', as { bauta.loss "logit" {} } or bauta.losses "maskedkd-code" {}'
local ranges = {
    epochs = { { "300", '= "300" is a string; expected an integer 1..100000' }, { 0, "= 0; expected an integer 1..100000" },
        { -1, "= -1; expected an integer 1..100000" },
        { 1.5, "= 1.5 is not a whole number; expected an integer 1..100000" }, { 0 / 0, "= nan; expected an integer 1..100000" },
        { math.huge, "= inf; expected an integer 1..100000" }, { -math.huge, "= -inf; expected an integer 1..100000" },
        { 1e9, "= 1000000000; expected an integer 1..100000" }, { true, "= true is a boolean; expected an integer 1..100000" },
        { {}, " is a table; expected an integer 1..100000" }, { print, " is a function; expected an integer 1..100000" } },
    batch = { { 64.5, "= 64.5 is not a whole number; expected an integer 1..65536" },
        { 65537, "= 65537; expected an integer 1..65536" },
        { 2 ^ 60, "= 1e18 cannot be exact in Lua; write it as a string" } },
    ema = { { 1, "= 1; expected a number 0..0.9999999" }, { -0.1, "= -0.1; expected a number 0..0.9999999" },
        { "0.9", '= "0.9" is a string; expected a number 0..0.9999999' } },
    precision = { { "fp64", '= "fp64"; expected "fp32", "tf32" or "bf16"' }, { 32, '= 32 is a number; expected "fp32", "tf32" or "bf16"' } },
    seed = { { -1, "= -1; expected an integer of at least 0" }, { 0.5, "= 0.5; expected an integer of at least 0" },
        { 1e18, "= 1e18 cannot be exact in Lua; write it as a string" }, { {},
            " is a table; expected an integer of at least 0" }, { "abc", '= "abc"; expected an integer of at least 0' } },
    data = { { student, ' is an arch; expected a data, as bauta.data "scenes" {}' }, { "cifar10", ' is "cifar10"; expected a data, as bauta.data "cifar10" {}' },
        { 5, ' is 5; expected a data, as bauta.data "scenes" {}' } },
    student = { { data, ' is a data; expected an arch, as bauta.arch "deit" {}' } },
    mask = { { "random", ' is "random"; expected a mask, as bauta.mask "random" {}' }, { bauta.mask "student",
        ' is a mask without settings; expected a mask, as bauta.mask "student" {}' } },
    optimiser = { { "sgd", ' is "sgd"; expected an optimiser, as bauta.optimiser "sgd" {}' } },
    schedule = { { "cosine", ' is "cosine"; expected a schedule, as bauta.schedule "cosine" {}' },
        { "Cosine!", ' is "Cosine!"; expected a schedule, as bauta.schedule "cosine-shifted" {}' } },
    reducer = { { "drop", ' is "drop"; expected a reducer, as bauta.reducer "drop" {}' } },
    losses = { { bauta.loss "logit" {}, ' is a loss; expected a list of loss' .. losses_form },
        { "deit-soft", ' is "deit-soft"; expected a list of loss' .. losses_form },
        { { 5 }, " has 5 at place 1; expected a list of loss" .. losses_form },
        { { a = 1 }, ' has the key "a"; expected a list of loss' .. losses_form } },
    name = { { "", "is empty" }, { "a b", "cannot be a folder" }, { "../x", "cannot be a folder" },
        { "/x", "cannot be a folder" }, { ".hidden", "cannot be a folder" },
        { "a//b", "cannot be a folder" } },
    after_epoch = { { 5, "= 5 is a number; expected a function" } },
}
for name, rows in pairs(ranges) do
    for _, row in ipairs(rows) do
        if name == "name" then refused(distill { name = row[1] }, "name " .. tostring(row[1]))
        elseif name == "seed" and row[1] == 1e18 then refused(distill { seed = 1e18 }, "seed")
        else
            local gap = row[2]:sub(1, 1) == " " and "" or " "
            raises(("distill.%s%s%s"):format(name, gap, row[2]), distill { [name] = row[1] })
        end
    end
end
for _, name in ipairs { "lr", "beta1", "beta2", "eps", "weight_decay", "clip" } do
    for _, v in ipairs { -1, 0 / 0, math.huge, "1", {}, true, -0.0001 } do
        refused(function() bauta.optimiser "adamw" { [name] = v } end, "optimiser." .. name)
    end
end
for _, name in ipairs { "warmup", "floor", "start" } do
    for _, v in ipairs { -1, 0 / 0, math.huge, "1", {}, true } do refused(function() bauta.schedule "cosine" { [name] = v } end,
        "schedule." .. name) end
end
t.group "types and ranges"

-- ---- all mistakes of a table at once ----
local ok, e = pcall(distill { epochs = 0, batch = 0.5, ema = 2, precision = "x" })
t.check(not ok and #e.lines == 4, "four mistakes, %s lines", not ok and #e.lines or "no error")
local many = {}
for i = 1, 30 do many["wrong" .. i] = i end
ok, e = pcall(distill(many))
t.equal(not ok and e.lines[21], "distill: and 10 more", "at most twenty, and a count")
t.group "all mistakes at once"

-- ---- plugins ----
for _, kind in ipairs { "data", "arch", "mask", "loss" } do
    refused(function() bauta[kind] "nosuchplugin" {} end, kind)
    refused(function() bauta[kind](5) end, kind)
    refused(function() bauta[kind](nil) end, kind)
    refused(function() bauta[kind] {} end, kind)
    refused(function() bauta[kind] "" {} end, kind)
    refused(function() bauta[kind] "../../etc/passwd" {} end, kind)
    refused(function() bauta[kind](("x"):rep(5000)) {} end, kind)
    refused(function() bauta[kind] "a\0b" {} end, kind)
end
refused(function() bauta.optimiser "sgdd" {} end, "optimiser")
refused(function() bauta.schedule "linear" {} end, "schedule")
for _, v in ipairs { -1, 0.5, "12", {}, true, 1e9, 2 ^ 60, 0 / 0 } do
    for _, name in ipairs { "dim", "depth", "heads", "image", "patch", "classes" } do
        refused(function() arch { [name] = v } end, ("arch.%s = %s"):format(name, tostring(v)))
    end
end
refused(function() arch { dim = 25 } end, "heads do not divide the width")
refused(function() arch { image = 17 } end, "image not a multiple of the patch")
refused(function() arch { size = "enormous" } end, "size")
refused(function() arch { weights = 5 } end, "weights")
refused(function() arch { weights = "" } end, "weights")
refused(function() arch { drop_path = 1 } end, "drop_path")
refused(function() bauta.data "scenes" { size = 3 } end, "size of scenes")
refused(function() return bauta.data "images" { path = "/nonexistent" }.classes end, "a folder that is not there")
refused(function() return bauta.data "images" {}.classes end, "no path")
refused(function() return bauta.data "cifar" { path = "/nonexistent" }.classes end, "a folder that is not there")
t.group "plugins"

-- ---- keep and models ----
for _, v in ipairs { 0, -1, 1, 1.5, 0.001, 17, 300, "half", "0%", "101%", {}, true, 0 / 0, math.huge } do
    refused(distill { mask = bauta.mask "student"
        and (function() local ok, m = pcall(function() return bauta.mask "student" { keep = v } end) return ok and m
        or 5 end)() }, "keep " .. tostring(v))
end
raises("mask.keep = 17; the model has 16 patches (4x4)", distill { mask = bauta.mask "student" { keep = 17 } })
raises("mask.keep = 0.001 of 16 patches keeps 0; smallest is 0.0313", distill { mask = bauta.mask "student" { keep = 0.001 } })
raises('mask student.keep = 0; a share 0 < keep < 1, a count >= 2, a label as "50%", "all" or a schedule as { [0] = "all", [10] = 0.5 } expected', function() bauta.mask "student" { keep = 0 } end)
for given, want in pairs { [{ 0.75, 0.5 }] = "mask student.keep: no value for epoch 0; epochs from 0 expected as keys: { [0] = \"all\", [10] = 0.5 }",
    ["0: all, 0: 0.5"] = 'mask student.keep = "0: all, 0: 0.5"; epoch 0 is there twice; each epoch once expected',
    ["0; all"] = 'mask student.keep = "0; all"; a share 0 < keep < 1, a count >= 2, a label as "50%", "all" or a schedule as { [0] = "all", [10] = 0.5 } expected',
    [{ [0] = 1 }] = "mask student.keep[0] = 1; ambiguous: write \"all\" (or \"100%\") for every patch; one single patch is no teacher's view; " ..
        'a share 0 < keep < 1, a count >= 2, a label as "50%" or "all" expected' } do
    raises(want, function() bauta.mask "student" { keep = given } end)
end
raises('mask student.ranked = 0; a share 0 < keep < 1, a count >= 2, a label as "50%" or "all" expected', function() bauta.mask "student" { ranked = 0 } end)
raises("mask none keeps every patch; keep = 0.5 wants another criterion", distill { mask = bauta.mask "none" { keep = 0.5 } })
raises('mask.who = "both": teacher has 8x8 patches, student 4x4; equal grids expected',
    distill { teacher = arch { patch = 2 }, mask = bauta.mask "student" { keep = 0.5, who = "both" } })
raises("schedule.warmup = 5 epochs; the run has 2", distill { epochs = 2, schedule = bauta.schedule "cosine" { warmup = 5 } })
t.group "keep and models"

-- ---- suites ----
local one, two = distill()(), distill { name = "y" }()
raises("suite.runs is empty; at least one run expected", function() bauta.suite { runs = {} } end)
raises("suite.runs is missing; expected a list of experiment", function() bauta.suite {} end)
raises("suite.runs[1] and runs[2] have one name, x", function() bauta.suite { runs = { one, distill()() } } end)
raises("suite.runs[1] (z): teacher takes the weights of y, which is no earlier run of the suite",
    function() bauta.suite { runs = { distill { name = "z", teacher = arch { weights = two } }(), two } } end)
refused(function() bauta.suite { runs = { 5 } } end, "a number as a run")
refused(function() bauta.suite { runs = { one }, report = "x" } end, "a text as report")
t.group "suites"

-- ---- criteria in Lua ----
refused(function() bauta.mask.define {} end, "no name")
refused(function() bauta.mask.define { name = "A B", score = print } end, "name")
refused(function() bauta.mask.define { name = "a" } end, "no score")
refused(function() bauta.mask.define { name = "a", score = 5 } end, "score")
refused(function() bauta.mask.define { name = "a", score = print, params = { 5 } } end, "params")
refused(function() bauta.mask.define(5) end, "no table")
refused(function() bauta.int("A", 1, 0, 2) end, "name of a parameter")
refused(function() bauta.int("a", 5, 0, 2) end, "default out of range")
refused(function() bauta.float("a", 0 / 0, 0, 2) end, "default that is no number")
refused(function() bauta.choice("a", "x", { "y" }) end, "default that is no choice")
refused(function() bauta.choice("a", "x", {}) end, "no choices")
refused(function() bauta.string("a", 5) end, "default that is no text")
refused(function() bauta.params { 5 } end, "no rows")
t.group "criteria and parameters"

-- ---- graphs ----
refused(function() bauta.graph(5) end, "no function")
refused(function() bauta.graph({ batch = 0 }, print) end, "batch")
refused(function() bauta.graph({ bach = 1 }, print) end, "name")
local store = bauta.store(0)
store:add("w", { 2, 2 }, "one")
local wrong = {
    op = function(g) g:op("nosuch", {}) end, op_nil = function(g) g:op(nil, {}) end, inputs = function(g) g:op("add", { 5 }) end,
    too_many = function(g, b) g:op("neg", { b.x, b.x, b.x }) end, none = function(g) g:op("add", {}) end,
    setting = function(_, b) b.x:mean { axs = 1 } end, range = function(_, b) b.x:mean { axis = 12 } end,
        text = function(_, b) b.x:mean { axis = "one" } end,
    fraction = function(_, b) b.x:mean { axis = 0.5 } end, nan = function(_, b) b.x:scale { by = 0 / 0 } end,
        shape = function(_, b) return b.x + b.z end,
    method = function(_, b) b.x:nosuch() end, index = function(_, b) return b.x[1]() end, missing = function(_, b) return b.y end,
    text_plus = function(_, b) return b.x + "a" end, table_plus = function(_, b) return b.x + {} end,
        nil_plus = function(_, b) return b.x * nil end,
    output = function(_, b) b.x:output(7) end, axis = function(_, b) b.x:size(9) end,
        twice = function(g) g:input("x", "f32", { 1 }) end,
    dtype = function(g) g:input("q", "f16", { 1 }) end, negative = function(g) g:input("q", "f32", { -1 }) end,
        zero = function(g) g:input("q", "f32", { 0 }) end,
    huge = function(g) g:input("q", "f32", { 2 ^ 50, 2 ^ 50 }) end, rank = function(g) g:input("q", "f32",
        { 1, 1, 1, 1, 1, 1 }) end,
    unnamed = function(g) g:input("", "f32", { 1 }) end, constant = function(g) g:constant({ 1, "a" }) end,
        count = function(g) g:constant({ 1, 2 }, { 3 }) end,
    variable = function(g) g:variable(store, "v") end, no_store = function(g) g:variable(5, "v") end,
        fetch = function(g) g:fetch("a", 5) end,
    unnamed_fetch = function(g, b) g:fetch(nil, b.x) end, grad = function(g, b) g:grad(b.x, { b.x }) end,
        grad_of = function(g, b) g:grad(b.x:mean { axis = -100 }, { 5 }) end,
    model = function(g) g:model("student", 5, {}) end, loss = function(g) g:loss(5) end,
        score = function(g) g:score(5, "student") end,
    signal = function(g) g:signal("student", "logits") end, keep = function(g, b) g:keep(b.x, 99) end,
        keep_none = function(g, b) g:keep(b.x, 0) end,
    precision = function(g) g:precision("fp8") end, role = function(g) g:role(5) end,
        long_role = function(g) g:role(("x"):rep(1000)) end,
    reshape = function(_, b) b.x:reshape { shape = "7" } end, reshape_text = function(_, b) b.x:reshape { shape = "a,b" } end,
    slice = function(_, b) b.x:slice { axis = 1, from = 2, to = 1 } end, slice_far = function(_, b) b.x:slice {
        axis = 1, from = 0, to = 99 } end,
}
for name, f in pairs(wrong) do
    refused(function() bauta.graph({ feeds = { x = { "f32", { 2, 3 } }, z = { "f32", { 7 } } } }, function(g, b)
        f(g, b)
        g:fetch("x", b.x)
    end) end, "graph: " .. name)
end
local keep_g
local step = bauta.graph({ feeds = { x = { "f32", { 2 } } } }, function(g, b)
    keep_g = b.x
    g:fetch("y", b.x * 2)
end)
refused(function() return keep_g + 1 end, "a tensor whose graph is gone")
refused(function() keep_g:shape() end, "a tensor whose graph is gone")
refused(function() step:feed("nosuch", 1) end, "feed")
refused(function() step:feed("x", 1) end, "one number for two")
refused(function() step:feed("x", { 1, 2, 3 }) end, "three numbers for two")
refused(function() step:feed("x", "12") end, "a text")
refused(function() step:feed("x") end, "nothing")
local sample = bauta.data "scenes" { size = 16, train = 20, test = 10 }:split("test"):read(0)
t.raises("x: 8 bytes expected, the memory has 768", function() step:feed("x", sample.pixels) end)
refused(function() step:read("nosuch") end, "read")
refused(function() step:read(nil) end, "read nothing")
step:feed("x", { 1, 2 })
step:run()
t.equal(table.concat(step:read "y", " "), "2 4", "and it still works")
step:free()
refused(function() step:run() end, "a freed step")
refused(function() step:read "y" end, "a freed step")
refused(function() step:free() return step:plan() end, "a freed step, twice")
t.group "graphs"

-- ---- stores ----
refused(function() store:add("", { 1 }) end, "no name")
refused(function() store:add("w", { 3 }) end, "another shape")
refused(function() store:add("q", { 0 }) end, "no elements")
refused(function() store:add("q", { 2 ^ 40, 2 ^ 40 }) end, "too many elements")
refused(function() store:add("q", { 1.5 }) end, "a fraction")
refused(function() store:add("q", { 1 }, "random") end, "initialiser")
refused(function() store:read("q") end, "a tensor that is not there")
refused(function() store:write("w", { 1 }) end, "too few numbers")
refused(function() store:load("/nonexistent.safetensors", {}) end, "no file")
refused(function() store:load(5, {}) end, "no path")
for what, how in pairs { number = 5, name = { key = "auto" }, keys = { keys = 5 }, unknown = { keys = "nosuch" }, prefix = { prefix = {} }, rows = { rows = "x" } } do
    refused(function() store:load("/nonexistent.safetensors", how) end, "how weights are read: " .. what)
end
refused(function() store:save("/nonexistent.safetensors", 5) end, "a number as notes")
refused(function() store:save("/nonexistent.safetensors", { a = 1 }) end, "a number as a note")
local two, path = bauta.store(1), os.tmpname()
for _, who in ipairs { "student/", "teacher/" } do two:add(who .. "cls_token", { 1, 1, 8 }) end
two:save(path)
local own = bauta.store(2)
own:add("cls_token", { 1, 1, 8 })
own:add("norm.bias", { 8 })
t.raises(("%s: 4 of its tensors do not match: no name is a tensor of the model; prefix = \"student/\" or \"teacher/\" takes one of the models that it holds"):format(
    path:match "[^/]+$"), function() own:load(path, { prefix = "", partial = "", keys = "plain" }) end, "data")
t.raises(("%s: 1 of its tensors do not match: missing norm.bias"):format(path:match "[^/]+$"),
    function() own:load(path, { prefix = "student/", partial = "", keys = "plain" }) end, "data")
os.remove(path)
refused(function() store:save("/nonexistent/folder/x.safetensors") end, "no folder")
refused(function() bauta.store({}) end, "a table as seed")
refused(function() bauta.store(0.5) end, "a fraction as seed")
store:free()
refused(function() store:size() end, "a freed store")
refused(function() store.size(5) end, "a number as store")
refused(function() store.size() end, "nothing as store")
t.group "stores"

refused(function() return bauta.distil end, "a misspelt function")
refused(function() return bauta.trian end, "a misspelt function")
t.group "the module"

-- A message of Lua itself is our mistake when it comes from one of our files, in whichever folder, and the script's otherwise.
local errors = require "bauta.errors"
local home = debug.getinfo(errors.wrap, "S").source:match "^@(.*)errors%.lua$"
for _, file in ipairs { "trainer.lua", "protocol/knn.lua", "strategies/centre.lua", "grid/pool.lua", "verbs/run.lua" } do
    t.equal(errors.wrap(home .. file .. ":12: attempt to index a nil value").code, "bug", file)
    t.equal(errors.wrap("..." .. (home .. file):sub(-45) .. ":12: attempt to index a nil value").code, "bug", file .. ", cut")
end
for _, file in ipairs { "experiments/knn.lua", "/tmp/trainer.lua", "my/grid/pools.lua", "x" } do
    t.equal(errors.wrap(file .. ":12: attempt to index a nil value").code, "arg", file)
end
t.group "whose mistake"
return t.done()
