-- self_supervised: the golden values of methods.md for losses without labels (G-L12 to G-L26) and the second stage of G2SD, forward and
-- gradient; what state does from step to step; gradients against finite differences on fresh numbers; refusals.
local bauta = require "bauta"
local builder = require "bauta.builder"
local graph = require "bauta.bind.graph"
local session = require "bauta.session"
local update = require "bauta.step.update"
local rig = require "loss_rig"
local t = require "harness"

local function near_list(got, want, tolerance, what)
    if not t.check(got and #got == #want, "%s: %d numbers, %d expected", what, got and #got or 0, #want) then return end
    for i = 1, #want do t.near(got[i], want[i], tolerance, ("%s[%d]"):format(what, i)) end
end

local function unit(rows)
    local out = {}
    for i, row in ipairs(rows) do
        local sum = 0
        for _, v in ipairs(row) do sum = sum + v * v end
        out[i] = {}
        for j, v in ipairs(row) do out[i][j] = v / math.sqrt(sum) end
    end
    return out
end

-- ---- embeddings ----
local facts = { prefix = 1, patches = 1, depth = 1, grid_rows = 1, grid_columns = 1 }

-- A case with embeddings [B][D] as the class token of one-token models.
local function embeddings(loss, settings, s, tt, more)
    local function tokens(rows)
        local out = {}
        for i, row in ipairs(rows) do out[i] = { row } end
        return { facts = facts, signals = { features = out } }
    end
    local case = { loss = loss, settings = settings, batch = #s, student = tokens(s), teacher = tokens(tt), update = true }
    for k, v in pairs(more or {}) do case[k] = v end
    return case
end

local f_s, f_t = { { 2, 1 }, { 1, 0 } }, unit { { 1, 2 }, { 2, -1 } }
local queue = unit { { 1, 1 }, { -1, 0 }, { 0, 1 }, { 1, 1 }, { -1, 0 }, { 0, 1 } }
local three = unit { { 1, 1 }, { -1, 0 }, { 0, 1 } }

-- A queue of three with batches of two cannot be renewed, so it is not.
local function seed(tau, more)
    local case = embeddings("seed", { teacher_temperature = tau, queue = 3, head = "none" }, f_s, f_t, { states = { queue = three }, update = false })
    for k, v in pairs(more or {}) do case[k] = v end
    return rig.run(case)
end
local out = seed(0.01)
t.near(out.loss, 0.760421, 2e-6, "G-L21")
near_list(out["grad student.features"], { 0.082595 / 1, -0.165191, 0, 0.835455 }, 2e-6, "G-L21 gradient")
t.near(seed(1e-4).loss, 0.762581, 2e-6, "G-L21, temperature 1e-4")
t.near(seed(0.2).loss, 0.879024, 2e-6, "G-L21, temperature 0.2")
t.near(seed(0.01, { student = { facts = facts, signals = { features = { { { 4, 2 } }, { { 3, 0 } } } } } }).loss, 0.760421, 2e-6, "length of embeddings")
t.group "G-L21: SEED"

local function compress(loss, temperature, more)
    local case = embeddings(loss, { temperature = temperature, queue = 3 }, f_s, f_t, more)
    case.update = false
    return rig.run(case)
end
local students = unit { { 1, .5 }, { -1, .2 }, { .3, 1 } }
local two = { states = { teacher_queue = three, student_queue = students } }
out = compress("compress-2q", 0.04, two)
t.near(out.loss, 0.552249, 5e-6, "G-L22, two queues")
near_list({ out["grad student.features"][1], out["grad student.features"][2] }, { 0.372187, -0.744374 }, 5e-6, "G-L22 gradient")
t.near(compress("compress-2q", 0.5, two).loss, 0.042814, 1e-6, "G-L22, two queues, 0.5")
local one = { states = { queue = three }, weights = { ["head.weight"] = { { 1, 0 }, { 0, 1 } }, ["head.bias"] = { 0, 0 } } }
out = compress("compress-1q", 0.04, one)
t.near(out.loss, 1.030415, 5e-6, "G-L22, one queue")
near_list({ out["grad student.features"][1], out["grad student.features"][2] }, { 0.296070, -0.592140 }, 5e-6, "G-L22 gradient, one queue")
t.near(compress("compress-1q", 0.5, one).loss, 0.060874, 1e-6, "G-L22, one queue, 0.5")
t.group "G-L22: CompRess"

local s2, t2 = { { .5, .5, 1 }, { 0, 2, 1 } }, { { 1, 0, 2 }, { 0, 1, 1 } }
out = rig.run(embeddings("simreg", { head = "none" }, s2, t2))
t.near(out.loss, 0.138446, 1e-6, "G-L23")
near_list(out["grad student.features"], { -0.060858, 0.304290, -0.121716, 0, 0.063246, -0.126491 }, 1e-6, "G-L23 gradient")
t.group "G-L23: SimReg"

t.near(rig.run(embeddings("reg", { head = "none" }, s2, t2)).loss, 0.416667, 1e-6, "G-L24 mean")
t.near(rig.run(embeddings("reg", { head = "none", form = "absolute", epsilon = 0 }, s2, t2)).loss, 1.112372, 1e-6, "G-L24 absolute")
t.near(rig.run(embeddings("reg", { form = "relative" }, s2, t2)).loss, 0.213422, 1e-6, "G-L24 relative")
t.near(rig.run(embeddings("reg", { form = "relative" }, t2, t2)).loss, 0, 2e-6, "relative, equal")
t.group "G-L24: Reg"

local basis = { { .707107, -.5, 0 }, { 0, .707107, 0 }, { .707107, .5, 0 } }
local kdep = embeddings("kdep", { statistics = "given" }, { { 1, 0 }, { 0, 1 }, { 1, -1 }, { 2, 0 } }, { { 2, 0, 1 }, { 0, 1, -1 }, { -1, 1, 0 }, { 1, 2, 2 } },
    { states = { mean = { .5, 1, .5 }, basis = basis } })
t.near(rig.run(kdep).loss, 16.849241, 1e-4, "G-L25")
local powers = embeddings("kdep", { statistics = "given", weight = 1 }, { { -2, 1, 0, 3 } }, { { -.8, .1, 0, 2.7 } },
    { states = { mean = { 0, 0, 0, 0 }, basis = { { 1, 0, 0, 0 }, { 0, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 } } } })
t.near(rig.run(powers).loss, 0, 1e-10, "G-L25 power scaling")
t.group "G-L25: KDEP"

-- ---- AttnDistill ----
local at, as = { { .5, .3, .2 }, { .2, .2, .6 } }, { { .4, .4, .2 }, { .3, .3, .4 } }
local at3 = { { .5, .3, .2 }, { .2, .2, .6 }, { .25, .5, .25 } }

-- Maps [heads][T] of one picture; a grid of 1 x (T-1), or of the given side.
local function attention(maps, side)
    local rows, n = {}, #maps[1] - 1
    for h, map in ipairs(maps) do rows[h] = { map } end
    return { facts = { prefix = 1, patches = n, depth = 1, grid_rows = side or 1, grid_columns = n / (side or 1) },
        signals = { ["class_attention.0"] = { rows } } }
end

local function guided(s, tt, settings, more)
    local given = { align = "none", guidance = 1 }
    for k, v in pairs(settings or {}) do given[k] = v end
    local case = { loss = "attndistill", settings = given, batch = 1, student = s, teacher = tt }
    for k, v in pairs(more or {}) do case[k] = v end
    return rig.run(case)
end

-- The gradient for what went into the softmax, from that for the map a: a (g - sum a g), map by map.
local function through_softmax(maps, grad)
    local out, width = {}, #maps[1]
    for h, a in ipairs(maps) do
        local sum = 0
        for j = 1, width do sum = sum + a[j] * grad[(h - 1) * width + j] end
        for j = 1, width do out[#out + 1] = a[j] * (grad[(h - 1) * width + j] - sum) end
    end
    return out
end

out = guided(attention(as), attention(at))
t.near(out.loss, 0.106360, 1e-6, "G-L12")
near_list(through_softmax(as, out["grad student.class_attention.0"]), { -.1, .1, 0, .1, .1, -.2 }, 1e-6, "G-L12 gradient")
t.near(guided(attention { as[1] }, attention { at[1] }).loss, 0.025267, 1e-6, "G-L12 first head")
t.group "G-L12: heads and patches alike"

out = guided(attention(as), attention(at3))
t.near(out.loss, 0.000300509, 1e-7, "G-L13")
near_list(through_softmax(as, out["grad student.class_attention.0"]), { 0.000851352, 0.000245472, -0.001096824, 0.000851352, 0.000245472, -0.001096824 },
    1e-7, "G-L13 gradient")
t.near(guided(attention(as), attention(at3), { temperature = 1 }).loss, 0.028857, 1e-6, "G-L13, T 1")
for _, c in ipairs { { "mean", 0.005996 }, { "max", 0.003832 }, { "min", 0.017372 } } do
    t.near(guided(attention(as), attention(at3), { merge = c[1] }).loss, c[2], 1e-6, "G-L13 " .. c[1])
end
t.near(guided(attention(as), attention(at), { distance = "mse" }).loss, 0.080000, 1e-6, "G-L13 squared")
t.group "G-L13: heads differ"

local g, sum = {}, 0
for i = 1, 16 do g[i] = i end
g[7] = 30
for _, v in ipairs(g) do sum = sum + v end
local wide = { .2 }
for i, v in ipairs(g) do wide[i + 1] = .8 * v / sum end
local small = { .3, .1, .3, .1, .2 }
t.near(guided(attention({ small }, 2), attention({ wide }, 4)).loss, 0.126843, 1e-6, "G-L14")
local up, down = { .2 }, { .4 }
for i = 1, 16 do up[i + 1], down[i + 1] = .8 * i / 136, .6 * (17 - i) / 136 end
t.near(guided(attention({ small }, 2), attention({ up, down }, 4)).loss, 0.001254830, 1e-7, "G-L15")
t.group "G-L14, G-L15: another grid"

local function valued(maps, norms)
    local m, rows = attention(maps), {}
    for h, row in ipairs(norms) do
        rows[h] = {}
        for j, v in ipairs(row) do rows[h][j] = { .6 * v, -.8 * v } end
    end
    m.signals["values.0"] = { rows }
    return m
end
t.near(guided(valued(as, { { 1, 2, .5 }, { 2, 1, 1 } }), valued(at, { { 2, 1, 1 }, { 1, 1, 3 } }), { values = true }).loss, 0.931795, 2e-6, "G-L16")
t.group "G-L16: values"

-- A masked teacher: the student's map on what it sees, as G-P3 has it.
out = guided(attention { { .3, .1, .2, .25, .15 } }, { facts = { prefix = 1, patches = 4, depth = 1, grid_rows = 1, grid_columns = 4 },
    signals = { ["class_attention.0"] = { { { { .5, .3, .2 } } } } } }, nil, { kept = { teacher = { { 0, 2 } } } })
local kl, want, have = 0, { .5, .3, .2 }, { .3 / .65, .1 / .65, .25 / .65 }
for i = 1, 3 do kl = kl + want[i] * math.log(want[i] / have[i]) end
t.near(out.loss, kl, 1e-6, "a masked teacher")
t.refused(function()
    guided(attention({ small }, 2), { facts = { prefix = 1, patches = 16, depth = 1, grid_rows = 4, grid_columns = 4 },
        signals = { ["class_attention.0"] = { { { small } } } } }, nil, { kept = { teacher = { { 0, 2, 5, 6 } } } })
end, "a masked teacher of another grid")
t.group "guidance by a masked teacher"

-- Alignment: the golden is about what comes out of the projector, whose last LayerNorm makes that of a given bias alone.
local function aligned(form, settings)
    local wide = { prefix = 1, patches = 2, depth = 1, grid_rows = 1, grid_columns = 2 }
    local function tokens(a, b) return { { a, a, a }, { b, b, b } } end
    local function both(maps) -- the same maps [heads][T] of both pictures
        local rows = {}
        for h, map in ipairs(maps) do rows[h] = { map } end
        return { rows, rows }
    end
    local case = { loss = "attndistill", settings = { guidance = 0, form = form, projector = 1 }, batch = 2,
        student = { facts = wide, signals = { ["tokens.0"] = tokens({ 1, 2 }, { 1, 2 }), ["class_attention.0"] = both(as) } },
        teacher = { facts = wide, signals = { features = tokens({ 1, 0, 2, -1 }, { .5, 1.5, 1, -1 }), ["class_attention.0"] = both(at3) } },
        weights = { ["projector.last.weight"] = { 0, 0, 0, 0 }, ["projector.last.bias"] = { .5, .5, 1, 0 } } }
    for k, v in pairs(settings or {}) do case.settings[k] = v end
    return rig.run(case)
end
-- It is the same for both pictures, so the second teacher's row is moved by as much as the golden's second projection: the differences are the golden's.
t.near(aligned("mean").loss, 0.562500, 1e-6, "G-L17")
t.near(aligned("norm").loss, 1.497676, 1e-6, "G-L17, distance")
t.near(aligned("mean", { guidance = 0.1 }).loss, 0.562530, 1e-6, "G-L17, with guidance")
t.group "G-L17: alignment"

-- ---- G2SD ----
local decoders = { loss = "g2sd", settings = { head = "none", layer = 0 }, batch = 1,
    student = { facts = facts, signals = { decoder_tokens = { { { 0, 1, -1, 4 }, { 0, 0, 1, -1 } } } } },
    teacher = { facts = facts, signals = { ["decoder_hidden.0"] = { { { 1, 3, -2, 6 }, { .5, .5, 1.5, -2.5 } } } } } }
out = rig.run(decoders)
t.near(out.loss, 0.245825, 1e-6, "G-L18")
near_list(out["grad student.decoder_tokens"], { 0.021437, 0.041063, 0.023249, 0.125, -0.020833, -0.020833, 0, 0.041667 }, 1e-6, "G-L18 gradient")
local function second(loss, settings)
    return rig.run { loss = loss, settings = settings, batch = 2, labels = { 0, 2 }, targets = { { .9, .1, 0 }, { .2, 0, .8 } },
        student = { signals = { logits = { { 2, 1, .1 }, { .5, -1, 1.5 } }, distillation_logits = { { 1, 2, 0 }, { 0, .5, 1 } } } },
        teacher = { signals = { logits = { { 3, .5, -.5 }, { .2, .1, 2 } } } } }.loss
end
t.near(second("cross-entropy", {}), 0.544285, 1e-6, "G-L19 class head")
t.near(second("hard", { head = "distillation" }), 1.043938, 1e-6, "G-L19 distillation head")
t.near(second("cross-entropy", { weight = .5 }) + second("hard", { head = "distillation", weight = .5 }), 0.794111, 1e-6, "G-L19")
t.group "G-L18, G-L19: G2SD"

-- ---- DINO ----
local views = { loss = "dino", settings = {}, batch = 1, labels = { 0 }, update = true, states = { centre = { { .05, .02, -.01 } } },
    student = { signals = { projection = { { .2, .1, -.1 }, { 0, .3, .1 } } } }, student_local = { signals = { projection = { { .4, -.2, .1 } } } },
    teacher = { signals = { projection = { { .3, -.1, .2 }, { .1, .4, -.2 } } } } }
out = rig.run(views)
t.near(out.loss, 2.789244, 5e-6, "G-L20")
near_list(out["grad student.projection"], { 1.762808, -1.850604, 0.087796, -1.722493, 2.109311, -0.386818 }, 5e-6, "G-L20 gradient")
near_list(out["grad student_local.projection"], { 2.923480, -2.487743, -0.435737 }, 5e-6, "G-L20 gradient of the local view")
near_list(out["state centre"], { 0.065, 0.033, -0.009 }, 1e-6, "G-L20 centre")
views.settings = { warmup = 5, warmup_temperature = 0.02, teacher_temperature = 0.06 }
views.epoch = 2
t.near(rig.run(views).loss, 2.789244, 5e-6, "the third of five epochs of warm-up")
t.refused(function()
    rig.run { loss = "dino", batch = 1, labels = { 0 }, student = { signals = { projection = { { 1, 2 } } } }, teacher = { signals = { projection = { { 1, 2 } } } } }
end, "DINO with one view")

-- The last layer of its head: g v / |v| times the unit vector of [1,2], which the layer before makes by its bias alone.
do
    local head, store = bauta.arch "dino" { dim = 8, depth = 1, heads = 1, image = 4, patch = 4, head = true, outputs = 2 }, bauta.store(1)
    local step = bauta.graph({ batch = 1, image = 4 }, function(g)
        g:model("student", head, { store = store })
        g:fetch("projection", g:signal("student", "projection"))
    end)
    local function row(a, b)
        local out = { a, b }
        for i = 3, 256 do out[i] = 0 end
        return out
    end
    local v, nothing = row(3, 4), {}
    for _, x in ipairs(row(0, 2)) do v[#v + 1] = x end
    for i = 1, 256 * 2048 do nothing[i] = 0 end
    store:write("head.mlp.4.weight", nothing)
    store:write("head.mlp.4.bias", row(1, 2))
    store:write("head.last_layer.weight_v", v)
    step:feed("images", { unpack(nothing, 1, 48) })
    step:run()
    near_list(step:read "projection", { 0.983870, 0.894427 }, 1e-6, "G-L20 weight norm")
end

-- The averaged teacher, and the average of `ema`, after a step.
do
    local device, given = session.device(), { student = { 3, 0 }, average = { 1, 2 }, ema = { 1, 2 } }
    local list = {}
    for name, numbers in pairs(given) do
        list[name] = graph.store(device, 0)
        list[name]:add("w", { 2 }, "zero")
        list[name]:write("w", numbers)
    end
    local b = builder.new { device = device }
    b:feed("momentum", "f32")
    update.averages(b, { settings = { ema = 0.996 } }, list)
    local step = b:finish()
    step:feed("momentum", 0.996)
    step:run()
    near_list(list.average:read "w", { 1.008, 1.992 }, 1e-6, "G-L20 averaged teacher")
    near_list(list.ema:read "w", { 1.008, 1.992 }, 1e-6, "G-L20 average")
    near_list(list.student:read "w", { 3, 0 }, 0, "the student")
end
t.group "G-L20: DINO"

-- ---- state from step to step ----
local case = embeddings("seed", { queue = 6, head = "none" }, f_s, f_t, { states = { queue = queue } })
out, case = rig.run(case)
near_list(case.states:read "seed.queue", { f_t[1][1], f_t[1][2], f_t[2][1], f_t[2][2], 0, 1, queue[4][1], queue[4][2], -1, 0, 0, 1 }, 1e-6, "first step")
case.step:feed("step", 3)
case.step:run()
local rows = case.states:read "seed.queue"
near_list({ rows[9], rows[10], rows[11], rows[12] }, { f_t[1][1], f_t[1][2], f_t[2][1], f_t[2][2] }, 1e-6, "third step")
case.step:feed("step", 4)
case.step:run()
near_list({ unpack(case.states:read "seed.queue", 1, 2) }, { f_t[1][1], f_t[1][2] }, 1e-6, "the oldest goes first")
local fresh = rig.step(embeddings("seed", { queue = 4 }, f_s, f_t)).states:read "seed.queue"
for i = 1, 8, 2 do t.near(fresh[i] ^ 2 + fresh[i + 1] ^ 2, 1, 1e-5, "a queue begins with directions") end
t.raises("loss seed: enqueue: a queue of 3 rows is no multiple of the 2 that come in a step", function() rig.run(embeddings("seed", { queue = 3 }, f_s, f_t)) end)
t.group "queues"

-- ---- a model that classifies by a mean after a norm of its own ----
local function of_mean(loss, settings, teacher)
    return rig.run { loss = loss, settings = settings, batch = 2, seed = 3, student = { facts = facts, signals = { features = { { { 2, 1 } }, { { 1, 0 } } },
        ["tokens.0"] = { { { 2, 1 } }, { { 1, 0 } } } } }, teacher = { facts = facts, signals = teacher } }.loss
end
for _, l in ipairs { { "reg", {} }, { "attndistill", { guidance = 0, projector = 1 } } } do
    local want = of_mean(l[1], l[2], { features = { { { 3, 1 } }, { { 0, 2 } } } })
    t.near(of_mean(l[1], l[2], { features = { { { 9, 9 } }, { { -9, 7 } } }, pooled = { { 3, 1 }, { 0, 2 } } }), want, 0, l[1])
end
t.group "the embedding of a model that classifies by a mean"

-- ---- clusters ----
local clusters = embeddings("cc", { statistics = "given", clusters = 3 }, f_s, f_t, { images = 4, samples = { 3, 1 }, states = { labels = { 0, 2, 1, 1 } },
    weights = { ["head.weight"] = { { 1, 0 }, { 0, 1 }, { 1, 1 } }, ["head.bias"] = { 0, 0, 0 } } })
local function entropy(z, c) return math.log(math.exp(z[1]) + math.exp(z[2]) + math.exp(z[3])) - z[c + 1] end
t.near(rig.run(clusters).loss, (entropy({ 2, 1, 3 }, 1) + entropy({ 1, 0, 1 }, 2)) / 2, 1e-6, "CC")
t.group "CC"

-- ---- fresh numbers ----
local start = tonumber(os.getenv "BAUTA_SEED" or os.time())
math.randomseed(start)
print("seed " .. start)

local function random(shape, low, high)
    local n, data = 1, {}
    for _, d in ipairs(shape) do n = n * d end
    for i = 1, n do data[i] = low + (high - low) * math.random() end
    return { shape = shape, data = data }
end
local function maps(shape)
    local x = random(shape, 0.2, 1)
    for from = 0, #x.data - 1, shape[#shape] do
        local total = 0
        for i = from + 1, from + shape[#shape] do total = total + x.data[i] end
        for i = from + 1, from + shape[#shape] do x.data[i] = x.data[i] / total end
    end
    return x
end
local function model(B, side, prefix, dim, heads, seen)
    local T = prefix + (seen or side * side)
    return { facts = { prefix = prefix, patches = side * side, depth = 2, grid_rows = side, grid_columns = side },
        signals = { features = random({ B, T, dim }, -1, 1), ["tokens.1"] = random({ B, T, dim }, -1, 1), ["tokens.0"] = random({ B, T, dim }, -1, 1),
            ["class_attention.0"] = maps { B, heads, math.max(prefix, 1), T }, ["class_attention.1"] = maps { B, heads, math.max(prefix, 1), T },
            ["values.0"] = random({ B, heads, T, 3 }, .3, 1), ["values.1"] = random({ B, heads, T, 3 }, .3, 1),
            projection = random({ B, 7 }, -.2, .2), decoder_tokens = random({ B, T, dim }, -1, 1),
            ["decoder_hidden.0"] = random({ B, T, dim }, -1, 1) } }
end
-- A projector of n layers whose numbers are not as small as those it begins with, which a difference would drown.
local function projector(n, own, dim)
    local out, width = {}, own
    for i = 0, n - 1 do
        local to = i == n - 1 and dim or i % 2 == 0 and 2 * own or own
        out[("projector.%d.weight"):format(i)], width = random({ to, width }, -1, 1), to
    end
    return out
end
local tries = { { "seed", { queue = 8, teacher_temperature = .1 } }, { "compress-1q", { queue = 8, temperature = .3 } },
    { "compress-2q", { queue = 8, temperature = .3 } }, { "reg", {} }, { "reg", { form = "absolute" } }, { "reg", { form = "relative" } },
    { "simreg", {} }, { "g2sd", { layer = 0 } },
    { "cc", { statistics = "given", clusters = 5 }, nil, { labels = { 0, 4, 2, 2 } } },
    { "kdep", { statistics = "given" }, nil, { mean = random({ 8 }, -.2, .2), basis = random({ 8, 8 }, -.5, .5) } },
    { "attndistill", { temperature = 2, guidance = 1 }, projector(4, 6, 8) },
    { "attndistill", { temperature = 2, guidance = 1, clamp = false, form = "norm", projector = 2 }, projector(2, 6, 8) },
    { "attndistill", { align = "tokens", guidance = 0, projector = 1 }, projector(1, 6, 8) }, { "attndistill", { align = "none", guidance = 1, merge = "mean", layers = "all" } },
    { "attndistill", { align = "none", guidance = 1, merge = "max" } }, { "attndistill", { align = "none", guidance = 10, merge = "min", distance = "mse" } },
    { "attndistill", { align = "none", guidance = 1, values = true, temperature = 1 } }, { "attndistill", { guidance = 0, compress = .2, queue = 4, projector = 1 }, projector(1, 6, 8) },
    { "attndistill", { guidance = 0, align = "none", compress = 1, compress_temperature = .5, queue = 4, projector = 1 }, projector(1, 6, 8) } }
for _, try in ipairs(tries) do
    local worst, where = rig.differences { loss = try[1], settings = try[2], batch = 4, labels = { 0, 1, 2, 3 }, update = false, weights = try[3], states = try[4],
        images = 4, samples = { 3, 1, 0, 2 }, student = model(4, 2, 1, 6, 2), teacher = model(4, 2, 1, 8, 3), seed = math.random(1000) }
    t.check(worst < 3e-2, "%s: gradient off by %.3g at %s", try[1], worst, where)
end
local worst, where = rig.differences { loss = "dino", settings = {}, batch = 2, labels = { 0, 1 }, update = false, student = model(4, 2, 1, 6, 2),
    student_local = model(6, 1, 1, 6, 2), teacher = model(4, 2, 1, 6, 2) }
t.check(worst < 3e-2, "dino: gradient off by %.3g at %s", worst, where)
-- The teacher of another grid, and a masked one; a masked one that keeps everything is an unmasked one.
for _ = 1, 3 do -- few elements: on some numbers most of them are at kinks
    worst, where = rig.differences { loss = "attndistill", settings = { align = "none", guidance = 1 }, batch = 2, student = model(2, 3, 1, 6, 2), teacher = model(2, 4, 1, 8, 2) }
    if worst < math.huge then break end
end
t.check(worst < 3e-2, "another grid: gradient off by %.3g at %s", worst, where)
local masked = { loss = "attndistill", settings = { guidance = 1, align = "tokens", layers = "all" }, batch = 2, student = model(2, 2, 1, 6, 2),
    teacher = model(2, 2, 1, 8, 3, 2), kept = { teacher = { { 0, 3 }, { 1, 2 } } }, seed = 5, weights = projector(4, 6, 8) }
worst, where = rig.differences(masked)
t.check(worst < 3e-2, "masked: gradient off by %.3g at %s", worst, where)
masked.teacher, masked.kept = model(2, 2, 1, 8, 3, 4), { teacher = { { 0, 1, 2, 3 }, { 0, 1, 2, 3 } } }
local kept = rig.run(masked).loss
masked.kept = nil
t.near(rig.run(masked).loss, kept, 1e-6, "a mask that keeps everything")
-- A model without a class token is aligned by the mean of its tokens, as one whose class token were that mean.
local function averaged(m, signal)
    local x, rows = m.signals[signal], {}
    local T, D = x.shape[2], x.shape[3]
    for b = 1, x.shape[1] do
        rows[b] = { {}, {} }
        for d = 1, D do
            rows[b][1][d], rows[b][2][d] = 0, 9
            for n = 0, T - 1 do rows[b][1][d] = rows[b][1][d] + x.data[((b - 1) * T + n) * D + d] / T end
        end
    end
    return { facts = { prefix = 1, patches = 1, depth = 2, grid_rows = 1, grid_columns = 1 }, signals = { [signal] = rows } }
end
local bare = { model(4, 2, 0, 6, 2), model(4, 2, 0, 8, 3) }
local means = { averaged(bare[1], "tokens.1"), averaged(bare[2], "features") }
for _, given in ipairs { {}, { form = "norm" }, { compress = .2, queue = 4 }, { align = "none", compress = 1, queue = 4 } } do
    given.guidance, given.projector = 0, 1
    local case = { loss = "attndistill", settings = given, batch = 4, student = means[1], teacher = means[2], seed = 3, weights = projector(1, 6, 8) }
    local want = rig.run(case).loss
    for _, who in ipairs { { bare[1], bare[2] }, { bare[1], means[2] }, { means[1], bare[2] } } do
        case.student, case.teacher = who[1], who[2]
        t.near(rig.run(case).loss, want, 1e-5, "no class token: the mean of the tokens")
    end
end
worst, where = rig.differences { loss = "attndistill", settings = { guidance = 0, align = "tokens", compress = .2, queue = 4, projector = 1 }, batch = 4,
    update = false, student = bare[1], teacher = bare[2], weights = projector(1, 6, 8), seed = 4 }
t.check(worst < 3e-2, "no class token, all tokens: gradient off by %.3g at %s", worst, where)
t.group "gradients against finite differences"

-- ---- refusals ----
local function refused(loss, settings, s, tt, what) t.refused(function() rig.run(embeddings(loss, settings, s, tt)) end, what) end
local wider = { { 1, 2, 3 }, { 3, 2, 1 } }
refused("seed", { head = "none", queue = 4 }, f_s, wider, "unequal widths without a head")
refused("reg", { head = "none" }, f_s, wider, "unequal widths without a head")
refused("simreg", { head = "none" }, f_s, wider, "unequal widths without a head")
refused("kdep", {}, f_s, wider, "no statistics")
refused("kdep", { statistics = "x" }, wider, f_s, "a student wider than its teacher")
refused("cc", {}, f_s, f_t, "no statistics")
refused("compress-2q", { keys = "slow" }, f_s, f_t, "keys of nobody")
refused("attndistill", { align = "none", guidance = 0 }, f_s, f_t, "nothing to compare")
t.refused(function() bauta.loss("seed", { queue = 0 }) end, "an empty queue")
t.refused(function() guided(attention(as), attention(at3), { merge = "heads" }) end, "head by head with unequal heads")
t.group "refusals"

return t.done()
