-- verb bench: timings: a training step, single operations, the loader, the teacher at several keeps.
local errors = require "bauta.errors"
local options = require "bauta.options"

local verb = {
    name = "bench", usage = "step|ops|loader|teacher [options]", least = 1, most = 1,
    doc = "measure a training step, its operations, the loader, or the teacher by kept patches",
    options = options.join({
        { name = "arch", value = "NAME", default = "deit", doc = "architecture of the student" },
        { name = "size", value = "NAME", default = "tiny", doc = "its size" },
        { name = "teacher-size", value = "NAME", default = "small", doc = "size of the teacher (bench teacher)" },
        { name = "image", value = "PIXELS", kind = "int", min = 8, max = 4096, default = 224, doc = "side of the pictures" },
        { name = "patch", value = "PIXELS", kind = "int", min = 1, max = 1024, default = 16, doc = "side of a patch" },
        { name = "classes", value = "N", kind = "int", min = 2, max = 1000000, default = 1000, doc = "outputs of the head" },
        { name = "batch", value = "N", kind = "int", min = 1, max = 65536, default = 32, doc = "images of a step" },
        { name = "precision", value = "NAME", default = "fp32", doc = "fp32 or bf16" },
        { name = "steps", value = "N", kind = "int", min = 1, max = 1e6, default = 10, doc = "timed steps, after two others" },
        { name = "seconds", value = "S", kind = "number", min = 0.1, max = 3600, default = 5, doc = "of bench loader" },
        { name = "data", value = "PATH", doc = "pictures for bench loader; otherwise drawn scenes" },
        { name = "json", doc = "one line of JSON" },
    }, options.device),
}

local function median(list)
    local sorted = { unpack(list) }
    table.sort(sorted)
    local n = #sorted
    return n % 2 == 1 and sorted[(n + 1) / 2] or (sorted[n / 2] + sorted[n / 2 + 1]) / 2
end

local function precision_of(device, given)
    if given.precision ~= "fp32" and given.precision ~= "bf16" then
        errors.raise("arg", "--precision " .. errors.show(given.precision) .. "; fp32 or bf16 expected", "command line")
    end
    if given.precision == "bf16" and not device:has("bf16") then
        io.stderr:write("bauta: this device has no fast bf16; fp32 is used\n")
        return "fp32"
    end
    return given.precision
end

local function experiment_of(given, size, teacher)
    local plugin, experiment = require "bauta.plugin", require "bauta.experiment"
    local function arch(which)
        return plugin.describe("arch", given.arch, { size = which, image = given.image, patch = given.patch,
            classes = given.classes, drop_path = 0 })
    end
    local e = { name = "bench", data = plugin.describe("data", "scenes", {}), student = arch(size), batch = given.batch,
        epochs = 1 }
    if teacher then
        e.teacher, e.mask = arch(given.teacher_size), plugin.describe("mask", teacher.mask, { keep = teacher.keep })
        e.losses = { plugin.describe("loss", "cross-entropy"), plugin.describe("loss", "logit") }
        return experiment.distill(e)
    end
    return experiment.train(e)
end

-- Noise as pictures: the values do not matter, but they are no constant.
local function feed(program, given)
    local images, labels, x = {}, {}, 1
    for i = 1, given.batch * given.image * given.image * 3 do
        x = (x * 16807) % 2147483647
        images[i] = x % 256
    end
    for i = 1, given.batch do labels[i] = (i * 7) % given.classes end
    program:feed("images", images)
    program:feed("labels", labels)
    program:feed("epoch", 0)
    program:feed("lr", 1e-4)
end

local function timed(program, given)
    local ffi, times = require "bauta.ffi", {}
    feed(program, given)
    for i = 1, given.steps + 2 do
        program:feed("step", i)
        local t = ffi.clock()
        program:run()
        if i > 2 then times[i - 2] = 1000 * (ffi.clock() - t) end
    end
    return times
end

local function compiled(given, teacher, profile)
    local session, steps = require "bauta.session", require "bauta.steps"
    local device = session.device()
    local e = experiment_of(given, given.size, teacher)
    e.precision = precision_of(device, given)
    local stores = steps.stores(e, device)
    local program = steps.train(e, device, stores)
    if profile then program:profile(true) end
    return program, e, stores
end

local function step(given)
    local json, ffi, session, cost = require "bauta.json", require "bauta.ffi", require "bauta.session", require "bauta.cost"
    local program, e = compiled(given)
    local times = timed(program, given)
    local m = median(times)
    local best = math.min(unpack(times))
    local loss = program:read("loss")
    if loss ~= loss then errors.raise("numeric", "the loss is nan", "bench step") end
    local summary = cost.summary(program:plan(), given.batch)
    local threads = given.threads > 0 and given.threads or ffi.processors()
    if given.json then
        io.stdout:write(json.encode { who = "bauta", precision = e.precision, threads = threads, batch = given.batch,
            image = given.image,
            arch = given.arch, size = given.size, median_ms = m, best_ms = best, images_per_s = 1000 * given.batch / m,
            peak_mib = ffi.peak_memory() / 2 ^ 20, steps_ms = times, loss = loss }, "\n")
        return 0
    end
    io.stdout:write(session.device():describe(), "\n")
    io.stdout:write(("%s %s, %d px, batch %d, %s, %d threads: median %.1f ms, best %.1f ms, %.2f img/s, %s of %s MACs, peak " ..
        "memory %.0f MiB\n"):format(
        given.arch, given.size, given.image, given.batch, e.precision, threads, m, best, 1000 * given.batch / m,
        cost.si(summary.total.macs * 1000 * given.batch / m) .. "MAC/s", cost.si(summary.total.macs), ffi.peak_memory() / 2 ^ 20))
    return 0
end

-- Time by operation of a training step.
local function ops(given)
    local report, json = require "bauta.report", require "bauta.json"
    local program = compiled(given, nil, true)
    timed(program, given)
    local by, order, total = {}, {}, 0
    for _, n in ipairs(program:nodes()) do
        local name = n[1] .. " " .. n[2]
        if not by[name] then
            by[name] = { name = name, nodes = 0, seconds = 0, flops = 0, bytes = 0 }
            order[#order + 1] = by[name]
        end
        local o = by[name]
        o.nodes, o.seconds, o.flops, o.bytes = o.nodes + 1, o.seconds + tonumber(n[8]), o.flops + tonumber(n[6]),
            o.bytes + tonumber(n[7])
        total = total + tonumber(n[8])
    end
    table.sort(order, function(a, b) return a.seconds > b.seconds end)
    if given.json then
        io.stdout:write(json.encode { runs = given.steps + 2, operations = order }, "\n")
        return 0
    end
    local rows, runs = { { "role, operation", "nodes", "ms a step", "share %", "GFLOP/s", "GB/s" } }, given.steps + 2
    for _, o in ipairs(order) do
        if o.seconds > 0 then
            local s = o.seconds / runs
            rows[#rows + 1] = { o.name, o.nodes, ("%.2f"):format(1000 * s), ("%.1f"):format(100 * o.seconds / total),
                ("%.1f"):format(o.flops / s / 1e9),
                ("%.1f"):format(o.bytes / s / 1e9) }
        end
    end
    io.stdout:write(report.table(rows), ("\nall operations: %.1f ms a step\n"):format(1000 * total / runs))
    return 0
end

local function loader(given)
    local plugin, bind, json, ffi = require "bauta.plugin", require "bauta.bind.data", require "bauta.json", require "bauta.ffi"
    local data = given.data and plugin.describe("data", "images", { path = given.data })
        or plugin.describe("data", "scenes", { size = 64 })
    local l = bind.loader(data:split("train"), { batch = given.batch, shuffle = true, drop_last = true, threads = given.threads,
        ahead = 4,
        augment = { policy = "crop", image = given.image } })
    local speed = l:speed(given.seconds)
    local threads = given.threads > 0 and given.threads or math.min(16, ffi.processors())
    if given.json then io.stdout:write(json.encode { who = "bauta", images_per_s = speed, threads = threads,
        image = given.image }, "\n")
    else io.stdout:write(("%s: %.0f img/s with %d threads (random resized crop to %d px)\n"):format(given.data or "scenes",
        speed, threads, given.image)) end
    return 0
end

local function teacher(given)
    local report, cost, json = require "bauta.report", require "bauta.cost", require "bauta.json"
    local rows, out = { { "keep", "teacher MACs", "papers' count", "ms a step", "img/s" } }, {}
    local n = math.floor(given.image / given.patch) ^ 2
    for _, keep in ipairs { "all", "75%", "50%", "25%" } do
        local program, e, stores = compiled(given, { mask = keep == "all" and "none" or "student", keep = keep })
        local m = median(timed(program, given))
        local t = cost.summary(program:plan(), given.batch).by_role.teacher
        rows[#rows + 1] = { ("%d of %d"):format(e:kept() or n, n), cost.si(t.macs), cost.si(t.papers), ("%.1f"):format(m),
            ("%.2f"):format(1000 * given.batch / m) }
        out[#out + 1] = { kept = e:kept() or n, macs = t.macs, papers = t.papers, median_ms = m }
        program:free()
        for _, store in pairs(stores) do store:free() end
    end
    io.stdout:write(given.json and json.encode(out) or report.table(rows), "\n")
    return 0
end

function verb.run(given)
    local what = { step = step, ops = ops, loader = loader, teacher = teacher }
    if not what[given[1]] then errors.raise("arg", errors.unknown("benchmark " .. errors.show(given[1]), given[1],
        { "step", "ops", "loader", "teacher" }), "command line") end
    return what[given[1]](given)
end

return verb
