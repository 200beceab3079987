-- losses: the golden values of methods.md for supervised losses (G-L3 to G-L11, G-P1 to G-P3), forward and gradient.
local bauta = require "bauta"
local rig = require "loss_rig"
local t = require "harness"

local zs, zt, y = { { 2, 1, .1 }, { .5, -1, 1.5 } }, { { 3, .5, -.5 }, { .2, .1, 2 } }, { 0, 2 }
local z_dist = { { 1, 2, 0 }, { 0, .5, 1 } }

local function near_list(got, want, tolerance, what)
    if not t.check(got and #got == #want, "%s: %d numbers, %d expected", what, got and #got or 0, #want) then return end
    for i = 1, #want do t.near(got[i], want[i], tolerance, ("%s[%d]"):format(what, i)) end
end

-- ---- logits ----
local function logits(loss, settings, more)
    local case = { loss = loss, settings = settings, student = { signals = { logits = zs, distillation_logits = z_dist } },
        teacher = { signals = { logits = zt } }, labels = y, batch = 2 }
    for k, v in pairs(more or {}) do case[k] = v end
    return (rig.run(case))
end

t.near(logits("hard", {}).loss, 0.394285, 1e-6, "G-L3 hard on the class head")
t.near(logits("hard", { head = "distillation" }).loss, 1.043938, 1e-6, "G-L3 hard on the distillation head")
t.near(0.5 * logits("cross-entropy", { smoothing = 0 }).loss + logits("hard", { head = "distillation", weight = 0.5 }).loss,
    0.719111, 1e-6, "G-L3 total")
local soft = logits("logit", { head = "distillation", temperature = 3, reduction = "numel" })
t.near(soft.loss, 0.237699, 1e-6, "G-L3 soft on the distillation head")
t.near(0.9 * logits("cross-entropy", { smoothing = 0 }).loss + 0.1 * soft.loss, 0.378626, 1e-6, "G-L3 soft total")
t.check(not soft["grad student.logits"], "the class head gets a gradient from a loss on the distillation head")
t.group "G-L3: hard labels, distillation token"

-- ln(1 + e^z) - y z by hand: of { 2, 1, .1 } with class 0 and { .5, -1, 1.5 } with class 2.
local bce = logits("binary-cross-entropy", {})
local sum, slope = 0, {}
for b, row in ipairs(zs) do
    for c, z in ipairs(row) do
        local yes = c == y[b] + 1 and 1 or 0
        sum = sum + math.log(1 + math.exp(z)) - yes * z
        slope[#slope + 1] = (1 / (1 + math.exp(-z)) - yes) / 6
    end
end
t.near(sum / 6, 0.612223, 1e-6, "as PyTorch has it")
t.near(bce.loss, sum / 6, 1e-6, "labels")
near_list(bce["grad student.logits"], slope, 1e-6, "gradient")
local mixed = { targets = { { .6, 0, .4 }, { 0, .01, .99 } } }
local both = { student = { signals = { logits = { { 2, 1, .1 }, { .5, -1, 1.5 } } } } }
local function asked(rows) -- the same by a loss that takes what it is given
    return logits("binary-cross-entropy", { binary = false }, { targets = rows, student = both.student })
end
t.near(logits("binary-cross-entropy", {}, mixed).loss, asked({ { 1, 0, 1 }, { 0, 1, 1 } }).loss, 1e-7, "every class that takes part is a yes")
t.near(logits("binary-cross-entropy", {}, mixed).loss, 0.762223, 1e-6, "mixed pictures, as PyTorch has it")
t.near(asked(mixed.targets).loss, 0.743056, 1e-6, "soft targets as they are")
t.near(asked({ { .5, .5, .5 }, { .5, .5, .5 } }).loss, (sum + (2 + 1.5) - 0.5 * (2 + 1 + .1 + .5 - 1 + 1.5)) / 6, 1e-6, "half a yes")
local far = logits("binary-cross-entropy", { weight = 2 }, { labels = { 0, 1 }, student = { signals = { logits = { { 0, -200, 300 }, { 90, 0, -90 } } } } })
t.near(far.loss, 2 * (2 * math.log(2) + 300 + 90) / 6, 1e-4, "logits far from 0, and at 0")
near_list(far["grad student.logits"], { -1 / 6, 0, 1 / 3, 1 / 3, -1 / 6, 0 }, 1e-6, "their gradient")
t.group "binary cross-entropy"

local nkd = logits("nkd", {})
t.near(nkd.loss, 1.077323, 2e-6, "G-L4")
near_list(nkd["grad student.logits"], { -0.153288, 0.098925, 0.054362, 0.242777, -0.124770, -0.118007 }, 1e-6, "G-L4 gradient")
t.near(logits("nkd", { gamma = 0 }).loss, 0.328750, 1e-6, "G-L4 label's part")
t.near(logits("nkd", { temperature = 2, gamma = 1.5 }).loss, 4.575670, 4e-6, "G-L4, temperature 2")
t.near(logits("nkd", {}, { labels = { 1, 1 }, targets = { { .6, .1, .3 }, { .2, .3, .5 } } }).loss, 1.077323, 2e-6, "soft targets")
t.group "G-L4: NKD"

local dkd = logits("dkd", {})
t.near(dkd.loss, 0.140105, 1e-6, "G-L5")
near_list(dkd["grad student.logits"], { -0.120026, 0.080305, 0.039721, 0.102116, -0.066685, -0.035430 }, 1e-6, "G-L5 gradient")
t.near(logits("dkd", { beta = 0 }).loss, 0.084344, 1e-6, "G-L5 TCKD")
t.near(logits("dkd", { alpha = 0, beta = 1 }).loss, 0.111522, 1e-6, "G-L5 NCKD")
local dkd4 = logits("dkd", { temperature = 4, beta = 8 })
t.near(dkd4.loss, 1.128648, 2e-6, "G-L5, temperature 4")
near_list(dkd4["grad student.logits"], { -0.191430, 0.007836, 0.183594, 1.395037, -1.374172, -0.020865 }, 2e-6, "G-L5 gradient 4")
t.near(logits("dkd", { temperature = 4, beta = 0 }).loss, 0.150244, 1e-6, "G-L5 TCKD, temperature 4")
t.near(logits("dkd", { warmup = 20 }, { epoch = 4 }).loss, 0.140105 * 5 / 20, 1e-6, "the fifth of 20 epochs of warm-up")
t.near(logits("dkd", { warmup = 20 }, { epoch = 30 }).loss, 0.140105, 1e-6, "after the warm-up")
t.group "G-L5: DKD"

-- ---- named combinations: G-L0 ----
local function sum_of(name, given)
    local sum = 0
    for _, l in ipairs(bauta.losses(name, given)) do sum = sum + logits(l.name, l.settings).loss end
    return sum
end
local plain = { smoothing = 0 }
t.near(sum_of("maskedkd-paper", { ["cross-entropy"] = plain }), 0.505265, 1e-6, "G-L0 paper")
t.near(sum_of("maskedkd-code", { ["cross-entropy"] = plain }), 0.252633, 1e-6, "G-L0 code")
t.near(sum_of("maskedkd-code", {}), 0.305966, 1e-6, "G-L0 code, smoothed")
t.near(sum_of("maskedkd-paper", { ["cross-entropy"] = plain, logit = { weight = 9, temperature = 2 } }), 2.139027, 3e-6, "G-L0 lambda 9")
t.near(sum_of("kd-cifar", { ["cross-entropy"] = plain, logit = { temperature = 2 } }), 0.213903, 1e-6, "G-L0 a = 0.9, temperature 2")
t.near(sum_of("deit-soft", { ["cross-entropy"] = plain }), 0.378626, 1e-6, "G-L3 DeiT soft")
t.near(sum_of("deit-soft-paper", { ["cross-entropy"] = plain }), 0.426166, 1e-6, "G-L3 DeiT soft, mean over the batch")
t.near(sum_of("deit-soft-code", { ["cross-entropy"] = plain }), 0.290620, 1e-6, "G-L3 DeiT soft, the code's defaults")
t.near(sum_of("deit-hard", { ["cross-entropy"] = plain }), 0.719111, 1e-6, "G-L3 DeiT hard")
for name in pairs(require("bauta.losses").kinds) do t.check(#bauta.losses(name, {}) >= 2, "%s", name) end
t.raises([[losses "vitkdd": no such losses; did you mean vitkd?]], function() bauta.losses("vitkdd", {}) end)
t.raises("losses vitkd: no such part; did you mean vitkd?", function() bauta.losses("vitkd", { vitkb = {} }) end)
t.raises("losses vitkd: vitkd: a table of settings expected, got 3", function() bauta.losses("vitkd", { vitkd = 3 }) end)
t.raises("losses vitkd: a table of settings by loss expected, got 3", function() bauta.losses("vitkd", 3) end)
t.raises('loss vitkd.share = 2; expected a number 0..1', function() bauta.losses("vitkd", { vitkd = { share = 2 } }) end)
t.group "G-L0: named combinations"

-- ---- features ----
local function grid(rows, columns, extra, more)
    local facts = { grid_rows = rows, grid_columns = columns, patches = rows * columns, prefix = extra, depth = 2 }
    for k, v in pairs(more or {}) do facts[k] = v end
    return facts
end

local fit = { loss = "fitnet", settings = { weight = 1 }, batch = 1,
    student = { facts = grid(1, 2, 0), signals = { ["tokens.0"] = { { { 9, 9 }, { 9, 9 } } }, features = { { { 1, 2 }, { 0, -1 } } } } },
    teacher = { facts = grid(1, 2, 0), signals = { ["tokens.0"] = { { { 9, 9, 9 }, { 9, 9, 9 } } },
        features = { { { 1, 0, 2 }, { -1, 1, .5 } } } } },
    weights = { ["fc.1.weight"] = { { 1, 0 }, { 0, 1 }, { 1, 1 } }, ["fc.1.bias"] = { 0, .5, 0 } } }
local out = rig.run(fit)
t.near(out.loss, 12.75, 1e-5, "G-L6")
near_list(out["grad student.features"], { 2, 7, -1, -6 }, 1e-5, "G-L6 dF")
near_list(out["grad weight.fc.1.weight"], { 0, -2, 5, 13, 2, 7 }, 1e-5, "G-L6 dW")
near_list(out["grad weight.fc.1.bias"], { 2, 2, -1 }, 1e-5, "G-L6 db")
fit.settings = { weight = 1, reduction = "mean" }
t.near(rig.run(fit).loss, 2.125, 1e-6, "G-L6 mean")
t.group "G-L6: FitNet"

-- Convolutions of G-L7 as PyTorch keeps them: [out,in,3,3].
local K1, K2 = { { { { 0, 0, 0 }, { 0, 1, .5 }, { 0, 0, 0 } } } }, { { { { 0, .25, 0 }, { 0, 1, 0 }, { 0, 0, 0 } } } }
local function image(rows) -- a 2x2 map as tokens of one channel
    return { { { rows[1] }, { rows[2] }, { rows[3] }, { rows[4] } } }
end
local function convolutions(name, bias1, bias2)
    return { [name .. ".0.weight"] = K1, [name .. ".0.bias"] = { bias1 }, [name .. ".2.weight"] = K2, [name .. ".2.bias"] = { bias2 } }
end
local function below(share) -- the draw as 0 and 1
    return function(u)
        local out = {}
        for i, v in ipairs(u) do out[i] = v < share and 1 or 0 end
        return table.concat(out)
    end
end

local mgd = { loss = "mgd", settings = { weight = 1 }, batch = 1, draws = { ["mgd/hidden"] = { 1, 4, 1 } },
    student = { facts = grid(2, 2, 0), signals = { ["tokens.0"] = image { 0, 0, 0, 0 }, features = image { 1, 2, -1, .5 } } },
    teacher = { facts = grid(2, 2, 0), signals = { ["tokens.0"] = image { 0, 0, 0, 0 }, features = image { 1, 1, 0, 1 } } },
    weights = convolutions("generator", -.2, .1) }
out = rig.run_when(mgd, function(o) return below(.5)(o["mgd/hidden"]) == "0100" end)
t.near(out.loss, 1.27, 1e-5, "G-L7 tokens")
near_list(out["grad student.features"], { -.05, 0, 0, -1.2 }, 1e-5, "G-L7 dS")
mgd.settings, mgd.draws = { weight = 1, hide = "channels" }, { ["mgd/hidden"] = { 1, 1, 1 } }
t.near(rig.run_when(mgd, function(o) return o["mgd/hidden"][1] >= .5 end).loss, 1.945, 1e-5, "G-L7 channel kept")
t.near(rig.run_when(mgd, function(o) return o["mgd/hidden"][1] < .5 end).loss, 2.44, 1e-5, "G-L7 channel dropped")
t.group "G-L7: MGD"

local mimic = { loss = "vitkd", settings = { alpha = 1, mimic = "0,1", generate = "none" }, batch = 1,
    student = { facts = grid(1, 2, 0, { depth = 3 }), signals = { ["tokens.0"] = { { { 1 }, { 2 } } }, ["tokens.1"] = { { { 0 }, { 1 } } } } },
    teacher = { facts = grid(1, 2, 0, { depth = 3 }), signals = { ["tokens.0"] = { { { 1, 0 }, { 2, 1 } } },
        ["tokens.1"] = { { { 0, 0 }, { 1, 2 } } } } },
    weights = { ["mimic.0.weight"] = { { 1 }, { .5 } }, ["mimic.0.bias"] = { 0, 0 }, ["mimic.1.weight"] = { { 2 }, { 1 } },
        ["mimic.1.bias"] = { .1, 0 } } }
t.near(rig.run(mimic).loss, 2.47, 1e-5, "G-L8")
t.group "G-L8: ViTKD, mimicking"

local weights = convolutions("generate.1.generator", -.2, .1)
weights["generate.1.mask_token"] = { { { .3 } } }
local gen = { loss = "vitkd", settings = { beta = 0.5, mimic = "none" }, batch = 1, draws = { ["vitkd/generate.1.noise"] = { 1, 4 } },
    student = { facts = grid(2, 2, 0), signals = { ["tokens.0"] = image { 0, 0, 0, 0 }, features = image { 1, 2, -1, .5 } } },
    teacher = { facts = grid(2, 2, 0), signals = { ["tokens.0"] = image { 0, 0, 0, 0 }, features = image { 1, 1, 0, 1 } } },
    weights = weights }
local function hides_1_and_2(o) -- the two highest of the noise
    local u = o["vitkd/generate.1.noise"]
    return math.min(u[2], u[3]) > math.max(u[1], u[4])
end
out = rig.run_when(gen, hides_1_and_2) -- beta / share = 1
t.near(out.loss, 1.112656, 1e-6, "G-L9")
near_list(out["grad student.features"], { .343750, 0, 0, .687500 }, 1e-6, "G-L9 dx")
near_list(out["grad weight.generate.1.mask_token"], { -.053125 }, 1e-6, "G-L9 mask token")
near_list(out["grad weight.generate.1.generator.0.bias"], { .118750 }, 1e-6, "G-L9 db1")
near_list(out["grad weight.generate.1.generator.2.bias"], { -.225 }, 1e-6, "G-L9 db2")
near_list(out["grad weight.generate.1.generator.0.weight"], { 0, 1.375, .4125, -1.6, .27625, .790625, -.48, -.696875, .171875 }, 1e-6, "G-L9 dK1")
near_list(out["grad weight.generate.1.generator.2.weight"], { 0, 1.30625, .1375, -1.52, .32125, .4125, -.56, -.48, 0 }, 1e-6, "G-L9 dK2")
gen.settings = { beta = 1, mimic = "none", form = "paper" }
t.near(rig.run_when(gen, function(o) return below(.5)(o["vitkd/generate.1.noise"]) == "0110" end).loss, 1.112656, 1e-6, "G-L9 paper")
-- The same picture twice: the code takes the mean over the batch, the paper's sum has no division.
local function twice(x) return { x[1], x[1] } end
local pair = { loss = "vitkd", batch = 2, draws = { ["vitkd/generate.1.noise"] = { 2, 4 } } }
for _, who in ipairs { "student", "teacher" } do
    pair[who] = { facts = gen[who].facts, signals = {} }
    for key, x in pairs(gen[who].signals) do pair[who].signals[key] = twice(x) end
end
local function of_pair(settings) -- with share 0 nothing is hidden and all places count
    settings.mimic, settings.share = "none", settings.share or 0
    pair.settings, pair.weights = settings, settings.share > 0 and weights or convolutions("generate.1.generator", -.2, .1)
    return pair
end
local whole = rig.run(of_pair { beta = 1 }).loss
t.near(rig.run(of_pair { beta = 1, form = "paper" }).loss, 2 * whole, 1e-6, "two pictures, as the paper sums")
out = rig.run_when(of_pair { beta = 1, form = "paper", share = .5 }, function(o) return below(.5)(o["vitkd/generate.1.noise"]) == "01100110" end)
t.near(out.loss, 2 * 1.112656, 2e-6, "G-L9 twice, paper")
near_list(out["grad student.features"], { .343750, 0, 0, .687500, .343750, 0, 0, .687500 }, 1e-6, "G-L9 twice, dx")
mimic.settings.form = "paper"
t.near(rig.run(mimic).loss, 2.47, 1e-5, "G-L8, one picture: nothing to divide by")
mimic.batch = 2
for _, who in ipairs { "student", "teacher" } do
    for key, x in pairs(mimic[who].signals) do mimic[who].signals[key] = twice(x) end
end
t.near(rig.run(mimic).loss, 2 * 2.47, 1e-5, "G-L8 twice, paper")
mimic.settings.form = "code"
t.near(rig.run(mimic).loss, 2.47, 1e-5, "G-L8 twice, code")
t.group "G-L9: ViTKD, generation"

local corr = { loss = "vitkd", settings = { alpha = 1, mimic = "0", generate = "none", align = "correlation" }, batch = 1,
    student = { facts = grid(1, 2, 0), signals = { ["tokens.0"] = { { { 1, 2 }, { 0, 1 } } } } },
    teacher = { facts = grid(1, 2, 0), signals = { ["tokens.0"] = { { { 1, 0, 1, 2 }, { 2, 1, 0, 1 } } } } } }
out = rig.run(corr)
t.near(out.loss, 6.230447, 1e-5, "G-L10")
near_list(out["grad student.tokens.0"], { 1.514719, 1.372583, -1.656854, -9.798990 }, 1e-5, "G-L10 gradient")
t.group "G-L10: ViTKD, correlations"

local function manifold(settings)
    settings.layers, settings.rows = "0", 3
    local case = { loss = "manifold", settings = settings, batch = 2, draws = { ["manifold/rows.0"] = { 1, 4 } },
        student = { facts = grid(1, 2, 0), signals = { ["tokens.0"] = { { { 1, 0 }, { 1, 1 } }, { { 0, 2 }, { -1, 1 } } } } },
        teacher = { facts = grid(1, 2, 0), signals = { ["tokens.0"] = { { { 1, 0, 0 }, { 0, 1, 1 } }, { { 1, 1, 0 }, { 0, 0, 2 } } } } } }
    return (rig.run_when(case, function(o) -- rows 0, 2 and 3: the second draws the lowest number
        local u = o["manifold/rows.0"]
        return u[2] < math.min(u[1], u[3], u[4])
    end))
end
t.near(manifold { intra = 1, inter = 0, random = 0 }.loss, .25, 1e-6, "G-L11 intra")
t.near(manifold { intra = 0, inter = 1, random = 0 }.loss, .25, 1e-6, "G-L11 inter")
t.near(manifold { intra = 0, inter = 0, random = 1 }.loss, .333333, 1e-6, "G-L11 random")
out = manifold {}
t.near(out.loss, 1.091667, 2e-6, "G-L11 sum")
near_list(out["grad student.tokens.0"], { 0, .857346, .517678, -.517678, -.571327, 0, .482322, .482322 }, 1e-6, "G-L11 gradient")
t.group "G-L11: Manifold"

-- A CaiT-S24: blocks 0-3 and 20-23 of its trunk are compared, those behind it and what stands in front of its patches are not.
local function tokens_at(layers, front, width)
    local out = {}
    for _, l in ipairs(layers) do
        out["tokens." .. l] = { { front } }
        for n = 1, 2 do
            local x = {}
            for d = 1, width do x[d] = math.sin(7 * l + 3 * n + d) end
            out["tokens." .. l][1][n + 1] = x
        end
    end
    return out
end
local function of_cait(front, settings, joins)
    settings.random = 0
    return rig.run { loss = "manifold", settings = settings, batch = 1,
        student = { facts = grid(1, 2, 1, { depth = 12, trunk = 12, joins = 0 }), signals = tokens_at({ 0, 1, 2, 3, 8, 9, 10, 11 }, { 1, 2 }, 2) },
        teacher = { facts = grid(1, 2, 1, { depth = 26, trunk = 24, joins = joins }), signals = tokens_at({ 0, 1, 2, 3, 20, 21, 22, 23 }, front, 3) } }
end
local cait = of_cait({ 1, -1, 2 }, {}, 24)
t.near(of_cait({ 5, 1, 0 }, {}, 24).loss, cait.loss, 0, "CaiT's class token")
t.near(of_cait({ 1, -1, 2 }, { extras = false }, 24).loss, cait.loss, 0, "without extras")
t.near(of_cait({ 1, -1, 2 }, { teacher_layers = "0,1,2,3,20,21,22,23" }, 24).loss, cait.loss, 0, "the pairs of the released code")
t.check(math.abs(of_cait({ 5, 1, 0 }, {}, 0).loss - of_cait({ 1, -1, 2 }, {}, 0).loss) > 1e-4, "a class token that has joined takes part")
t.raises("plugin manifold: blocks of the teacher: '24'; it has 24, so 0 to 23, all, last, last-N or first-N expected",
    function() of_cait({ 1, -1, 2 }, { layers = "11", teacher_layers = "24" }, 24) end)
t.group "Manifold with a CaiT teacher"

-- ---- attention: the merged rows of G-L13 are those of this loss, too ----
local function rows_of(heads) -- [1,heads,1,T]
    local out = { {} }
    for h, row in ipairs(heads) do out[1][h] = { row } end
    return out
end
local teacher_heads, student_heads = { { .5, .3, .2 }, { .2, .2, .6 }, { .25, .5, .25 } }, { { .4, .4, .2 }, { .3, .3, .4 } }
local attention = { loss = "attention", settings = { weight = 1, layers = "0" }, batch = 1,
    student = { facts = grid(1, 2, 1, { depth = 1 }), signals = { ["class_attention.0"] = rows_of(student_heads) } },
    teacher = { facts = grid(1, 2, 1, { depth = 1 }), signals = { ["class_attention.0"] = rows_of(teacher_heads) } } }
out = rig.run(attention)
t.near(out.loss, 0.000300509, 2e-8, "G-L13, temperature 10")
local want, got, g = { 0.000851352, 0.000245472, -0.001096824 }, {}, out["grad student.class_attention.0"]
for h = 1, 2 do -- from the attention to the logits behind it: a (g - sum a g)
    local mean = 0
    for j = 1, 3 do mean = mean + student_heads[h][j] * g[3 * (h - 1) + j] end
    for j = 1, 3 do got[j] = student_heads[h][j] * (g[3 * (h - 1) + j] - mean) end
    near_list(got, want, 2e-8, "G-L13 gradient of head " .. h)
end
attention.settings = { weight = 1, layers = "all", temperature = 1 }
t.near(rig.run(attention).loss, 0.028857, 1e-6, "G-L13, temperature 1")
t.group "G-L13: attention, merged heads"

-- ---- masked teachers ----
local p1 = { loss = "manifold", settings = { intra = 1, inter = 0, random = 0, layers = "0" }, batch = 1, kept = { teacher = { { 0, 2 } } },
    student = { facts = grid(1, 3, 0), signals = { ["tokens.0"] = { { { 1, 0 }, { 1, 1 }, { 0, 2 } } } } },
    teacher = { facts = grid(1, 3, 0), signals = { ["tokens.0"] = { { { 2, 1, 0 }, { 0, 1, 1 } } } } } }
t.near(rig.run(p1).loss, .05, 1e-6, "G-P1")
local p2 = { loss = "vitkd", settings = { alpha = 1, mimic = "0", generate = "none" }, batch = 1, kept = { teacher = { { 0, 2 } } },
    student = { facts = grid(1, 3, 0), signals = { ["tokens.0"] = { { { 1 }, { 2 }, { 3 } } } } },
    teacher = { facts = grid(1, 3, 0), signals = { ["tokens.0"] = { { { 1, 0 }, { 2, 2 } } } } },
    weights = { ["mimic.0.weight"] = { { 1 }, { .5 } }, ["mimic.0.bias"] = { 0, 0 } } }
t.near(rig.run(p2).loss, 2.25, 1e-6, "G-P2")
local p3 = { loss = "attention", settings = { weight = 1, layers = "0", temperature = 1 }, batch = 1, kept = { teacher = { { 1, 3 } } },
    student = { facts = grid(1, 4, 1, { depth = 1 }), signals = { ["class_attention.0"] = rows_of { { .3, .1, .2, .25, .15 } } } },
    teacher = { facts = grid(1, 4, 1, { depth = 1 }), signals = { ["class_attention.0"] = rows_of { { .5, .3, .2 } } } } }
t.near(rig.run(p3).loss, 0.003806, 1e-6, "G-P3")
p3.settings = { weight = 1, layers = "0", temperature = 1, under_mask = "mass" }
t.near(rig.run(p3).loss, 0.434589, 1e-6, "G-P3 mass")
t.group "G-P1, G-P2, G-P3: masked teachers"

return t.done()
