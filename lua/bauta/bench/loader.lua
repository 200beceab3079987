-- bench/loader: how fast pictures come: one thread that reads (and decodes) them as they are stored, then the loader with its threads,
-- once reading anew, once with the decoded pictures kept in memory.
local loader = {}

local function described(given)
    local plugin = require "bauta.plugin"
    if given.data then return plugin.describe("data", "images", { path = given.data }) end
    return plugin.describe("data", given.source, {})
end

-- Samples a second of one thread, without augmentation; and the megapixels of them.
local function reading(split, seconds)
    local ffi = require "bauta.ffi"
    split:keep(0)
    local start, n, pixels = ffi.clock(), 0, 0
    repeat
        local s = split:read(n % split.count)
        n, pixels = n + 1, pixels + s.rows * s.columns
    until ffi.clock() - start > seconds
    local took = ffi.clock() - start
    return n / took, pixels / took / 1e6
end

local function loading(split, given, keep)
    local bind = require "bauta.bind.data"
    split:keep(keep)
    local l = bind.loader(split, { batch = math.min(given.batch, split.count), shuffle = true, drop_last = true, threads = given.threads,
        ahead = 4, augment = { policy = "crop", image = given.image } })
    if keep > 0 then l:speed(math.min(given.seconds, 1)) end -- what fits is in memory now
    local speed = l:speed(given.seconds)
    l:free()
    return speed
end

function loader.run(given)
    local json, ffi = require "bauta.json", require "bauta.ffi"
    local name, split = given.data or given.source, described(given):split "train"
    local threads = given.threads > 0 and given.threads or math.min(16, ffi.processors())
    local read, mega = reading(split, given.seconds)
    local fresh, kept = loading(split, given, 0), loading(split, given, 2 ^ 29)
    if given.json then
        io.stdout:write(json.encode { who = "bauta", data = name, read_per_s = read, read_mpixels_per_s = mega, images_per_s = fresh,
            kept_images_per_s = kept, threads = threads, image = given.image }, "\n")
        return 0
    end
    io.stdout:write(("%s: read and decoded %.0f img/s, %.1f Mpixel/s (1 thread)\n"):format(name, read, mega),
        ("loaded, random resized crop to %d px: %.0f img/s with %d threads\n"):format(given.image, fresh, threads),
        ("the same with decoded pictures kept in memory (up to 512 MiB): %.0f img/s\n"):format(kept))
    return 0
end

return loader
