-- graph: the lower level from Lua: arithmetic, methods, gradients, feeds and reads against plain Lua arithmetic.
local bauta = require "bauta"
local t = require "harness"

local function list(step, name)
    local v = step:read(name)
    return type(v) == "number" and v or table.concat((function()
        local out = {}
        for i, x in ipairs(v) do out[i] = ("%g"):format(x) end
        return out
    end)(), " ")
end

local step = bauta.graph({ feeds = { x = { "f32", { 2, 3 } }, y = { "f32", { 3 } } } }, function(g, batch)
    local x, y = batch.x, batch.y
    g:fetch("add", x + y)
    g:fetch("sub", 10 - x)
    g:fetch("mul", x * y)
    g:fetch("half", x / 2)
    g:fetch("ratio", x / y)
    g:fetch("inverse", 6 / y)
    g:fetch("minus", -x)
    g:fetch("more", 1 + x * 2 - 3)
    g:fetch("mean", x:mean { axis = 1 })
    g:fetch("all", x:mean { axis = -100 })
    g:fetch("part", x:slice { axis = 1, from = 1, to = 3 })
    g:fetch("flat", x:reshape { shape = "6" })
    g:fetch("most", x:maximum(y))
    g:fetch("soft", x:softmax())
    t.equal(table.concat(x:shape(), ","), "2,3", "shape")
    t.equal(x:dtype(), "f32", "element type")
    t.equal(x:size(-1), 3, "size of the last axis")
    t.check(tostring(x):find "f32%[2,3%]", "as text: %s", tostring(x))
    return "described"
end)
t.equal(step.result, "described", "what the function returns")
step:feed("x", { 1, 2, 3, 4, 5, 6 })
step:feed("y", { 1, 2, 3 })
step:run()
for name, want in pairs { add = "2 4 6 5 7 9", sub = "9 8 7 6 5 4", mul = "1 4 9 4 10 18", half = "0.5 1 1.5 2 2.5 3",
    ratio = "1 1 1 4 2.5 2",
    inverse = "6 3 2", minus = "-1 -2 -3 -4 -5 -6", more = "0 2 4 6 8 10", mean = "2 5", part = "2 3 5 6", flat = "1 2 3 4 5 6",
    most = "1 2 3 4 5 6" } do t.equal(list(step, name), want, name) end
t.near(step:read "all", 3.5, 1e-6, "mean of all")
t.near(step:read "soft"[3], math.exp(2) / (1 + math.exp(1) + math.exp(2)), 1e-5, "softmax")
t.group "arithmetic and methods"

-- Gradient descent on a line, with the weights in a store: y = 2 x + 1.
local store = bauta.store(0)
store:add("slope", { 1 }, "zero")
store:add("offset", { 1 }, "zero")
local fit = bauta.graph({ feeds = { x = { "f32", { 4 } }, y = { "f32", { 4 } } } }, function(g, batch)
    local slope, offset = g:variable(store, "slope"), g:variable(store, "offset")
    local miss = batch.x * slope + offset - batch.y
    local loss = (miss * miss):mean { axis = -100 }
    g:fetch("loss", loss)
    local d = g:grad(loss, { slope, offset })
    g:fetch("d_slope", d[1])
    g:fetch("d_offset", d[2])
end)
fit:feed("x", { 0, 1, 2, 3 })
fit:feed("y", { 1, 3, 5, 7 })
for _ = 1, 500 do
    fit:run()
    local a, b = store:read "slope"[1], store:read "offset"[1]
    store:write("slope", { a - 0.1 * fit:read "d_slope"[1] })
    store:write("offset", { b - 0.1 * fit:read "d_offset"[1] })
end
t.near(store:read "slope"[1], 2, 1e-4, "slope")
t.near(store:read "offset"[1], 1, 1e-4, "offset")
t.check(fit:read "loss" < 1e-7, "loss %g", fit:read "loss")
t.equal(store:size(), 2, "number of weights")
t.group "gradients and stores"

-- A model and its signals below bauta.distill.
local arch = bauta.arch "deit" { dim = 24, depth = 3, heads = 2, image = 16, patch = 4, classes = 5, drop_path = 0 }
local weights = bauta.store(7)
local model = bauta.graph({ batch = 2, image = 16 }, function(g)
    local logits = g:model("student", arch, { store = weights })
    g:fetch("logits", logits)
    g:fetch("attention", g:signal("student", "class_attention", -1))
    g:fetch("kept", g:keep(g:score(bauta.mask "student" { keep = 4 }, "student"), 4))
    g:fetch("top1", g:accuracy(logits))
    g:fetch("noise", g:random("noise", { 2, 3 }))
end)
local pixels = {}
for i = 1, 2 * 16 * 16 * 3 do pixels[i] = (i * 37) % 256 end
model:feed("images", pixels)
model:feed("labels", { 0, 4 })
model:run()
t.equal(table.concat(model:shape "logits", ","), "2,5", "logits")
t.equal(table.concat(model:shape "attention", ","), "2,2,1,17", "class attention")
local sum = 0
for i = 1, 17 do sum = sum + model:read "attention"[i] end
t.near(sum, 1, 1e-5, "attention sums to one")
local kept = model:read "kept"
for b = 0, 1 do
    for i = 2, 4 do t.check(kept[4 * b + i] > kept[4 * b + i - 1], "kept patches ascend") end
end
local before = table.concat(model:read "noise", " ")
model:run()
t.equal(table.concat(model:read "noise", " "), before, "one step, one noise")
model:feed("step", 2)
model:run()
t.check(table.concat(model:read "noise", " ") ~= before, "another step, other noise")
t.group "a model, a criterion and random numbers"

-- What nobody asks for is not computed: fetching only the logits makes the class attention disappear.
local lean = bauta.graph({ batch = 2, image = 16 }, function(g) g:fetch("logits",
    g:model("student", arch, { store = weights })) end)
local function macs(s)
    local n = 0
    for _, row in ipairs(s:plan().rows) do n = n + row.macs end
    return n
end
t.check(macs(lean) > 0 and macs(lean) <= macs(model), "MACs: %g of %g", macs(lean), macs(model))
lean:feed("images", pixels)
lean:run()
model:feed("step", 1)
model:run()
local a, b = lean:read "logits", model:read "logits"
for i = 1, 10 do t.near(a[i], b[i], 1e-5, "same logits") end
t.group "dead nodes"

-- Weights that an arch names are in its store when the step is there; later steps take the store as it is by then.
local file = os.tmpname() .. ".safetensors"
weights:save(file)
local function with(more)
    local s = { dim = 24, depth = 3, heads = 2, image = 16, patch = 4, classes = 5, drop_path = 0 }
    for k, v in pairs(more) do s[k] = v end
    return bauta.arch "deit"(s)
end
local function answer(arch, store)
    local s = bauta.graph({ batch = 2, image = 16 }, function(g) g:fetch("logits", g:model("student", arch, { store = store })) end)
    s:feed("images", pixels)
    s:run()
    return table.concat(s:read "logits", " ")
end
local named, other = with { weights = file }, bauta.store(8)
local want = answer(arch, weights)
t.equal(answer(named, other), want, "the weights of the file, not those of the store's seed")
t.check(answer(arch, bauta.store(8)) ~= want, "which are others")
other:write("head.bias", { 1, 2, 3, 4, 5 })
local changed = answer(named, other)
t.check(changed ~= want and answer(named, other) == changed, "what has become of them is not overwritten by another step on the store")
weights:write("head.bias", { 1, 2, 3, 4, 5 })
t.equal(answer(arch, weights), changed, "head.bias is all that has changed")
weights:write("head.bias", { 0, 0, 0, 0, 0 })
t.raises(file .. ".pth: No such file or directory", function() answer(with { weights = file .. ".pth" }, bauta.store(1)) end, "data")
local fits, why = pcall(answer, with { weights = file, depth = 2 }, bauta.store(1))
t.check(not fits and tostring(why):find("blocks.2", 1, true), "weights of another model: %s", tostring(why))
answer(with { weights = file, depth = 2, partial = "blocks.2" }, bauta.store(1))
os.remove(file)
t.group "weights"

-- A store freed while a step uses it stays until the step is gone; steps nobody holds are collected.
weights:free()
t.equal(pcall(weights.size, weights), false, "a freed store")
lean:run()
t.near(lean:read "logits"[1], a[1], 1e-6, "its step goes on")
for i = 1, 300 do
    local s = bauta.graph({ feeds = { x = { "f32", { 100000 } } } }, function(g, batch) g:fetch("y", batch.x * 2) end)
    if i % 100 == 0 then s:run() end
end
if os.getenv "ASAN_OPTIONS" then t.skip("memory of steps nobody holds", "AddressSanitizer keeps what is freed")
else t.check(require "bauta.ffi".peak_memory() < 200e6, "memory: %g MB", require "bauta.ffi".peak_memory() / 1e6) end
t.group "lifetimes"

-- Numbers for a device do not count against the memory of a script, which ends at 1 GiB; those nobody holds are given back.
local ffi = require "bauta.ffi"
local held = {}
for i = 1, 11 do
    held[i] = ffi.array("float", 25 * 2 ^ 20)
    held[i][25 * 2 ^ 20 - 1] = i
end
for i = 1, 11 do t.equal(held[i][0] + held[i][25 * 2 ^ 20 - 1], i, "an array of 100 MiB, of 11") end
held = nil
for i = 1, 50 do ffi.array("uint8_t", 100 * 2 ^ 20)[0] = i end
local before = tonumber(io.open "/proc/self/statm":read "*a":match "%d+") * 4096
if os.getenv "ASAN_OPTIONS" then t.skip("arrays nobody holds, and one too large", "AddressSanitizer keeps what is freed, and ends the program")
else
    t.check(before < 2 ^ 31, "50 arrays of 100 MiB, of which %g GB are held", before / 1e9)
    t.raises("no memory for 1152921504606846976 numbers of 4 bytes each", function() ffi.array("float", 2 ^ 60) end, "machine")
end
t.group "arrays"
return t.done()
