-- estimate: what a run of a grid costs, from its compiled step, and how long this machine will take: multiply-adds a second as
-- measured on a few steps of the grid's own runs, or as reached by those that are complete already.
local archive = require "bauta.archive"
local bind = require "bauta.bind.run"
local cost = require "bauta.cost"
local ffi = require "bauta.ffi"
local inputs = require "bauta.step.inputs"
local json = require "bauta.json"
local pictures = require "bauta.pictures"
local steps = require "bauta.steps"

local estimate = {}

local function free(stores)
    for _, store in pairs(stores) do store:free() end
end

local largest = 32 -- pictures of a step that is compiled for its cost: more say nothing new and need their memory

-- The cost of the steps of a run with so many pictures each.
local function compiled(e, device, batch, stores)
    local whole, micro, costs = e.settings.batch, e.settings.micro, {}
    local phases = e:phases()
    e.settings.batch, e.settings.micro = batch, 1
    local ok, why = pcall(function()
        for i, phase in ipairs(phases) do
            local program = steps.train(e, device, stores, nil, phase.first)
            costs[i] = { summary = cost.summary(program:plan(), batch), epochs = phase.epochs }
            program:free()
        end
    end)
    e.settings.batch, e.settings.micro = whole, micro
    if not ok then error(why, 0) end
    return cost.mean(costs)
end

-- { macs, teacher_papers, student } an image and memory, of the whole batch; a large one is continued from two smaller ones.
local function step_cost(e, device)
    local batch, stores = e.settings.batch / e.settings.micro, steps.stores(e, device) -- of one part: that is what memory goes by
    local n = math.min(batch, largest)
    local s = compiled(e, device, n, stores)
    local update, memory = s.by_role.optimiser and s.by_role.optimiser.macs or 0, s.arena + s.variables
    if n < batch then
        local half = compiled(e, device, n / 2, stores)
        memory = memory + (s.arena - half.arena) / (n / 2) * (batch - n)
    end
    free(stores)
    return { macs = s.total.macs - update * (1 - n / e.settings.batch), teacher_papers = s.teachers.papers, memory = memory,
        student = s.by_role.student.macs }
end

-- Pictures of an epoch and of an evaluation; the latter 0 when the data cannot be opened.
local function counts(e, grid)
    local data = e.settings.data
    local ok, train = pcall(data.split, data, "train")
    if ok then
        pictures.enough(e, train.count)
        local fine, test = pcall(data.split, data, "test")
        return train.count, fine and test.count or 0
    end
    if not grid.images then error(train, 0) end
    pictures.enough(e, grid.images)
    return grid.images, 0
end

-- What does not depend on the seed is counted once.
local function shape_key(e)
    local record = e:record()
    record.seed = nil
    return bind.digest(json.encode(record))
end

-- { macs, teacher_papers, memory } an image; images, tests; total: multiply-adds of the whole run. Of one that minutes bound: seconds, and the
-- images and multiply-adds of one epoch.
function estimate.cost(grid, task, device, known)
    local key = shape_key(task.run)
    if known[key] then return known[key] end
    local s, e = task.run.settings, task.run
    local c = step_cost(e, device)
    local images, tests = counts(e, grid)
    local per_epoch = math.floor(images / s.batch) * s.batch
    c.seconds = e:minutes() and 60 * e:minutes()
    c.images, c.evaluated = per_epoch * e:epochs(), tests * math.ceil(e:whole_epochs() / s.evaluate_every)
    c.total = c.macs * c.images + c.student * c.evaluated
    known[key] = c
    return c
end

-- ---- how fast ----

-- Noise: the values do not matter, but they are no constant.
local function noise(n, below)
    local out, x = {}, 1
    for i = 1, n do
        x = (x * 16807) % 2147483647
        out[i] = x % below
    end
    return out
end

local function feed(program, e, batch)
    local arch, v = e.settings.student, e.settings.views
    program:feed("images", noise(batch * (v and v.globals or 1) * arch.image_rows * arch.image_columns * arch.channels, 256))
    if v and v.locals > 0 then program:feed("local_images", noise(batch * v.locals * v.local_image ^ 2 * 3, 256)) end
    program:feed("labels", noise(batch, arch.classes))
    if inputs.wants_samples(e) then program:feed("samples", noise(batch, e.settings.data:split("train").count)) end
    for name, number in pairs(inputs.numbers(e, 0, 0, 0, 1, 1)) do program:feed(name, number) end
end

local function timed(program, batch)
    local begun, n = ffi.clock(), 0
    repeat
        n = n + 1
        program:feed("step", n + 1)
        program:run()
    until ffi.clock() - begun > 1.5
    return n * batch / (ffi.clock() - begun)
end

-- Multiply-adds a second of a run's training step, with fewer pictures where a whole batch would take long.
local function measured(e, device, macs)
    local whole, micro = e.settings.batch, e.settings.micro
    local batch = math.max(2, math.min(whole, math.floor(1e10 / macs / 2) * 2))
    e.settings.batch, e.settings.micro = batch, 1
    local stores = steps.stores(e, device)
    local ok, rate = pcall(function()
        local program = steps.train(e, device, stores)
        feed(program, e, batch)
        program:run()
        local images = timed(program, batch)
        program:free()
        return images * macs
    end)
    e.settings.batch, e.settings.micro = whole, micro
    free(stores)
    if not ok then error(rate, 0) end
    return rate
end

-- Images of a run's training that the device takes in a second; macs: of an image.
function estimate.images_per_s(e, device, macs) return measured(e, device, macs) / macs end

-- Of runs that are complete: multiply-adds a second of all their time.
local function reached(list, out)
    local macs, seconds = 0, 0
    for _, one in ipairs(list) do
        if one.state == "complete" and one.cost and not one.cost.seconds then
            local ok, r = pcall(archive.result, one.task.run, out)
            if ok and r.time_total > 0 then macs, seconds = macs + one.cost.total, seconds + r.time_total end
        end
    end
    return seconds > 0 and macs / seconds or nil
end

-- list: of { task, state, cost }; without a cost where a run cannot be planned. Returns multiply-adds a second of one process that has the whole machine, and where the number is from.
function estimate.rate(list, out, device)
    local rate = reached(list, out)
    if rate then return rate, "of the runs that are complete" end
    local least
    for _, one in ipairs(list) do
        if one.cost and (not least or one.cost.macs < least.cost.macs) then least = one end
    end
    if not least then return nil, "no run can be planned" end
    local ok, got = pcall(measured, least.task.run, device, least.cost.macs)
    if not ok then return nil, require("bauta.errors").text(got) end
    return got, ("measured on steps of %s"):format(least.task.label)
end

return estimate
