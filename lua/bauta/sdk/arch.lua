-- sdk/arch: what an architecture promises: finite logits, the same again and on any number of threads, each picture's its own, all patches
-- kept the same as none masked, a gradient that is a slope; the signals it makes known; and what it costs.
local bind = require "bauta.bind.graph"
local errors = require "bauta.errors"
local report = require "bauta.sdk.report"
local rig = require "bauta.sdk.rig"

local arch = { wanted = { image = 32, patch = 4, dim = 24, depth = 2, heads = 2, classes = 5, drop_path = 0 } }

-- Settings are judged against each other by `facts`; the ends of some ranges are far too large to be built.
function arch.built(description) return description.patches end

-- o: threads, batch, kept (how many patches of each picture), training.
local function program_of(description, o, also)
    local store = rig.store(o.threads or 1, 7)
    return rig.program({ threads = o.threads, batch = o.batch, image = description.image_rows }, function(b)
        local kept = o.kept and b.g:input("kept", "i32", { o.batch, o.kept }) or nil
        local logits = b:model("student", description, { store = store, kept = kept, training = o.training })
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

local function logits_of(description, o)
    local program = program_of(description, o)
    rig.run(program, o.batch, { pixels = o.pixels or rig.pixels(o.batch, description.image_rows, o.style), step = o.step,
        kept = o.kept and every_nth(description.patches, o.kept, o.batch) or nil })
    local out = program:read "logits"
    program:free()
    return out
end

local function geometry(c)
    local d = c.describe(arch.wanted)
    return true, ("%dx%d pixels, %dx%d patches, %d extra tokens, %d blocks, width %d, %d heads, %d classes"):format(d.image_rows,
        d.image_columns, d.grid_rows, d.grid_columns, d.prefix, d.depth, d.dim, d.heads, d.classes)
end

local function forward(c)
    local d = c.describe(arch.wanted)
    for _, training in ipairs { false, true } do
        for _, style in ipairs { "noise", "black", "white" } do
            local out = logits_of(d, { batch = 3, training = training, style = style })
            local ok, _, v = rig.finite(out)
            if not ok then return false, ("logit %s for %s pictures"):format(tostring(v), style) end
            if #out ~= 3 * d.classes then return false, ("%d logits, %d expected"):format(#out, 3 * d.classes) end
        end
    end
    return true, "finite logits in training and evaluation"
end

local function again(c)
    local d = c.describe(arch.wanted)
    local first = logits_of(d, { batch = 3 })
    for n = 1, 3 do
        if not rig.same(first, logits_of(d, { batch = 3, threads = n })) then return false, ("other logits with %d threads"):format(n) end
    end
    return true, "1, 2 and 3 threads give the same bits"
end

local function own_picture(c)
    local d = c.describe(arch.wanted)
    local pixels = rig.pixels(3, d.image_rows)
    local worst, size = rig.moved(logits_of(d, { batch = 3, pixels = pixels }), logits_of(d, { batch = 3, pixels = rig.mixed(pixels, 3) }), 3)
    if worst > 1e-4 * size then return false, ("the logits of a picture depend on the others of its batch (by %.3g)"):format(worst) end
    return true, ("other pictures of the batch change a logit by at most %.1g"):format(worst)
end

local function masked(c)
    local d = c.describe(arch.wanted)
    local whole, all = logits_of(d, { batch = 2 }), logits_of(d, { batch = 2, kept = d.patches })
    local worst, size = rig.difference(whole, all)
    if worst > 1e-4 * size then return false, ("with all patches kept the logits differ by %.3g"):format(worst) end
    local half = logits_of(d, { batch = 2, kept = math.floor(d.patches / 2) })
    if not rig.finite(half) then return false, "logits of half of the patches are not finite" end
    if rig.same(whole, half) then return false, "leaving out half of the patches changes nothing" end
    return true, ("all patches kept: the same logits (within %.1g); half of them: others"):format(worst)
end

-- The share of the class token's attention that each row gives away must be 1.
local function signals(c)
    local d, known = c.describe(arch.wanted), {}
    local program = program_of(d, { batch = 2 }, function(b)
        for _, s in ipairs { { "features" }, { "tokens", -1 }, { "class_attention", 0 }, { "class_attention", -1 } } do
            local ok, t = pcall(b.signal, b, "student", s[1], s[2])
            if ok then
                known[#known + 1] = s[1] .. (s[2] and (" of block %d"):format(s[2]) or "")
                if s[1] == "class_attention" then b:fetch("rows" .. s[2], t:sum { axis = 3 }) end
            elseif not errors.is(t) then error(t, 0) end
        end
    end)
    rig.run(program, 2, { pixels = rig.pixels(2, d.image_rows) })
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
    local d, names, cells = c.describe(arch.wanted), {}, 0
    local program, store = program_of(d, { batch = 3 }, function(b, logits, weights)
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
    local pixels, before, sum = rig.pixels(3, d.image_rows), {}, 0
    local function loss()
        rig.run(program, 3, { pixels = pixels })
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
    local d, batch = c.describe {}, 2
    local store = bind.store(rig.device(1), 7)
    local program = rig.program({ threads = 1, batch = batch, image = d.image_rows }, function(b)
        b:fetch("logits", b:model("student", d, { store = store }))
    end)
    local ffi, summary = require "bauta.ffi", require("bauta.cost").summary(program:plan(), batch)
    local si, pixels, best = require("bauta.cost").si, rig.pixels(batch, d.image_rows), math.huge
    for _ = 1, 3 do
        local start = ffi.clock()
        rig.run(program, batch, { pixels = pixels })
        best = math.min(best, ffi.clock() - start)
    end
    local weights = store:size()
    program:free()
    return true, ("with its defaults %s weights, %s MACs an image, %.1f ms an image (1 thread)"):format(si(weights), si(summary.total.macs),
        1000 * best / batch)
end

function arch.run(c)
    report.try("geometry", function() return geometry(c) end)
    report.try("logits", function() return forward(c) end)
    report.try("repeatable", function() return again(c) end)
    report.try("own picture", function() return own_picture(c) end)
    report.try("masked", function() return masked(c) end)
    report.try("signals", function() return signals(c) end)
    report.try("gradient", function() return gradient(c) end)
    report.try("time", function() return cost(c) end)
end

return arch
