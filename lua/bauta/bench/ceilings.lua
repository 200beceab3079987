-- bench/ceilings: what this machine reaches at best, measured through the same device that runs the step: products that fit its
-- caches, and memory read and written in long rows. Shares and rooflines are of these, not of a data sheet.
local bind = require "bauta.bind.graph"
local ffi = require "bauta.ffi"

local ceilings = {}

-- Sides of the products and MiB of the streams, growing until one takes long enough to be timed (`long` seconds), whatever the device; `patience`:
-- seconds for the runs of one size. A rough measure is one of a second, in a sixteenth of the memory.
local whole = { sides = { 128, 256, 512, 1024, 2048, 4096, 8192 }, sizes = { 4, 16, 64, 256, 1024 }, long = 0.02, patience = 0.3 }
local rough = { sides = { 128, 256 }, sizes = { 4, 64 }, long = 0.02, patience = 0.02 }

-- Compiles describe(g) and runs it for some seconds. An input that nothing waits for is read to know when the device is done.
local function best(device, how, precision, describe, feeds)
    local g = bind.graph(device, 0)
    g:precision(precision)
    g:role "ceiling"
    g:fetch("result", describe(g))
    g:fetch("tick", g:op("scale", { g:input("now", "f32", {}) }, { by = 2 }))
    local program = g:compile()
    g:free()
    for name, value in pairs(feeds) do program:feed(name, value) end
    program:feed("now", 1)
    local least, start = math.huge, ffi.clock()
    for round = 1, 1000 do
        local before = ffi.clock()
        program:run()
        program:read "tick"
        local took = ffi.clock() - before
        if round > 2 then least = math.min(least, took) end
        if round > 4 and ffi.clock() - start > how.patience then break end
    end
    program:free()
    return least
end

-- The best rate of y = x W^T over the sides, FLOPs a second, and its side.
local function products(device, how, precision)
    local dtype, most, at = precision == "bf16" and "bf16" or "f32", 0, nil
    for _, n in ipairs(how.sides) do
        local store = bind.store(device, 1)
        store:add("w", { n, n }, "uniform", 0.05)
        local took = best(device, how, precision, function(g)
            return g:op("linear", { g:input("x", dtype, { n, n }), g:weight(store, "w") })
        end, { x = bind.noise(dtype, n * n, n) })
        store:free()
        if 2 * n ^ 3 / took > most then most, at = 2 * n ^ 3 / took, n end
        if took > how.long then break end
    end
    return most, at
end

-- Bytes a second of reading, and of reading and writing; the last size counts, since the small ones may stay in a cache.
local function streams(device, how)
    local read, copy
    for _, mib in ipairs(how.sizes) do
        local n = mib * 2 ^ 18
        if read and (ffi.memory_free() or math.huge) < 4 * mib * 2 ^ 20 then break end
        local feeds = { x = bind.noise("f32", n, 3) }
        read = best(device, how, "fp32", function(g) return g:op("sum", { g:input("x", "f32", { n / 1024, 1024 }) }, { axis = -1 }) end, feeds)
        local took = best(device, how, "fp32", function(g) return g:op("scale", { g:input("x", "f32", { n }) }, { by = 2 }) end, feeds)
        read, copy = 4 * n / read, 8 * n / took
        if took > how.long then break end
    end
    return read, copy
end

-- { flops, read, copy, bytes, side, precision, rough }: FLOPs and bytes a second; bytes is the better of reading and of reading and writing.
function ceilings.measure(device, precision, roughly)
    local out, how = { precision = precision, rough = roughly or nil }, roughly and rough or whole
    out.flops, out.side = products(device, how, precision)
    out.read, out.copy = streams(device, how)
    out.bytes = math.max(out.read, out.copy)
    collectgarbage() -- what was streamed is large, and the peaks that are measured next are not its
    return out
end

function ceilings.line(c)
    return ("ceilings: products %.1f GFLOP/s (%s, %d x %d x %d), memory %.1f GB/s read, %.1f GB/s read and written%s"):format(c.flops / 1e9,
        c.precision, c.side, c.side, c.side, c.read / 1e9, c.copy / 1e9, c.rough and "; all of them roughly" or "")
end

-- ---- rooflines ----

-- The least seconds that so many FLOPs and bytes can take, and what they wait for.
function ceilings.floor(c, flops, bytes)
    local by_flops, by_bytes = flops / c.flops, bytes / c.bytes
    return math.max(by_flops, by_bytes), by_flops >= by_bytes and "products" or "memory"
end

-- The floor of a program: node by node, since one cannot hide behind another. Those that run once only do not count.
function ceilings.of_program(c, program)
    local sum = 0
    for _, n in ipairs(program:nodes()) do
        if n[9] ~= "once" then sum = sum + ceilings.floor(c, tonumber(n[6]), tonumber(n[7])) end
    end
    return sum
end

return ceilings
