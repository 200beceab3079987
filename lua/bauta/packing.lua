-- packing: a data set into one file, both of its splits, for loaders that need not open a file for each picture.
local bind = require "bauta.bind.data"
local errors = require "bauta.errors"
local ffi = require "bauta.ffi"
local run = require "bauta.bind.run"

local packing = {}

local piece = 512 -- pictures between two looks at signals

-- "72": the shorter side; "64x48": width and height. Rows and columns, 0 where they follow from the picture.
local function size_of(text)
    if not text then return 0, 0 end
    local width, height = text:match "^(%d+)x(%d+)$"
    local side = tonumber(text:match "^%d+$")
    if not side and not width or math.min(side or tonumber(width), tonumber(height) or 1) < 1 or math.max(side or tonumber(width), tonumber(height) or 1) > 4096 then
        errors.raise("arg", ("--size %s: 72 (the shorter side) or 64x48 (width x height), sides of 1 to 4096 expected"):format(text), "command line")
    end
    if side then return side, 0 end
    return tonumber(height), tonumber(width)
end

-- What --quality says.
local function coding_of(text)
    local quality = tonumber(text:match "^%d+$")
    if text == "raw" or text == "same" then return text end
    if not quality or quality < 1 or quality > 100 then
        errors.raise("arg", ("--quality %s: raw (pixels), same (the source's own files) or a JPEG quality of 1 to 100 expected"):format(text), "command line")
    end
    return "jpeg", quality
end

local function splits_of(text)
    if text == "both" then return { "train", "test" } end
    if text == "train" or text == "test" then return { text } end
    errors.raise("arg", ("--splits %s: both, train or test expected"):format(text), "command line")
end

local function tell(name, done, count, begun)
    local seconds = math.max(ffi.clock() - begun, 1e-6)
    io.stderr:write(("%s: %d of %d pictures, %.0f a second\n"):format(name, done, count, done / seconds))
end

-- All pictures of a split. The number of the signal that stopped it, or nil.
local function add(packer, set, name, quiet)
    local begun, told = ffi.clock(), ffi.clock()
    set:keep(0)
    packer:split(set, name)
    for first = 0, set.count - 1, piece do
        packer:add(first, math.min(piece, set.count - first))
        if run.signal() ~= 0 then return run.signal() end
        if not quiet and ffi.clock() - told > 5 then
            tell(name, first + piece, set.count, begun)
            told = ffi.clock()
        end
    end
end

-- description: of the data; path: of the file; given: size, quality, splits, interpolation, threads as the command line has them.
function packing.pack(description, path, given)
    local rows, columns = size_of(given.size)
    local coding, quality = coding_of(given.quality)
    local sets, counts = {}, {}
    for i, name in ipairs(splits_of(given.splits)) do sets[i] = { name = name, set = description:split(name) } end
    run.install_signals()
    local packer = bind.packer(path, { coding = coding, quality = quality, rows = rows, columns = columns, bilinear = given.bilinear, threads = given.threads })
    for i, one in ipairs(sets) do
        local signal = add(packer, one.set, one.name, given.quiet)
        if signal then
            packer:free()
            io.stderr:write(("%s: stopped by signal %d; nothing was written\n"):format(path, signal))
            return signal == 2 and 130 or 85
        end
        counts[i] = ("%d %s"):format(one.set.count, one.name)
    end
    local bytes = packer:finish()
    io.stdout:write(("%s: %s pictures, %.1f MiB\n"):format(path, table.concat(counts, " and "), bytes / 2 ^ 20))
    return 0
end

return packing
