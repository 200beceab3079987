-- fp8: models whose blocks are computed in FP8, below the level of runs: scales, what is measured, how near the answers are, what is refused.
local bauta = require "bauta"
local calibration = require "bauta.calibration"
local t = require "harness"

-- ---- scales ----
for _, case in ipairs { { 448, 1 }, { 448.0001, 2 }, { 224, 0.5 }, { 224.001, 1 }, { 1, 2 ^ -8 }, { 0, 1 }, { 1e-40, 2 ^ -100 }, { 1e30, 2 ^ 91 }, { 1e300, 2 ^ 92 } } do
    t.equal(calibration.scale(case[1]), case[2], ("scale of %g"):format(case[1]))
end
local limits, nan = bauta.fp8 {}, 0 / 0
t.check(calibration.agrees({ same = 95, kl = 0.05, difference = 0.5 }, limits), "at the limits")
for _, found in ipairs { { 94.9, 0, 0 }, { 100, 0.051, 0 }, { 100, 0, 0.51 }, { nan, 0, 0 }, { 100, nan, 0 }, { 100, 0, nan } } do
    t.check(not calibration.agrees({ same = found[1], kl = found[2], difference = found[3] }, limits), "%g %% %g nats %g", found[1], found[2], found[3])
end
t.group "scales and limits"

-- ---- models ----
local pixels, seed = {}, 3
for i = 1, 4 * 16 * 16 * 3 do
    seed = seed * 16807 % 2147483647
    pixels[i] = seed % 256
end
local function arch(more)
    local s = { dim = 32, depth = 2, heads = 2, image = 16, patch = 4, classes = 10, drop_path = 0 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch "deit"(s)
end
local store, scales = bauta.store(5), bauta.store(0)

-- One pass; mode: nil for fp32. Returns what was fetched as a function of names.
local function pass(mode, describe, precision)
    local step = bauta.graph({ batch = 4, image = 16, precision = precision }, function(g)
        g:fetch("logits", g:model("teacher", arch(), { store = store, fp8 = mode and { mode = mode, scales = scales, name = "teacher" } or nil }):cast { dtype = "f32" })
        if describe then describe(g) end
    end)
    step:feed("images", pixels)
    step:run()
    return function(name) return step:read(name) end, step
end

local exact = pass(nil)
local measured = pass("measure", function(g) g:fetch("hidden", g:signal("teacher", "mlp_hidden", 1)) end)
t.equal(table.concat(measured "logits", " "), table.concat(exact "logits", " "), "measuring changes no bit")
local most = 0
for _, v in ipairs(measured "hidden") do most = math.max(most, math.abs(v)) end
t.equal(measured "fp8/teacher.blocks.1.mlp.fc2", most, "the largest input of a layer")
t.equal(scales:count(), 8, "a scale for each layer")
for _, tensor in ipairs(scales:list()) do
    t.equal(scales:read(tensor.name)[1], 1, "scales begin as 1")
    scales:write(tensor.name, { calibration.scale(measured("fp8/" .. tensor.name)) })
end
for _, precision in ipairs { "fp32", "bf16" } do
    local narrow, step = pass("on", nil, precision)
    local a, b, top, apart = exact "logits", narrow "logits", 0, 0
    for i = 1, #a do top, apart = math.max(top, math.abs(a[i])), math.max(apart, math.abs(a[i] - b[i])) end
    t.check(apart > 0 and apart < 0.15 * top, "%s: answers differ by %g of %g", precision, apart, top)
    scales:write("teacher.blocks.1.mlp.fc2", { 2 ^ 20 })
    step:run()
    t.check(table.concat(step:read "logits", " ") ~= table.concat(b, " "), "a scale that is written counts from the next run on")
    scales:write("teacher.blocks.1.mlp.fc2", { calibration.scale(most) })
    step:run()
    t.equal(table.concat(step:read "logits", " "), table.concat(b, " "), "the same scales, the same bits")
end
local once = 0
bauta.graph({ batch = 4, image = 16 }, function(g)
    for _, who in ipairs { "teacher", "other" } do
        g:fetch(who, g:model(who, arch(), { store = store, fp8 = { mode = "on", scales = scales, name = "teacher" } }))
    end
    for _, node in ipairs(g.g:compile():nodes()) do once = once + (node[2] == "quantise_fp8" and 1 or 0) end
end):free()
t.equal(once, 8, "two models of the same weights share their codes")
t.group "measured, near, and the same bits"

-- ---- refusals ----
local function built(given, more)
    return function()
        bauta.graph({ batch = 4, image = 16 }, function(g)
            given.store = bauta.store(1)
            g:fetch("y", g:model("teacher", arch(more), given))
        end)
    end
end
local function on(mode, name) return { mode = mode, scales = scales, name = name or "x" } end
t.raises("plugin deit: blocks.0.attn.qkv: teacher trains, and FP8 is for models that do not", built { training = true, fp8 = on "on" })
t.raises("plugin deit: blocks.0.attn.qkv: 24 inputs and 72 outputs; FP8 products need multiples of 16", built({ fp8 = on "on" }, { dim = 24 }))
t.raises('fp8: "half"; off, measure or on expected', built { fp8 = on "half" })
t.raises("fp8: a store for scales, and a name of 1 to 64 bytes expected", built { fp8 = { mode = "on" } })
t.raises("fp8: a store for scales, and a name of 1 to 64 bytes expected", built { fp8 = on("on", "") })
t.raises("fp8: a store for scales, and a name of 1 to 64 bytes expected", built { fp8 = on("measure", ("x"):rep(65)) })
t.raises("gradient: none goes through linear_fp8 (blocks.1.mlp), whose numbers do not learn", function()
    bauta.graph({ batch = 4, image = 16 }, function(g, batch)
        local logits = g:model("teacher", arch(), { store = store, fp8 = on "on" })
        local loss = g:op("cross_entropy", { logits, batch.labels }):mean { axis = -100 }
        g:grad(loss, { g:variable(store, "patch_embed.proj.weight") })
    end)
end)
t.group "refusals"
return t.done()
