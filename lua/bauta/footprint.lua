-- footprint: the memory of a run at its peak, before it runs: what the device's buffers hold when every program of the run is there
-- (they are counted as they are made, and touched only when they run), the batches that loaders fill ahead, decoded pictures that are
-- kept, and the program itself with its libraries.
local calibration = require "bauta.calibration"
local graph = require "bauta.bind.graph"
local ffi = require "bauta.ffi"
local batches = require "bauta.pictures"
local program = require "bauta.probe.program"
local steps = require "bauta.steps"

local footprint = {}

-- Decoded pictures that a data set keeps, and batches that a loader holds: those ahead, the one lent.
local pictures_kept, ahead, probe_ahead = 512 * 2 ^ 20, 4, 2

-- What is taken when it is first used: HDF5 builds a file in memory, kernels pack matrices on the stacks of the threads.
local libraries = 4.5 * 2 ^ 20

local function probed(s) return #s.teachers > 0 and s.probe > 0 end

-- The programs of a run besides its training step, as trainer, evaluation and probe make them and keep them until its end.
local function others(e, device, stores, batch, list)
    local s, whole = e.settings, e:whole_epochs()
    local last = whole - 1
    if probed(s) then
        local shadows = {}
        for i, mask in ipairs(s.shadow) do
            if mask.settings.model then shadows[i] = graph.store(device, s.seed) end
        end
        list[#list + 1] = program.build(e, device, stores, program.views(e, 0, shadows), math.min(batch, s.probe), 0)
    end
    if whole > s.evaluate_every or #s.teachers == 0 then list[#list + 1] = steps.evaluate(e, device, stores.student, stores, batch, false, last) end
    if stores.ema then list[#list + 1] = steps.evaluate(e, device, stores.ema, stores, batch, false, last) end
    if #s.teachers > 0 then list[#list + 1] = steps.evaluate(e, device, stores.student, stores, batch, true, last) end
end

-- Bytes of batches in the rings of the loaders for training, evaluation and the probe.
local function rings(e, batch)
    local s, a = e.settings, e.settings.student
    local views, one = s.views and s.views.globals or 1, batches.bytes(a.image_rows, a.image_columns, a.channels)
    local out = (ahead + 1) * one * (s.batch * views + batch)
    if s.views and s.views.locals > 0 then out = out + (ahead + 1) * s.batch * s.views.locals * s.views.local_image ^ 2 * 3 end
    return out + (probed(s) and (probe_ahead + 1) * one * math.min(batch, s.probe) or 0)
end

-- Decoded pictures of both splits, by the size of the first; 0 where they are not to be opened.
local function pictures(e)
    local out = 0
    for _, name in ipairs { "train", "test" } do
        local split = e.settings.data:split(name)
        local one = split:read(0)
        out = out + math.min(split.count * (batches.bytes(one.rows, one.columns, one.channels) + 64), pictures_kept)
    end
    return out
end

-- What the process holds now, before anything of the run was made.
function footprint.base() return ffi.resident() + libraries end

-- Makes every further program of a run while its training step is there, and counts. larger: bytes by which another phase's step is
-- larger than this one; base: of footprint.base; opened: whether the data may be read ("counted": its pictures not). Returns { device, batches, pictures, base, total }
-- in bytes. The device's sum is exact, the rest is near.
function footprint.of(e, device, stores, larger, base, opened)
    local s, list = e.settings, {}
    local batch = opened and math.min(s.batch, s.data:split("test").count) or s.batch
    calibration.count(e, device, stores, batch)
    others(e, device, stores, batch, list)
    local out = { device = device:peak() + larger, batches = rings(e, batch), pictures = opened == true and pictures(e) or 0, base = base }
    for _, p in ipairs(list) do p:free() end
    out.total = out.device + out.batches + out.pictures + out.base
    return out
end

return footprint
