-- bench/steps: a training step as a whole, and its operations one by one, each against the machine's ceilings.
local rig = require "bauta.bench.rig"

local steps = {}

-- What stands at the head of every timing of a device: it passes the gate, then its ceilings are measured.
function steps.head(given)
    local session, gate, ceilings = require "bauta.session", require "bauta.bench.gate", require "bauta.bench.ceilings"
    local device = session.device()
    local precision = rig.precision(given, device)
    local seen = gate.pass(device, precision)
    local c = ceilings.measure(device, precision, given.rough)
    return { precision = precision, gate = seen, ceilings = c, lines = { device:describe(), gate.line(seen), ceilings.line(c) } }
end

-- ---- bench step ----

function steps.figures(given, head, one)
    local work = require("bauta.bench.work").of(one.program)
    local c, seconds = head.ceilings, one.ms / 1000
    local floor = require("bauta.bench.ceilings").of_program(c, one.program)
    return { median_ms = one.ms, best_ms = math.min(unpack(one.times)), quartiles_ms = { rig.quantile(one.times, 0.25), rig.quantile(one.times, 0.75) },
        images_per_s = given.batch / seconds, steps_ms = one.times, model_flops = work.model, executed_flops = work.executed,
        mfu = 100 * work.model / seconds / c.flops, mfu_executed = 100 * work.executed / seconds / c.flops, floor_ms = 1000 * floor,
        roofline = 100 * floor / seconds, foreign = one.foreign, loss_first = one.first_loss, loss = one.last_loss }
end

local function step_lines(given, f, one)
    local cost, m = require "bauta.cost", f.memory
    return { ("%s, %d px, batch %d, %s, %d threads"):format(rig.name(given, one), given.image, given.batch, f.precision, f.threads),
        ("%.2f img/s: median %.1f ms (quartiles %.1f, %.1f; best %.1f) of %d steps; loss of the first %d on one batch %.4f -> %.4f"):format(f.images_per_s, f.median_ms,
            f.quartiles_ms[1], f.quartiles_ms[2], f.best_ms, given.steps, rig.warm, f.loss_first, f.loss),
        ("MFU %.1f %% by what the models ask (%sFLOPs a step), %.1f %% by the products executed (%sFLOPs), of the products' ceiling"):format(f.mfu,
            cost.si(f.model_flops), f.mfu_executed, cost.si(f.executed_flops)),
        ("roofline: %.1f ms a step, %.1f %% of it reached"):format(f.floor_ms, f.roofline), rig.foreign_line(f.foreign),
        ("memory: peak %.0f MiB of the process, %.0f MiB of the device's buffers; planned %s of activations and gradients, %s of weights and state")
            :format(m.process / 2 ^ 20, m.device / 2 ^ 20, cost.iec(m.arena), cost.iec(m.variables)) }
end

-- eta: the share of the ideal saving that masking realises, (T_all - T_kept) / (T_all (1 - W_kept / W_all)), T seconds; W the FLOPs
-- executed for eta, the roofline's seconds for eta_r.
function steps.eta(all, kept)
    local saved = 1 - kept.median_ms / all.median_ms
    return { speedup = all.median_ms / kept.median_ms, ideal = all.executed_flops / kept.executed_flops, ideal_r = all.floor_ms / kept.floor_ms,
        eta = saved / (1 - kept.executed_flops / all.executed_flops), eta_r = saved / (1 - kept.floor_ms / all.floor_ms) }
end

function steps.eta_line(r)
    return ("against every patch: %.3f times as fast; ideal %.3f by FLOPs, %.3f by the roofline; eta = %.3f, eta_r = %.3f"):format(r.speedup,
        r.ideal, r.ideal_r, r.eta, r.eta_r)
end

-- The step that was asked for, alone: the memory at its peak is then its own.
local function alone(given, head, batches)
    local ffi, device = require "bauta.ffi", require("bauta.session").device()
    ffi.peak_reset()
    device:peak(true)
    local one = rig.compiled(given, rig.teacher(given))
    rig.timed({ one }, given, batches)
    local f, plan = steps.figures(given, head, one), one.program:plan()
    f.memory = { process = ffi.peak_memory(), device = device:peak(), arena = plan.arena, variables = plan.variables }
    return one, f
end

-- The same step and the one whose teacher sees every patch, in turns.
local function against_all(given, head, batches, one)
    local all = rig.compiled(given, { mask = "none", keep = "all" }, one.stores)
    one.times = {}
    rig.timed({ one, all }, given, batches, rig.warm + given.steps)
    local r = steps.eta(steps.figures(given, head, all), steps.figures(given, head, one))
    r.all_ms, r.kept_ms = all.ms, one.ms
    all.program:free()
    return r
end

function steps.step(given)
    local batches = rig.batches(given)
    if given.dump then return require("bauta.bench.dump").write(given, batches) end
    local head = steps.head(given)
    local one, f = alone(given, head, batches)
    for k, v in pairs(rig.facts(given, head.precision)) do f[k] = v end
    local lines = { unpack(head.lines) }
    for _, text in ipairs(step_lines(given, f, one)) do lines[#lines + 1] = text end
    local t = one.e.settings.teachers[1]
    if t and one.e:kept() then
        f.kept, f.patches = one.e:kept(), one.e:masked(t).patches
        if not given.alone then
            f.masking = against_all(given, head, batches, one)
            lines[#lines + 1] = steps.eta_line(f.masking)
        end
    end
    f.ceilings, f.gate, f.peak_mib = head.ceilings, head.gate, (require("bauta.session").device():has "host" and f.memory.process or f.memory.device) / 2 ^ 20
    rig.free { one }
    return rig.write(given, f, lines)
end

-- ---- bench ops ----

-- Nodes by role and operation, as { name, nodes, flops, bytes, floor, bound, times }; and the seconds that each has used so far.
local function grouped(program, c)
    local ceilings = require "bauta.bench.ceilings"
    local by, order = {}, {}
    for _, n in ipairs(program:nodes()) do
        if n[9] ~= "once" then
            local name, flops, bytes = n[1] .. " " .. n[2], tonumber(n[6]), tonumber(n[7])
            local o = by[name]
            if not o then
                o = { name = name, nodes = 0, flops = 0, bytes = 0, floor = 0, products = 0, seconds = 0, times = {} }
                by[name], order[#order + 1] = o, o
            end
            local floor, bound = ceilings.floor(c, flops, bytes)
            o.nodes, o.flops, o.bytes, o.floor, o.seconds = o.nodes + 1, o.flops + flops, o.bytes + bytes, o.floor + floor, o.seconds + tonumber(n[8])
            if bound == "products" then o.products = o.products + floor end
        end
    end
    return by, order
end

-- Runs profiled steps; the groups with the median time of a step in each.
local function profiled(one, given, batches, c)
    rig.settle(one, batches)
    one.program:profile(true)
    local before = rig.load()
    local groups, order = grouped(one.program, c)
    for i = 1, given.steps do
        rig.step(one, batches, rig.warm + i)
        for name, now in pairs((grouped(one.program, c))) do
            local o = groups[name]
            o.times[i], o.seconds = now.seconds - o.seconds, now.seconds
        end
    end
    one.foreign = rig.foreign(before)
    one.program:profile(false)
    for _, o in ipairs(order) do
        o.seconds, o.bound = rig.median(o.times), o.products * 2 > o.floor and "products" or "memory"
        o.times, o.products = nil, nil
    end
    table.sort(order, function(a, b) return a.seconds > b.seconds end)
    return order
end

local function ops_rows(order, total)
    local rows = { { "role, operation", "nodes", "ms a step", "of the step", "GFLOP/s", "GB/s", "waits for", "of its roofline" } }
    for _, o in ipairs(order) do
        local s = math.max(o.seconds, 1e-9)
        rows[#rows + 1] = { o.name, o.nodes, ("%.3f"):format(1000 * o.seconds), ("%.1f %%"):format(100 * o.seconds / total),
            ("%.1f"):format(o.flops / s / 1e9), ("%.1f"):format(o.bytes / s / 1e9), o.bound, ("%.0f %%"):format(100 * o.floor / s) }
    end
    return rows
end

-- Time by operation of a training step, each against its own roofline.
function steps.ops(given)
    local report = require "bauta.report"
    local head, batches = steps.head(given), rig.batches(given)
    local one = rig.compiled(given, rig.teacher(given))
    local order, total, floor = profiled(one, given, batches, head.ceilings), 0, 0
    for _, o in ipairs(order) do total, floor = total + o.seconds, floor + o.floor end
    local facts = rig.facts(given, head.precision)
    facts.foreign = one.foreign
    facts.operations, facts.seconds, facts.floor, facts.ceilings, facts.gate = order, total, floor, head.ceilings, head.gate
    local lines = { unpack(head.lines) }
    lines[#lines + 1] = ("%s, %d px, batch %d, %s, %d threads"):format(rig.name(given, one), given.image, given.batch, head.precision, facts.threads)
    lines[#lines + 1] = "\n" .. report.table(ops_rows(order, total))
    lines[#lines + 1] = ("\nall operations: %.1f ms a step; roofline %.1f ms, %.1f %% of it reached"):format(1000 * total, 1000 * floor,
        100 * floor / total)
    lines[#lines + 1] = rig.foreign_line(one.foreign)
    rig.free { one }
    return rig.write(given, facts, lines)
end

return steps
