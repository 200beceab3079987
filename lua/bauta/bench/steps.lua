-- bench/steps: a training step, its operations one by one, and the teacher by kept patches.
local errors = require "bauta.errors"
local rig = require "bauta.bench.rig"

local steps = {}

function steps.step(given)
    local json, ffi, session, cost = require "bauta.json", require "bauta.ffi", require "bauta.session", require "bauta.cost"
    local program, e = rig.compiled(given)
    local times = rig.timed(program, given)
    local m = rig.median(times)
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
function steps.ops(given)
    local report, json = require "bauta.report", require "bauta.json"
    local program = rig.compiled(given, nil, true)
    rig.timed(program, given)
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

function steps.teacher(given)
    local report, cost, json = require "bauta.report", require "bauta.cost", require "bauta.json"
    local rows, out = { { "keep", "teacher MACs", "papers' count", "ms a step", "img/s" } }, {}
    local n = math.floor(given.image / given.patch) ^ 2
    for _, keep in ipairs { "all", "75%", "50%", "25%" } do
        local program, e, stores = rig.compiled(given, { mask = keep == "all" and "none" or "student", keep = keep })
        local m = rig.median(rig.timed(program, given))
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

return steps
