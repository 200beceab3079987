-- forecast: what a run will cost and hold in memory, from its compiled steps, before any of them runs. Where the memory of a whole batch is not to
-- be had here, it is continued from two smaller batches; and what would fit is said.
local cost = require "bauta.cost"
local errors = require "bauta.errors"
local ffi = require "bauta.ffi"
local footprint = require "bauta.footprint"
local steps = require "bauta.steps"

local forecast = {}

-- What every phase of a run costs, and how much larger the largest step is than the last one, which is left as out.program.
local function phases(e, device, out)
    local costs, largest = {}, 0
    for i, phase in ipairs(e:phases()) do
        if out.program then out.program:free() end
        out.program = nil
        out.program = steps.train(e, device, out.stores, nil, phase.first)
        costs[i] = { summary = cost.summary(out.program:plan(), e.settings.batch), epochs = phase.epochs }
        largest = math.max(largest, costs[i].summary.arena)
    end
    return costs, largest - costs[#costs].summary.arena
end

function forecast.free(f)
    if f.program then f.program:free() end
    for _, store in pairs(f.stores or {}) do store:free() end
end

-- Of the batch of a run, or of another: { batch, summary, memory, program, stores }. Raises where its memory is not to be had.
local function compiled(e, device, batch, base, opened)
    local out, whole = { batch = batch }, e.settings.batch
    e.settings.batch = batch
    device:peak(true)
    local held = device:peak() -- by another forecast
    local ok, why = pcall(function()
        out.stores = steps.stores(e, device)
        local costs, larger = phases(e, device, out)
        out.summary = cost.mean(costs)
        out.memory = footprint.of(e, device, out.stores, larger, base, opened)
        out.memory.device, out.memory.total = out.memory.device - held, out.memory.total - held
    end)
    e.settings.batch = whole
    if ok then return out end
    forecast.free(out)
    error(why, 0)
end

-- An even number of images, about half as many.
local function half(n) return 2 * math.floor(n / 4) end

-- The largest even part of a batch, halved time and again, that can be had, or nil.
local function largest(e, device, base, opened)
    local part = half(e.settings.batch / e.settings.micro)
    while half(part) >= 2 do
        local ok, got = pcall(compiled, e, device, e.settings.micro * part, base, opened)
        if ok then return got, part end
        if not errors.is(got) or got.code ~= "machine" then return nil end
        part = half(part)
    end
end

-- From two batches that can be had; why: the error that says that the whole one cannot. It is raised where those cannot, either.
local function continued(e, device, base, opened, why)
    local micro, whole = e.settings.micro, e.settings.batch
    local more, part = largest(e, device, base, opened)
    if not more then error(why, 0) end
    local ok, less = pcall(compiled, e, device, micro * half(part), base, opened)
    if not ok then
        forecast.free(more)
        error(why, 0)
    end
    forecast.free(less)
    local n, m = more.batch, less.batch
    local out = { batch = whole, program = more.program, stores = more.stores, refused = why, from = { n, m }, memory = {} }
    out.summary = cost.continued(more.summary, less.summary, whole)
    for name, v in pairs(more.memory) do out.memory[name] = v + (v - less.memory[name]) / (n - m) * (whole - n) end
    out.a_picture = (more.summary.arena - less.summary.arena) / (n - m) * micro
    return out
end

-- { summary, memory (of footprint), program, stores } of a run; whoever asks frees them. base: of footprint.base; opened: whether the data may be read.
-- Where it was continued from smaller batches: from (those two; the program is of the first), refused (the error of the whole one).
function forecast.of(e, device, base, opened)
    local ok, got = pcall(compiled, e, device, e.settings.batch, base, opened)
    if ok then return got end
    if not errors.is(got) or got.code ~= "machine" then error(got, 0) end
    return continued(e, device, base, opened, got)
end

-- ---- what fits ----

-- The least number of parts of a batch that fits beside the rest of the run, or nil.
local function parts_that_fit(e, f, free)
    local s = e.settings
    local a_picture = f.a_picture or f.summary.arena / (s.batch / s.micro)
    local whole = s.batch / s.micro
    if s.views then return nil end
    for micro = s.micro + 1, math.min(1024, s.batch) do
        local part = s.batch / micro
        local fits = f.memory.total - (whole - part) * a_picture <= free
        if fits and s.batch % micro == 0 and not (s.mixing and s.mixing:defect(part)) then return micro end
    end
end

-- The memory of a run if its blocks were computed again; nil where that is no way.
local function recomputed(e, device, base, opened)
    if e.settings.recompute ~= "none" then return nil end
    e.settings.recompute = "blocks"
    local ok, f = pcall(forecast.of, e, device, base, opened)
    e.settings.recompute = "none"
    if not ok then return nil end
    forecast.free(f)
    return f.memory.total
end

-- Whether a run fits into the memory that is free: nil where that is not known, true, or false and { line, free, micro, recomputed }: a sentence, bytes, the
-- parts of a batch that would fit, the bytes needed if blocks were computed again.
function forecast.fits(e, device, f, base, opened)
    local free = device:has "host" and ffi.memory_free() -- another device says so itself
    if not free then
        if not f.refused then return nil end
        return false, { line = "does not fit here: " .. f.refused.lines[1] }
    end
    if not f.refused and f.memory.total <= free then return true end
    local out = { free = free, micro = parts_that_fit(e, f, free), recomputed = recomputed(e, device, base, opened) }
    out.line = ("does not fit here: %s of %s that are free; %s"):format(cost.iec(f.memory.total), cost.iec(free),
        out.micro and ("micro = %d would"):format(out.micro) or "no number of parts (micro) would, a smaller batch is needed")
    if out.recomputed and out.recomputed < f.memory.total then
        out.line = out.line .. (', recompute = "blocks" needs %s'):format(cost.iec(out.recomputed))
    end
    return false, out
end

return forecast
