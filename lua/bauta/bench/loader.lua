-- bench/loader: how fast pictures come: one thread that decodes them whole, then the loader, which crops and resizes them, once decoding
-- anew (of a JPEG only the part it shows), once from a packed file, once with decoded pictures kept in memory. What a picture costs is the
-- processor's time, so that a busy machine does not spoil it; what all threads bring is by the clock.
-- Without data of one's own, from photographs that it makes first: drawn scenes of 500 x 375 as JPEG, as large as photographs of that size are.
local loader = {}

local samples = 512 -- of a data set are packed, to be measured from a packed file

-- A file of this bench's own, gone at the end.
local function packed(set, how)
    local path = os.tmpname()
    local packer = require("bauta.bind.data").packer(path, how)
    packer:split(set, "train")
    packer:add(0, math.min(set.count, samples))
    return path, packer:finish() / math.min(set.count, samples)
end

-- The data that is measured: its name, its train split, and the file to remove, if it was made here.
local function source(given)
    local plugin = require "bauta.plugin"
    if given.data or given.source ~= "photographs" then
        local d = given.data and require("bauta.seeing.data").described(given.data, "--data") or plugin.describe("data", given.source, {})
        if d.channels ~= 3 then
            require("bauta.errors").raise("arg", ("data %s gives spectrograms; bench loader measures pictures"):format(d.name), "command line")
        end
        return given.data or given.source, d:split "train"
    end
    local drawn = plugin.describe("data", "scenes", { size = 256, clutter = 1, train = 64, test = 1 }):split "train"
    local path, bytes = packed(drawn, { coding = "jpeg", quality = 98, rows = 375, columns = 500, threads = given.threads })
    return ("JPEG of 500x375, %.0f kB each"):format(bytes / 1000), plugin.describe("data", "images", { path = path }):split "train", path
end

-- Milliseconds of a core that a picture takes when f is called again and again, which answers how many it has made.
local function cost(seconds, f)
    local ffi = require "bauta.ffi"
    local start, cpu, n = ffi.clock(), ffi.processor_clock(), 0
    repeat n = n + f() until ffi.clock() - start > seconds
    return 1000 * (ffi.processor_clock() - cpu) / n
end

local function whole(split, seconds)
    local i = 0
    split:keep(0)
    return cost(seconds, function()
        split:read(i % split.count)
        i = i + 1
        return 1
    end)
end

local function loader_of(split, given, threads)
    return require("bauta.bind.data").loader(split, { batch = math.min(given.batch, split.count), shuffle = true, drop_last = true, threads = threads, ahead = 4,
        subset = samples, augment = { policy = "crop", image = given.image } })
end

-- An epoch to its end: nothing is prepared that is not counted.
local function epoch(l, number)
    local n = 0
    l:start(number)
    for b in function() return l:next() end do n = n + b.count end
    return n
end

-- What a picture costs (ms of a core), and how many a second come by all threads.
local function measured(split, given, threads, keep)
    split:keep(keep)
    local l, number = loader_of(split, given, 1), 0
    local function next_epoch()
        number = number + 1
        return epoch(l, number)
    end
    next_epoch() -- what fits is in memory now
    local ms = cost(given.seconds, next_epoch)
    l:free()
    l = loader_of(split, given, threads)
    local speed = l:speed(given.seconds)
    l:free()
    return ms, speed
end

-- { name, ms, images_per_s } for each way that pictures come.
local function ways(split, given, threads)
    local plugin, out, made = require "bauta.plugin", {}, {}
    local function add(name, set, keep)
        local ms, speed = measured(set, given, threads, keep)
        out[#out + 1] = { name = name, ms = ms, images_per_s = speed, core_percent = given.rate * ms / 10 }
    end
    local function add_packed(name, rows, quality)
        local path = packed(split, { coding = quality and "jpeg" or "raw", quality = quality, rows = rows, threads = given.threads })
        made[#made + 1] = path
        local set = plugin.describe("data", "images", { path = path }):split "train"
        add(name, set, 0)
        set:free()
    end
    local first, side = split:read(0), math.floor(given.image * 8 / 7)
    add("decoded each time", split, 0)
    add_packed "packed, raw"
    if math.min(first.rows, first.columns) > side then
        add_packed(("packed, raw, shorter side %d"):format(side), side)
        add_packed(("packed, JPEG 90, shorter side %d"):format(side), side, 90)
    end
    add("kept in memory", split, 2 ^ 29)
    for _, path in ipairs(made) do os.remove(path) end
    return out
end

local function tell(name, given, threads, decoded, list)
    local heads = { "ms of a core", "img/s a core", ("of a core at %d img/s"):format(given.rate), ("img/s now, %d threads"):format(threads) }
    io.stdout:write(("%s: decoded whole %.3f ms of a core, %.0f img/s\n"):format(name, decoded, 1000 / decoded),
        ("%-38s %14s %14s %24s %22s\n"):format(("cropped, resized to %d px, flipped"):format(given.image), unpack(heads)))
    for _, w in ipairs(list) do
        io.stdout:write(("  %-36s %14.3f %14.0f %22.1f %% %22.0f\n"):format(w.name, w.ms, 1000 / w.ms, w.core_percent, w.images_per_s))
    end
end

function loader.run(given)
    local json, ffi = require "bauta.json", require "bauta.ffi"
    local name, split, made = source(given)
    local threads = given.threads > 0 and given.threads or math.min(16, ffi.processors())
    local decoded = whole(split, given.seconds)
    local list = ways(split, given, threads)
    if made then os.remove(made) end
    if given.json then
        io.stdout:write(json.encode { who = "bauta", data = name, decoded_ms = decoded, ways = list, threads = threads, image = given.image,
            rate = given.rate }, "\n")
    else tell(name, given, threads, decoded, list) end
    return 0
end

return loader
