-- sdk/rig: small steps in which a plugin is tried: devices by number of threads, pictures, models, a program that is fed and run.
local bind = require "bauta.bind.graph"
local builder = require "bauta.builder"
local plugin = require "bauta.plugin"
local session = require "bauta.session"

local rig = { most_weights = 500000 } -- of a gradient check: they are moved one by one, in Lua's memory

-- Grids the kinds are tried on: side of the picture in patches of 4 pixels, heads, pictures of a batch.
rig.geometries = { { side = 4, heads = 2, batch = 3 }, { side = 5, heads = 1, batch = 1 }, { side = 8, heads = 3, batch = 5 } }

local devices = {}

function rig.device(threads)
    if not devices[threads] then devices[threads] = bind.device("cpu", threads, session.options.tier or "auto") end
    return devices[threads]
end

function rig.store(threads, seed) return bind.store(rig.device(threads), seed) end

function rig.vit(g, dim)
    return plugin.describe("arch", "deit", { dim = dim * g.heads, depth = 6, heads = g.heads, image = 4 * g.side, patch = 4, classes = 5,
        drop_path = 0 })
end

-- Pixels of n pictures of side x side x 3, or of `size` numbers each. style: "noise" (each picture its own), "black", "white".
function rig.pixels(n, side, style, size)
    local out, x = {}, 12345
    for i = 1, n * (size or side * side * 3) do
        x = (x * 16807) % 2147483647
        out[i] = style == "black" and 0 or style == "white" and 255 or x % 256
    end
    return out
end

-- Another batch that begins with the last and the first picture of this one and goes on with others; n: pictures, 3 or more.
function rig.mixed(pixels, n)
    local size, out = #pixels / n, {}
    for i = 1, #pixels do
        local from = i <= size and (n - 1) * size + i or i - size
        out[i] = i <= 2 * size and pixels[from] or 255 - pixels[i]
    end
    return out
end

-- How far the results of the two pictures that both batches have differ, and the largest of them; results: lists of n rows.
function rig.moved(straight, mixed, n)
    local size, a, b = #straight / n, {}, {}
    for k = 1, size do
        a[k], b[k] = straight[(n - 1) * size + k], mixed[k]
        a[size + k], b[size + k] = straight[k], mixed[size + k]
    end
    return rig.difference(a, b)
end

-- Compiles what describe(b) builds over a batch of pictures. o: threads, batch, image, labels (by default one a picture).
function rig.program(o, describe)
    local b = builder.new { device = rig.device(o.threads or 1), seed = 3, precision = "fp32", batch = o.batch }
    b.batch_size = o.batch
    for name, dtype in pairs { step = "i32", epoch = "i32", progress = "f32" } do b:feed(name, dtype) end
    b:feed("images", "u8", { o.batch, o.image, o.image, 3 })
    for _, name in ipairs { "labels", "samples" } do b:feed(name, "i32", { o.labels or o.batch }) end
    describe(b)
    return b:finish()
end

-- Feeds and runs. o: pixels (of the batch), pictures (of a model's own input), kept, step. Inputs that the step does not have are left out.
function rig.run(program, batch, o)
    local labels, samples = {}, {}
    for i = 1, batch do labels[i], samples[i] = (i * 3) % 5, i - 1 end
    for name, value in pairs { images = o.pixels, pictures = o.pictures, labels = labels, samples = samples, kept = o.kept, step = o.step or 1, epoch = 0,
        progress = 0.25, momentum = 0.99 } do
        pcall(program.feed, program, name, value)
    end
    program:run()
end

-- ---- comparing ----

function rig.finite(list)
    for i = 1, #list do
        local v = list[i]
        if v ~= v or v == math.huge or v == -math.huge then return false, i, v end
    end
    return true
end

-- Largest difference, and the largest number of the first list.
function rig.difference(a, b)
    local most, size = 0, 0
    for i = 1, #a do most, size = math.max(most, math.abs(a[i] - b[i])), math.max(size, math.abs(a[i])) end
    return #a == #b and most or math.huge, size
end

function rig.same(a, b)
    if #a ~= #b then return false end
    for i = 1, #a do
        if a[i] ~= b[i] and not (a[i] ~= a[i] and b[i] ~= b[i]) then return false end
    end
    return true
end

-- The slope of f(width) at 0 by central differences of several widths and their extrapolations: of these the nearest to `want`, since the
-- right width depends on how curved the function is and how many digits it has.
function rig.slope(f, want)
    local best, wide, before
    local function try(s) if not best or math.abs(s - want) < math.abs(best - want) then best = s end end
    for _, width in ipairs { 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003 } do
        local s = (f(width) - f(-width)) / (2 * width)
        try(s)
        if wide then try(s + (s - before) / ((wide / width) ^ 2 - 1)) end
        wide, before = width, s
    end
    return best
end

-- Whether nodes of a role draw random numbers.
function rig.random(program, role)
    for _, node in ipairs(program:nodes()) do
        if node[1] == role and node[2] == "uniform" then return true end
    end
    return false
end

-- Every setting at its ends, one at a time: { name, value }, also each choice. A count of many millions would only take long.
function rig.extremes(rows)
    local out, most = {}, 65536
    local function add(name, value)
        if type(value) == "number" then value = math.max(-most, math.min(most, value)) end
        if value ~= nil then out[#out + 1] = { name = name, value = value } end
    end
    for _, row in ipairs(rows) do
        if row.type == "int" or row.type == "float" then
            add(row.name, row.min)
            add(row.name, row.max)
        elseif row.type == "bool" then
            add(row.name, true)
            add(row.name, false)
        elseif row.type == "choice" then
            for _, choice in ipairs(row.choices) do add(row.name, choice) end
        end
    end
    return out
end

return rig
