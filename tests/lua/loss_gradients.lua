-- loss_gradients: every loss on feature tokens with fresh random inputs, models of unequal width, depth and grid, masked and not: gradients
-- against finite differences; what stays when a mask keeps everything; what is refused, and in which words.
local bauta = require "bauta"
local rig = require "loss_rig"
local t = require "harness"

local seed = tonumber(os.getenv "BAUTA_SEED" or os.time())
math.randomseed(seed)
print("seed " .. seed)

local function random(shape, low, high)
    local n, data = 1, {}
    for _, d in ipairs(shape) do n = n * d end
    for i = 1, n do data[i] = low + (high - low) * math.random() end
    return { shape = shape, data = data }
end

-- Rows that sum to 1 along the last axis.
local function softmax(shape)
    local x = random(shape, -1, 1)
    local width = shape[#shape]
    for from = 0, #x.data - 1, width do
        local sum = 0
        for i = 1, width do
            x.data[from + i] = math.exp(x.data[from + i])
            sum = sum + x.data[from + i]
        end
        for i = 1, width do x.data[from + i] = x.data[from + i] / sum end
    end
    return x
end

-- A model that has seen `here` of its patches.
local function model(m, B, here)
    local T = m.prefix + (here or m.side * m.side)
    local signals = { features = random({ B, T, m.dim }, -1, 1), embedded = random({ B, T, m.dim }, -1, 1), logits = random({ B, 5 }, -2, 2) }
    for l = 0, m.depth - 1 do
        signals["tokens." .. l] = random({ B, T, m.dim }, -1, 1)
        signals["attention_output." .. l] = random({ B, T, m.dim }, -1, 1)
        signals["class_attention." .. l] = softmax { B, m.heads, math.max(1, m.prefix), T }
    end
    return { signals = signals, facts = { grid_rows = m.side, grid_columns = m.side, patches = m.side * m.side, prefix = m.prefix, depth = m.depth } }
end

local small, large = { side = 3, prefix = 1, dim = 4, depth = 3, heads = 2 }, { side = 3, prefix = 1, dim = 8, depth = 4, heads = 3 }
local two_tokens, finer = { side = 3, prefix = 2, dim = 4, depth = 3, heads = 2 }, { side = 4, prefix = 1, dim = 8, depth = 3, heads = 2 }
local B = 2
local function places(n, k) -- k of n, ascending, per picture
    local out = {}
    for b = 1, B do
        local all = {}
        for i = 0, n - 1 do all[i + 1] = { i, math.random() } end
        table.sort(all, function(x, y) return x[2] < y[2] end)
        out[b] = {}
        for i = 1, k do out[b][i] = all[i][1] end
        table.sort(out[b])
    end
    return out
end

local function case(loss, settings, student, teacher, keep)
    local c = { loss = loss, settings = settings, batch = B, student = model(student, B), teacher = model(teacher, B, keep), labels = { 1, 4 },
        step = math.random(1000), seed = math.random(1000) }
    if keep then c.kept = { teacher = places(teacher.side * teacher.side, keep) } end
    return c
end

local losses = {
    { "hard", { weight = 0.7 } }, { "nkd", { gamma = 1.5, temperature = 2 } }, { "dkd", { beta = 2, temperature = 3, warmup = 4 } },
    { "fitnet", { weight = 0.1, layers = "all" } }, { "fitnet", { weight = 10, layers = "last-2", reduction = "mean" } },
    { "mgd", { weight = 0.1 } }, { "mgd", { weight = 0.1, hide = "channels", layer = 0, share = 0.3 } },
    { "vitkd", { alpha = 0.05, beta = 0.05 } }, { "vitkd", { alpha = 0.05, beta = 0.05, form = "paper", mimic = "none" } },
    { "vitkd", { alpha = 0.05, align = "correlation", module = "mha", generate = "none" } },
    { "vitkd", { alpha = 0.05, module = "mha", generate = "none" } }, { "vitkd", { beta = 0.05, mimic = "none", share = 0 } },
    { "vitkd", { beta = 0.05, mimic = "none", generator = "self-attention", generate = "last-2" } },
    { "vitkd", { beta = 0.05, mimic = "none", generator = "cross-attention" } },
    { "manifold", { rows = 6, layers = "first-1,last-1" } }, { "manifold", { rows = 6, layers = "last", extras = false } },
    { "attention", { weight = 1 } }, { "attention", { weight = 1, under_mask = "mass", temperature = 2, layers = "last", reduction = "mean" } },
}

-- So many patches are kept that some of them are among those that ViTKD hides: where the two do not meet there is nothing to generate.
local pairs_of_models = { { "masked", small, large, 6 }, { "full", small, large }, { "two tokens", two_tokens, large, 6 },
    { "grids", small, finer, 12 } }
for _, l in ipairs(losses) do
    local also = 1 + math.random(3) -- masked, and one of the others
    for _, m in ipairs { pairs_of_models[1], pairs_of_models[also] } do
        local what = ("%s, %s"):format(l[1], m[1])
        local off, at, out = rig.differences(case(l[1], l[2], m[2], m[3], m[4]))
        t.check(off < 2e-2, "%s: gradient of %s is off by %.3g of the largest", what, at, off)
        t.check(out.loss == out.loss and math.abs(out.loss) < 1e4 and out.loss ~= 0, "%s: loss %g", what, out.loss)
    end
end
t.group "gradients against finite differences"

-- A teacher that keeps everything is compared as one that is not masked; what is equal is 0; lengths do not matter to Manifold.
for _, l in ipairs(losses) do
    local c = case(l[1], l[2], small, large)
    local plain = rig.run(c).loss
    c.kept = { teacher = places(9, 9) }
    t.near(rig.run(c).loss, plain, 1e-5 * math.max(1, math.abs(plain)), l[1] .. " with every patch kept")
end
for _, l in ipairs { { "manifold", { rows = 6, layers = "all" } }, { "attention", {} }, { "dkd", {} } } do
    local c = case(l[1], l[2], small, small)
    c.teacher = c.student
    local out = rig.run(c)
    t.near(out.loss, 0, 1e-6, l[1] .. " of equal models")
    for name, g in pairs(out) do
        for _, v in ipairs(type(g) == "table" and g or {}) do
            if math.abs(v) > 1e-5 then t.check(false, "%s of equal models: %s has %g", l[1], name, v) end
        end
    end
end
local c = case("manifold", { rows = 6, layers = "0" }, small, large)
local before = rig.run(c).loss
for i, v in ipairs(c.student.signals["tokens.0"].data) do c.student.signals["tokens.0"].data[i] = 3 * v end
t.near(rig.run(c).loss, before, 1e-5, "Manifold of longer tokens")
t.check(rig.run(case("nkd", {}, small, small)).loss ~= 0, "NKD is a cross-entropy")
t.group "invariants"

-- KD = TCKD + (1 - p_label) NCKD, sample by sample: with one sample.
local one = { loss = "logit", student = { signals = { logits = random({ 1, 4 }, -2, 2) } }, teacher = { signals = { logits = random({ 1, 4 }, -2, 2) } },
    labels = { 2 } }
local kd, sum, z = rig.run(one).loss, 0, one.teacher.signals.logits.data
for _, v in ipairs(z) do sum = sum + math.exp(v) end
one.loss, one.settings = "dkd", { alpha = 1, beta = 1 - math.exp(z[3]) / sum }
t.near(rig.run(one).loss, kd, 1e-5, "KD from its parts")
t.group "KD identity"

-- ---- what is refused ----
local function refused(want, loss, settings, student, teacher, change)
    local c = case(loss, settings, student or small, teacher or large)
    if change then change(c) end
    t.raises(want, function() rig.step(c) end)
end

refused("plugin fitnet: blocks of the student: 'last-4'; it has 3, so 0 to 2, all, last, last-N or first-N expected", "fitnet", { layers = "last-4" })
refused("plugin fitnet: blocks of the student: 'frist-2'; it has 3, so 0 to 2, all, last, last-N or first-N expected", "fitnet", { layers = "frist-2" })
refused("plugin fitnet: blocks of the student: none chosen", "fitnet", { layers = " , " })
refused("plugin fitnet: 2 blocks of the student, 1 of the teacher; equal numbers expected", "fitnet", { layers = "0,1", teacher_layers = "-1" })
refused("plugin vitkd: blocks of the student: '7'; it has 3, so 0 to 2, all, last, last-N or first-N expected", "vitkd", { mimic = "7" })
refused("plugin vitkd: mimic = none and generate = none leave nothing to learn", "vitkd", { mimic = "none", generate = "none" })
refused("plugin vitkd: generator = cross-attention needs form = code and a share above 0: the number of hidden patches must be known", "vitkd",
    { generator = "cross-attention", form = "paper" })
refused("plugin vitkd: share = 1 hides all 9 patches; cross-attention needs visible ones", "vitkd", { generator = "cross-attention", share = 1 })
refused("plugin vitkd: the teacher is 6 wide; the positions of attention generators want a multiple of 4", "vitkd", { generator = "self-attention" },
    small, { side = 3, prefix = 1, dim = 6, depth = 3, heads = 2 })
refused("plugin manifold: intra = inter = random = 0; at least one above 0 expected", "manifold", { layers = "0", intra = 0, inter = 0, random = 0 })
refused("plugin mgd: blocks of the student: '5'; it has 3, so 0 to 2, all, last, last-N or first-N expected", "mgd", { layer = 5 })
refused("plugin nkd: the student has 5 classes, the teacher 7; equal numbers of at least 2 expected", "nkd", {}, nil, nil,
    function(c) c.teacher.signals.logits = random({ B, 7 }, 0, 1) end)
refused("plugin hard: the student has 5 classes, the teacher 7; its decisions need equal ones", "hard", {}, nil, nil,
    function(c) c.teacher.signals.logits = random({ B, 7 }, 0, 1) end)
refused("plugin fitnet: student and teacher are masked by different criteria; their tokens are of different places and cannot be compared", "fitnet", {},
    nil, nil, function(c)
        c.student, c.teacher, c.kept = model(small, B, 4), model(large, B, 5), { student = places(9, 4), teacher = places(9, 5) }
    end)
refused("plugin mgd: the student sees 4 of its 9 patches; the generator needs all", "mgd", {}, nil, nil,
    function(c) c.student, c.kept = model(small, B, 4), { student = places(9, 4) } end)
refused("plugin fitnet: the student is masked and has 3x3 patches, the teacher 4x4; equal grids are needed to compare them", "fitnet", {}, small, finer,
    function(c) c.student, c.kept = model(small, B, 4), { student = places(9, 4) } end)
for _, loss in ipairs { "fitnet", "mgd", "vitkd", "manifold", "attention" } do
    local what = loss == "attention" and "class_attention" or "tokens"
    refused(("loss %s needs teacher.%s: teacher has no '%s' (it has: logits)"):format(loss, what, what), loss, {}, nil, nil,
        function(c) c.teacher.signals = { logits = c.teacher.signals.logits } end)
end
t.refused(function() rig.step(case("fitnet", { layers = ("1,"):rep(200) }, small, large)) end, "a list of 400 letters")
t.group "refusals"

-- A student that is masked itself, the teacher not, and both alike.
local alone = case("fitnet", { layers = "all", weight = 0.1 }, small, large)
alone.student, alone.kept = model(small, B, 4), { student = places(9, 4) }
local off, at = rig.differences(alone)
t.check(off < 2e-2, "a masked student: gradient of %s off by %g", at, off)
local both = case("attention", { weight = 1 }, small, large)
both.student, both.teacher = model(small, B, 4), model(large, B, 4)
local same = places(9, 4)
both.kept, both.alike = { student = same, teacher = same }, true
off, at = rig.differences(both)
t.check(off < 2e-2, "both masked alike: gradient of %s off by %g", at, off)
t.group "masked students"

return t.done()
