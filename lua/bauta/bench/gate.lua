-- bench/gate: what must be right before anything is timed: some operations against float64, and a small masked distillation on this
-- device against the plain kernels of the CPU: its losses, its gradient, the patches it keeps. A wrong step is never a fast one.
local bind = require "bauta.bind.graph"
local errors = require "bauta.errors"

local gate = {}

local function fail(fmt, ...) errors.raise("numeric", "the gate before the timings: " .. fmt:format(...), "bench") end

-- ---- operations against float64 ----

-- erf by its series: enough for |x| < 4.
local function erf(x)
    local term, sum = x, x
    for n = 1, 80 do
        term = -term * x * x / n
        sum = sum + term / (2 * n + 1)
    end
    return 2 / math.sqrt(math.pi) * sum
end

local function row_softmax(scores)
    local most, sum = -math.huge, 0
    for _, v in ipairs(scores) do most = math.max(most, v) end
    for i, v in ipairs(scores) do
        scores[i] = math.exp(v - most)
        sum = sum + scores[i]
    end
    for i, v in ipairs(scores) do scores[i] = v / sum end
    return scores
end

-- y[m,n] = gelu(sum_k x[m,k] w[n,k]).
local function linear(x, w, M, N, K)
    local out = {}
    for m = 0, M - 1 do
        for n = 0, N - 1 do
            local s = 0
            for k = 1, K do s = s + x[m * K + k] * w[n * K + k] end
            out[#out + 1] = 0.5 * s * (1 + erf(s / math.sqrt(2)))
        end
    end
    return out
end

-- Attention of one picture: qkv [T,3D], heads side by side.
local function attention(x, T, D, heads)
    local out, d = {}, D / heads
    for t = 0, T - 1 do
        for h = 0, heads - 1 do
            local scores = {}
            for s = 0, T - 1 do
                local sum = 0
                for i = 1, d do sum = sum + x[t * 3 * D + h * d + i] * x[s * 3 * D + D + h * d + i] end
                scores[s + 1] = sum / math.sqrt(d)
            end
            row_softmax(scores)
            for i = 1, d do
                local sum = 0
                for s = 0, T - 1 do sum = sum + scores[s + 1] * x[s * 3 * D + 2 * D + h * d + i] end
                out[t * D + h * d + i] = sum
            end
        end
    end
    return out
end

local function layernorm(x, rows, n)
    local out = {}
    for r = 0, rows - 1 do
        local mean, square = 0, 0
        for i = 1, n do mean = mean + x[r * n + i] / n end
        for i = 1, n do square = square + (x[r * n + i] - mean) ^ 2 / n end
        for i = 1, n do out[r * n + i] = (x[r * n + i] - mean) / math.sqrt(square + 1e-6) end
    end
    return out
end

local function log_softmax(x, rows, n)
    local out = {}
    for r = 0, rows - 1 do
        local row = {}
        for i = 1, n do row[i] = x[r * n + i] end
        for i, v in ipairs(row_softmax(row)) do out[r * n + i] = math.log(v) end
    end
    return out
end

local function plain(dtype, n, seed)
    local raw, out = bind.noise(dtype, n, seed), {}
    for i = 1, n do out[i] = raw[i - 1] end
    return out, raw
end

-- Sizes that no block of a kernel divides.
local T, D, heads, N = 35, 64, 2, 51

-- Each: name, what is built of x [T,3D] (and w [N,3D]), its float64 counterpart.
local cases = {
    { "linear with GELU", function(g, x, w) return g:op("linear", { x, w }, { gelu = 1 }) end, function(x, w) return linear(x, w, T, N, 3 * D) end },
    { "attention", function(g, x) return g:op("attention", { x }, { heads = heads }) end, function(x) return attention(x, T, D, heads) end },
    { "layernorm", function(g, x, _, one, zero) return g:op("layernorm", { x, one, zero }, { eps = 1e-6 }) end,
        function(x) return layernorm(x, T, 3 * D) end },
    { "log_softmax", function(g, x) return g:op("log_softmax", { x }) end, function(x) return log_softmax(x, T, 3 * D) end },
}

local function deviation(got, want)
    local most, scale = 0, 0
    for i, v in ipairs(want) do
        local d = math.abs(got[i] - v)
        if d ~= d then return math.huge end
        most, scale = math.max(most, d), math.max(scale, math.abs(v))
    end
    return most / scale
end

-- The largest deviation of these operations in fp32, as a share of the largest number; an error where it is no rounding.
local function operations(device)
    local x, raw = plain("f32", T * 3 * D, 5)
    local w, raw_w = plain("f32", N * 3 * D, 6)
    for i = 1, #w do w[i], raw_w[i - 1] = w[i] / 16, raw_w[i - 1] / 16 end -- so that the GELU is bent where it is used
    local worst, one, zero = 0, {}, {}
    for i = 1, 3 * D do one[i], zero[i] = 1, 0 end
    local g = bind.graph(device, 0)
    local input, weight = g:input("x", "f32", { 1, T, 3 * D }), g:input("w", "f32", { N, 3 * D })
    for _, c in ipairs(cases) do g:fetch(c[1], c[2](g, input, weight, g:constant(one), g:constant(zero))) end
    local program = g:compile()
    g:free()
    program:feed("x", raw)
    program:feed("w", raw_w)
    program:run()
    for _, c in ipairs(cases) do
        local d = deviation(program:read(c[1]), c[3](x, w))
        if not (d < 2e-4) then fail("%s is off by %.2g of its largest number against float64", c[1], d) end
        worst = math.max(worst, d)
    end
    program:free()
    return worst
end

-- ---- a step against the plain kernels of the CPU ----

local small = { image = 32, patch = 8, classes = 10, batch = 4 }

local function experiment(precision)
    local plugin = require "bauta.plugin"
    local function arch(dim)
        return plugin.describe("arch", "deit", { dim = dim, depth = 2, heads = 2, image = small.image, patch = small.patch,
            classes = small.classes, drop_path = 0 })
    end
    local e = require("bauta.experiment").distill { name = "gate", data = plugin.describe("data", "scenes", {}), student = arch(64),
        teacher = arch(128), batch = small.batch, epochs = 1, mask = plugin.describe("mask", "student", { keep = 8 }),
        losses = { plugin.describe("loss", "cross-entropy"), plugin.describe("loss", "logit") } }
    e.precision = precision
    return e
end

local rounds = 5

-- Five steps on one batch: { losses, norm (of the first gradient), kept (of the first step) }.
local function steps_of(device, precision)
    local steps = require "bauta.steps"
    local e, out = experiment(precision), { losses = {} }
    local stores = steps.stores(e, device)
    local p = steps.train(e, device, stores)
    p:feed("images", bind.noise("u8", small.batch * small.image * small.image * 3, 7))
    p:feed("labels", { 1, 5, 2, 9 })
    p:feed("epoch", 0)
    p:feed("progress", 0)
    p:feed("lr", 1e-3)
    for i = 1, rounds do
        p:feed("step", i)
        p:run()
        out.losses[i] = p:read "loss"
        if i == 1 then out.norm, out.kept = p:read "grad_norm", p:read "kept" end
    end
    p:free()
    for _, store in pairs(stores) do store:free() end
    return out
end

local function apart(a, b) return math.abs(a - b) / math.max(math.abs(b), 1e-30) end

local function compare(mine, plain_)
    local worst, same, sets = 0, 0, {}
    for i = 1, rounds do worst = math.max(worst, apart(mine.losses[i], plain_.losses[i])) end
    local per = #plain_.kept / small.batch
    for i, patch in ipairs(plain_.kept) do sets[math.floor((i - 1) / per) .. ":" .. patch] = true end
    for i, patch in ipairs(mine.kept) do same = same + (sets[math.floor((i - 1) / per) .. ":" .. patch] and 1 or 0) end
    return worst, apart(mine.norm, plain_.norm), 100 * same / #plain_.kept
end

-- Raises unless the losses are numbers and the last is below the first.
function gate.falling(first, last, what)
    if not (first == first and math.abs(first) < math.huge and last == last and math.abs(last) < math.huge) then
        fail("%s: the loss goes from %s to %s; a number expected", what, tostring(first), tostring(last))
    end
    if not (last < first) then fail("%s: the loss goes from %.6g to %.6g and does not fall", what, first, last) end
end

-- What rounding may do in each precision: to losses and gradient (shares), to the kept patches (how many stay, in percent).
local allowed = { fp32 = { 1e-3, 100 }, tf32 = { 5e-3, 95 }, bf16 = { 0.05, 85 } }

-- Everything above; raises where something is wrong. Returns what was seen, and one line.
function gate.pass(device, precision)
    local seen = { operations = operations(device), steps = rounds }
    local other = bind.device("cpu", 1, "plain")
    local mine, plain_ = steps_of(device, precision), steps_of(other, "fp32")
    other:free()
    seen.loss, seen.gradient, seen.kept_percent = compare(mine, plain_)
    local limit = allowed[precision]
    if not (seen.loss <= limit[1]) then fail("the losses of %d steps are off by %.2g from the plain CPU kernels", rounds, seen.loss) end
    if not (seen.gradient <= limit[1]) then fail("the gradient's norm is off by %.2g from the plain CPU kernels", seen.gradient) end
    if seen.kept_percent < limit[2] then fail("%.1f %% of the kept patches are those of the plain CPU kernels", seen.kept_percent) end
    gate.falling(mine.losses[1], mine.losses[rounds], "its small step")
    seen.first, seen.last = mine.losses[1], mine.losses[rounds]
    return seen
end

function gate.line(seen)
    return ("gate: operations within %.1e of float64; %d small steps against plain CPU kernels: losses within %.1e, gradient %.1e, " ..
        "%.0f %% of the kept patches; loss %.3f -> %.3f"):format(seen.operations, seen.steps, seen.loss, seen.gradient, seen.kept_percent,
        seen.first, seen.last)
end

return gate
