-- cost: what a step costs, from the plan of its compiled program, in the papers' convention and as it is really executed.
local cost = {}

-- The papers: multiply-adds, LayerNorm 5 an element, all patches embedded.
local function papers(row) return row.nominal + 5 * row.norm end

-- Sums the plan's rows by part: student (forward), student.backward, teacher, mask, loss, optimiser.
function cost.summary(plan, batch)
    local parts, order = {}, {}
    for _, row in ipairs(plan.rows) do
        local p = parts[row.role]
        if not p then
            p = { role = row.role, macs = 0, papers = 0, flops = 0, bytes = 0, peak = 0, seconds = 0, nodes = 0 }
            parts[row.role], order[#order + 1] = p, p
        end
        p.macs, p.papers, p.flops = p.macs + row.macs / batch, p.papers + papers(row) / batch, p.flops + row.flops / batch
        p.bytes, p.peak, p.seconds, p.nodes = p.bytes + row.bytes, p.peak + row.peak, p.seconds + row.seconds, p.nodes + row.nodes
    end
    local total = { macs = 0, papers = 0, flops = 0, bytes = 0, peak = 0 }
    for _, p in ipairs(order) do
        for k in pairs(total) do total[k] = total[k] + p[k] end
    end
    return { parts = order, by_role = parts, total = total, arena = plan.arena, variables = plan.variables, batch = batch }
end

local function scaled(v, units, base)
    local i = 1
    while math.abs(v) >= base and i < #units do v, i = v / base, i + 1 end
    if v == 0 then return "0" end
    local digits = i == 1 and 0 or math.abs(v) >= 100 and 1 or math.abs(v) >= 10 and 2 or 3
    return ("%." .. digits .. "f %s"):format(v, units[i]):gsub(" $", "")
end

function cost.si(v) return (scaled(v, { "", "k", "M", "G", "T", "P", "E" }, 1000)) end
function cost.iec(v) return (scaled(v, { "B", "KiB", "MiB", "GiB", "TiB" }, 1024)) end

-- Lines of `bauta plan`. images: of an epoch; epochs: of the run.
function cost.lines(summary, e, images)
    local s, out = e.settings, {}
    local function line(fmt, ...) out[#out + 1] = fmt:format(...) end
    local k = e:kept()
    line("%s: %s, %d images a step, %d epochs of %d images, %s", e:path(), e.kind, s.batch, s.epochs, images,
        e.precision or s.precision)
    if s.teacher then line("teacher sees %d of %d patches (%s)", k or s.teacher.patches, s.teacher.patches, s.mask.name) end
    line("")
    line("%-20s %14s %14s %14s %12s", "per image", "MACs executed", "papers' count", "FLOPs", "peak memory")
    for _, p in ipairs(summary.parts) do
        line("%-20s %14s %14s %14s %12s", p.role, cost.si(p.macs), p.papers > 0 and cost.si(p.papers) or "-", cost.si(p.flops),
            cost.iec(p.peak))
    end
    local t = summary.total
    line("%-20s %14s %14s %14s %12s", "total", cost.si(t.macs), cost.si(t.papers), cost.si(t.flops), cost.iec(t.peak))
    line("")
    local teacher = summary.by_role.teacher
    if teacher then
        line("teacher, papers' convention: %.3f GFLOPs an image, %.1f GFLOPs over the epochs, %.4g PFLOPs in all",
            teacher.papers / 1e9,
            teacher.papers * s.epochs / 1e9, teacher.papers * s.epochs * images / 1e15)
        line("teacher, executed:           %.3f GMACs an image, %.4g PMACs in all", teacher.macs / 1e9,
            teacher.macs * s.epochs * images / 1e15)
    end
    line("whole run, executed:         %s MACs, %s FLOPs", cost.si(t.macs * s.epochs * images),
        cost.si(t.flops * s.epochs * images))
    line("memory: %s of activations and gradients, %s of weights and optimiser state", cost.iec(summary.arena),
        cost.iec(summary.variables))
    return out
end

return cost
