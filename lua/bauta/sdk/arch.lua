-- sdk/arch: what an architecture promises: finite logits, the same again and on any number of threads, each picture's its own, all patches
-- kept the same as none masked, a gradient that is a slope; the signals it makes known; and what it costs.
local errors = require "bauta.errors"
local report = require "bauta.sdk.report"
local rig = require "bauta.sdk.rig"

-- Small models, as far as the plugin's settings allow.
local arch = { choices = { { image = 32, patch = 4, dim = 24, depth = 2, heads = 2, classes = 5, drop_path = 0 },
    { image = 32, patch = 4, dim = 24, depth = 12, heads = 2, classes = 5, drop_path = 0 }, { image = 64, classes = 5 }, {} } }

-- Settings are judged against each other by `facts`; the ends of some ranges are far too large to be built.
function arch.built(description) return description.patches end

-- Numbers of one picture, and pixels of n of them.
local function picture_size(d) return d.image_rows * d.image_columns * d:params():fact "channels" end
function arch.pixels(d, n, style) return rig.pixels(n, nil, style, picture_size(d)) end

-- Builds the model over pictures of its own size and number of channels. o: kept (how many patches), training, reducer.
local function build(b, d, o, store)
    local channels, one, zero = d:params():fact "channels", {}, {}
    for c = 1, channels do one[c], zero[c] = 1 / 128, -1 end
    local images = b.g:input("pictures", "u8", { o.batch, d.image_rows, d.image_columns, channels })
    local kept = o.kept and b.g:input("kept", "i32", { o.batch, o.kept }) or nil
    b.g:role "student"
    b.known:arch("student", d:params(), { images = images, scale = b:constant(one, { channels }), shift = b:constant(zero, { channels }),
        kept = kept, store = store, training = o.training, reducer = o.reducer and o.reducer:params() })
    return b:signal("student", "logits")
end

-- A program that runs the model and fetches its logits; also(b, logits, store) adds to it. Returns it and the weights.
function arch.program(d, o, also)
    local store = rig.store(o.threads or 1, 7)
    return rig.program({ threads = o.threads, batch = o.batch, image = 8 }, function(b)
        local logits = build(b, d, o, store)
        b:fetch("logits", logits)
        if also then also(b, logits, store) end
    end), store
end

-- k patch numbers for each picture, spread over all.
local function every_nth(patches, k, batch)
    local out = {}
    for _ = 1, batch do
        for i = 0, k - 1 do out[#out + 1] = math.floor(i * patches / k) end
    end
    return out
end

function arch.run_program(program, d, o)
    rig.run(program, o.batch, { pictures = o.pixels or arch.pixels(d, o.batch, o.style), step = o.step,
        kept = o.kept and every_nth(d.patches, o.kept, o.batch) or nil })
end

-- o: as above, and pixels or style, step.
function arch.logits(d, o)
    local program = arch.program(d, o)
    arch.run_program(program, d, o)
    local out = program:read "logits"
    program:free()
    return out
end

local function geometry(c)
    local d = c.describe(c.wanted)
    return true, ("%dx%d pixels, %dx%d patches, %d extra tokens, %d blocks, width %d, %d heads, %d classes"):format(d.image_rows,
        d.image_columns, d.grid_rows, d.grid_columns, d.prefix, d.depth, d.dim, d.heads, d.classes)
end

local function forward(c)
    local d = c.describe(c.wanted)
    for _, training in ipairs { false, true } do
        for _, style in ipairs { "noise", "black", "white" } do
            local out = arch.logits(d, { batch = 3, training = training, style = style })
            local ok, _, v = rig.finite(out)
            if not ok then return false, ("logit %s for %s pictures"):format(tostring(v), style) end
            if #out ~= 3 * d.classes then return false, ("%d logits, %d expected"):format(#out, 3 * d.classes) end
        end
    end
    return true, "finite logits in training and evaluation"
end

local function again(c)
    local d = c.describe(c.wanted)
    local first = arch.logits(d, { batch = 3 })
    for n = 1, 3 do
        if not rig.same(first, arch.logits(d, { batch = 3, threads = n })) then return false, ("other logits with %d threads"):format(n) end
    end
    return true, "1, 2 and 3 threads give the same bits"
end

local function own_picture(c)
    local d = c.describe(c.wanted)
    local pixels = arch.pixels(d, 3)
    local worst, size = rig.moved(arch.logits(d, { batch = 3, pixels = pixels }), arch.logits(d, { batch = 3, pixels = rig.mixed(pixels, 3) }), 3)
    if worst > 1e-4 * size then return false, ("the logits of a picture depend on the others of its batch (by %.3g)"):format(worst) end
    return true, ("other pictures of the batch change a logit by at most %.1g"):format(worst)
end

local function masked(c)
    local d = c.describe(c.wanted)
    local whole = arch.logits(d, { batch = 2 })
    local ran, all = pcall(arch.logits, d, { batch = 2, kept = d.patches })
    if not ran then
        if errors.is(all) and all.code ~= "bug" then return "note", "refused: " .. all.lines[1] end
        error(all, 0)
    end
    local worst, size = rig.difference(whole, all)
    if worst > 1e-4 * size then return false, ("with all patches kept the logits differ by %.3g"):format(worst) end
    local half = arch.logits(d, { batch = 2, kept = math.floor(d.patches / 2) })
    if not rig.finite(half) then return false, "logits of half of the patches are not finite" end
    if rig.same(whole, half) then return false, "leaving out half of the patches changes nothing" end
    return true, ("all patches kept: the same logits (within %.1g); half of them: others"):format(worst)
end

-- The share of the class token's attention that each row gives away must be 1.
local function signals(c)
    local d, known = c.describe(c.wanted), {}
    local program = arch.program(d, { batch = 2 }, function(b)
        for _, s in ipairs { { "features" }, { "tokens", -1 }, { "class_attention", 0 }, { "class_attention", -1 } } do
            local ok, t = pcall(b.signal, b, "student", s[1], s[2])
            if ok then
                known[#known + 1] = s[1] .. (s[2] and (" of block %d"):format(s[2]) or "")
                if s[1] == "class_attention" then b:fetch("rows" .. s[2], t:sum { axis = 3 }) end
            elseif not errors.is(t) then error(t, 0) end
        end
    end)
    arch.run_program(program, d, { batch = 2 })
    for _, layer in ipairs { 0, -1 } do
        local ok, rows = pcall(program.read, program, "rows" .. layer)
        for _, v in ipairs(ok and rows or {}) do
            if math.abs(v - 1) > 1e-4 then return false, ("a row of the class token's attention sums to %.5g"):format(v) end
        end
    end
    program:free()
    if #known == 0 then return "note", "logits and nothing else: no criterion and few losses can use it" end
    return true, "logits, " .. table.concat(known, ", ")
end

-- Cross-entropy with the labels, down its gradient: the loss falls as far as the gradient says.
local function gradient(c)
    local d, names, cells = c.describe(c.wanted), {}, 0
    local probe, weights = arch.program(d, { batch = 1 })
    local many = weights:size()
    probe:free()
    if many > rig.most_weights then return "skip", ("%d weights; --set smaller settings to have it judged"):format(many) end
    local program, store = arch.program(d, { batch = 3 }, function(b, logits, weights)
        local value = b:op("cross_entropy", { logits, b:signal("batch", "labels") }, { smoothing = 0 }):mean { axis = -100 }
        local list, variables = weights:list(), {}
        for i, t in ipairs(list) do variables[i] = b:variable(weights, t.name) end
        b:fetch("loss", value)
        for i, t in ipairs(b:grad(value, variables)) do
            if t then
                names[#names + 1] = list[i].name
                b:fetch("d " .. list[i].name, t)
            end
        end
    end)
    local pixels, before, sum = arch.pixels(d, 3), {}, 0
    local function loss()
        arch.run_program(program, d, { batch = 3, pixels = pixels })
        return program:read "loss"
    end
    loss()
    local slopes = {}
    for _, name in ipairs(names) do
        before[name], slopes[name] = store:read(name), program:read("d " .. name)
        for _, v in ipairs(slopes[name]) do sum, cells = sum + v ^ 2, cells + 1 end
    end
    local length = math.sqrt(sum)
    if not (length > 0) then return false, "no gradient reaches the weights" end
    local found = rig.slope(function(by)
        for _, name in ipairs(names) do
            local now = {}
            for k, v in ipairs(before[name]) do now[k] = v + by * slopes[name][k] / length end
            store:write(name, now)
        end
        return loss()
    end, length)
    program:free()
    local off = math.abs(found - length) / length
    if off > 0.02 then return false, ("differs from finite differences by %.2g %%"):format(100 * off) end
    return true, ("%d of %d tensors, %d weights; finite differences agree to %.2g %%"):format(#names, #store:list(), cells, 100 * off)
end

local function cost(c)
    local d, ffi, cost_of = c.describe {}, require "bauta.ffi", require "bauta.cost"
    local program, store = arch.program(d, { batch = 1 })
    local summary, pixels, best = cost_of.summary(program:plan(), 1), arch.pixels(d, 1), math.huge
    for _ = 1, 3 do
        local start = ffi.clock()
        arch.run_program(program, d, { batch = 1, pixels = pixels })
        best = math.min(best, ffi.clock() - start)
    end
    local weights = store:size()
    program:free()
    return true, ("with its defaults %s weights, %s MACs an image, %.1f ms an image (1 thread)"):format(cost_of.si(weights),
        cost_of.si(summary.total.macs), 1000 * best)
end

function arch.run(c)
    report.try("geometry", function() return geometry(c) end)
    if not report.try("logits", function() return forward(c) end) then return end
    report.try("repeatable", function() return again(c) end)
    report.try("own picture", function() return own_picture(c) end)
    report.try("masked", function() return masked(c) end)
    report.try("signals", function() return signals(c) end)
    report.try("gradient", function() return gradient(c) end)
    report.try("time", function() return cost(c) end)
end

return arch
