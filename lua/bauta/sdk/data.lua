-- sdk/data: what a data plugin promises: both splits, labels and boxes that make sense, a sample the same whenever and on whichever thread
-- it is read; and how fast it is.
local report = require "bauta.sdk.report"
local rig = require "bauta.sdk.rig"

local data = {}

-- Opening with extreme settings can take any time and memory; only what the schema and the plugin's settings say is tried.
function data.built(description) return description:params() end

local function open(c)
    local train, test = c.describe():split "train", nil
    test = c.describe():split "test"
    if train.classes ~= test.classes then return false, ("%d classes in train, %d in test"):format(train.classes, test.classes) end
    return true, ("%d and %d samples of %d classes%s"):format(train.count, test.count, train.classes,
        train.has_boxes and ", with boxes" or "")
end

-- Up to 64 numbers spread over a split, the first and the last among them.
local function spread(count)
    local out, n = {}, math.min(count, 64)
    for i = 0, n - 1 do out[i + 1] = n > 1 and math.floor(i * (count - 1) / (n - 1)) or 0 end
    return out
end

local function copy(s)
    local out = { label = s.label, rows = s.rows, columns = s.columns, bytes = {} }
    for i = 0, s.rows * s.columns * s.channels - 1 do out.bytes[i + 1] = s.pixels[i] end
    return out
end

local function judge(s, i)
    local b = s.box
    if b and (b[1] < -0.5 or b[2] < -0.5 or b[3] > s.columns + 0.5 or b[4] > s.rows + 0.5) then
        return ("sample %d: box %.1f,%.1f to %.1f,%.1f in a picture of %dx%d"):format(i, b[1], b[2], b[3], b[4], s.columns, s.rows)
    end
end

local function samples(c, split)
    local d, sizes, seen, classes = c.describe():split(split), {}, {}, 0
    for _, i in ipairs(spread(d.count)) do
        local s = d:read(i)
        local wrong = judge(s, i)
        if wrong then return false, wrong end
        sizes[("%dx%d"):format(s.columns, s.rows)] = true
        if not seen[s.label] then seen[s.label], classes = true, classes + 1 end
    end
    local list = {}
    for size in pairs(sizes) do list[#list + 1] = size end
    table.sort(list)
    return true, ("%d read, %d classes among them, %s of %s%s"):format(#spread(d.count), classes, d.channels == 1 and "spectrograms" or "pictures", table.concat(list, ", ", 1,
        math.min(#list, 3)), #list > 3 and ", ..." or "")
end

-- Each sample again, from the split opened anew and in another order: nothing may depend on what was read before.
local function again(c)
    local numbers = spread(c.describe():split("train").count)
    local first = {}
    for k = 1, math.min(#numbers, 8) do first[k] = copy(c.describe():split("train"):read(numbers[k])) end
    local second = c.describe():split "train"
    for k = #first, 1, -1 do
        local s = copy(second:read(numbers[k]))
        if s.label ~= first[k].label or not rig.same(s.bytes, first[k].bytes) then
            return false, ("sample %d is another one when it is read again"):format(numbers[k])
        end
    end
    return true, "the same samples in another order"
end

-- Sum of a first batch's bytes and labels by n threads.
local function first_batch(c, threads)
    local bind = require "bauta.bind.data"
    local split = c.describe():split "train"
    local l = bind.loader(split, { batch = math.min(split.count, 16), shuffle = true, threads = threads, ahead = 2,
        augment = split.channels == 1 and { policy = "none", image = 32, frequency_mask = 2, time_mask = 2 } or { policy = "crop", image = 32 } })
    l:start(0)
    local b, sum = l:next(), {}
    for i = 0, b.count * b.rows * b.columns * b.channels - 1 do sum[i + 1] = b.images[i] end
    for i = 0, b.count - 1 do sum[#sum + 1] = b.labels[i] end
    l:free()
    return sum
end

local function threads(c)
    local first = first_batch(c, 1)
    for n = 2, 4 do
        if not rig.same(first, first_batch(c, n)) then return false, ("another batch by %d threads than by 1"):format(n) end
    end
    return true, "1 to 4 threads give the same batch"
end

local function speed(c)
    local split, ffi = c.describe():split "train", require "bauta.ffi"
    local start, n = ffi.clock(), 0
    while ffi.clock() - start < 0.5 and n < split.count do
        split:read(n)
        n = n + 1
    end
    return true, ("%.0f samples a second (1 thread, no augmentation)"):format(n / math.max(ffi.clock() - start, 1e-9))
end

function data.run(c)
    if not report.try("open", function() return open(c) end) then return end
    report.try("train", function() return samples(c, "train") end)
    report.try("test", function() return samples(c, "test") end)
    report.try("repeatable", function() return again(c) end)
    report.try("threads", function() return threads(c) end)
    report.try("time", function() return speed(c) end)
end

return data
