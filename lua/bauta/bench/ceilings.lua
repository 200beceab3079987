-- bench/ceilings: what this machine reaches at best, measured through the same device that runs the step: products that fit its
-- caches, and memory read and written in long rows. Shares and rooflines are of these, not of a data sheet.
local bind = require "bauta.bind.graph"
local ffi = require "bauta.ffi"

local ceilings = {}

-- Rows x columns x depth of the products, and MiB of what is streamed, by device: several times its last cache.
local host = { products = { { 1024, 1024, 1024 }, { 4096, 768, 768 }, { 2048, 512, 512 } }, mib = 192, seconds = 0.25 }
local large = { products = { { 8192, 8192, 8192 }, { 16384, 4096, 4096 } }, mib = 1024, seconds = 0.5 }

-- Compiles describe(g) and runs it for some seconds. An input that nothing waits for is read to know when the device is done.
local function best(device, precision, seconds, describe, feeds)
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
        if round > 4 and ffi.clock() - start > seconds then break end
    end
    program:free()
    return least
end

-- The best rate of y = x W^T over the shapes, FLOPs a second.
local function products(device, precision, how)
    local dtype, most, at = precision == "bf16" and "bf16" or "f32", 0, nil
    for i, s in ipairs(how.products) do
        local store = bind.store(device, 1)
        store:add("w", { s[2], s[3] }, "uniform", 0.05)
        local took = best(device, precision, how.seconds, function(g)
            return g:op("linear", { g:input("x", dtype, { s[1], s[3] }), g:weight(store, "w") })
        end, { x = bind.noise(dtype, s[1] * s[3], i) })
        store:free()
        local rate = 2 * s[1] * s[2] * s[3] / took
        if rate > most then most, at = rate, s end
    end
    return most, at
end

local function streams(device, how)
    local n = how.mib * 2 ^ 18
    local feeds = { x = bind.noise("f32", n, 3) }
    local copy = best(device, "fp32", how.seconds, function(g) return g:op("scale", { g:input("x", "f32", { n }) }, { by = 2 }) end, feeds)
    local read = best(device, "fp32", how.seconds, function(g)
        return g:op("sum", { g:input("x", "f32", { n / 1024, 1024 }) }, { axis = -1 })
    end, feeds)
    return 4 * n / read, 8 * n / copy
end

-- { flops, read, copy, bytes, shape, precision }: FLOPs and bytes a second; bytes is the better of reading and of reading and writing.
function ceilings.measure(device, precision)
    local how = device:describe():find "^cpu" and host or large
    local out = { precision = precision }
    out.flops, out.shape = products(device, precision, how)
    out.read, out.copy = streams(device, how)
    out.bytes = math.max(out.read, out.copy)
    collectgarbage() -- what was streamed is large, and the peaks that are measured next are not its
    return out
end

function ceilings.line(c)
    return ("ceilings: products %.1f GFLOP/s (%s, %d x %d x %d), memory %.1f GB/s read, %.1f GB/s read and written"):format(c.flops / 1e9,
        c.precision, c.shape[1], c.shape[2], c.shape[3], c.read / 1e9, c.copy / 1e9)
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
