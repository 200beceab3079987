-- cost: what a step costs, from the plan of its compiled program, in the papers' convention and as it is really executed.
local cost = {}

-- The papers: multiply-adds, LayerNorm 5 an element, all patches embedded.
local function papers(row) return row.nominal + 5 * row.norm end

local function totalled(order, parts, memory, batch)
    local total, teachers = { macs = 0, papers = 0, flops = 0, bytes = 0, peak = 0 }, { macs = 0, papers = 0, flops = 0 }
    for _, p in ipairs(order) do
        local teaches = p.role == "teacher" or p.role:find "^teacher%."
        for k in pairs(total) do total[k] = total[k] + p[k] end
        for k in pairs(teaches and teachers or {}) do teachers[k] = teachers[k] + p[k] end
    end
    return { parts = order, by_role = parts, total = total, teachers = teachers, arena = memory.arena, kept = memory.kept,
        variables = memory.variables, batch = batch }
end

-- Sums the plan's rows by part: student (forward), student.backward, student.recompute, teacher, mask, loss, optimiser.
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
    return totalled(order, parts, plan, batch)
end

-- The step of a batch of so many, continued in a straight line from those of two smaller ones.
function cost.continued(more, less, batch)
    local n, m, parts, order = more.batch, less.batch, {}, {}
    local function line(a, b) return math.max(0, a + (a - b) / (n - m) * (batch - n)) end
    for i, p in ipairs(more.parts) do
        local q = less.by_role[p.role] or p
        local out = { role = p.role, seconds = 0, nodes = p.nodes, bytes = line(p.bytes, q.bytes), peak = line(p.peak, q.peak) }
        for _, what in ipairs { "macs", "papers", "flops" } do out[what] = line(p[what] * n, q[what] * m) / batch end
        parts[p.role], order[i] = out, out
    end
    local memory = {}
    for _, what in ipairs { "arena", "kept", "variables" } do memory[what] = line(more[what], less[what]) end
    return totalled(order, parts, memory, batch)
end

-- The mean step of a run whose steps differ: list of { summary, epochs }; memory is that of the largest.
function cost.mean(list)
    if #list == 1 then return list[1].summary end
    local epochs, rows, order = 0, {}, {}
    for _, one in ipairs(list) do epochs = epochs + one.epochs end
    local memory = { arena = 0, kept = 0, variables = 0 }
    for _, one in ipairs(list) do
        for _, p in ipairs(one.summary.parts) do
            local r = rows[p.role]
            if not r then
                r = { role = p.role, macs = 0, papers = 0, flops = 0, bytes = 0, peak = 0, seconds = 0, nodes = 0 }
                rows[p.role], order[#order + 1] = r, r
            end
            for _, k in ipairs { "macs", "papers", "flops", "bytes", "seconds" } do r[k] = r[k] + p[k] * one.epochs / epochs end
            r.peak, r.nodes = math.max(r.peak, p.peak), math.max(r.nodes, p.nodes)
        end
        for k, v in pairs(memory) do memory[k] = math.max(v, one.summary[k]) end
    end
    return totalled(order, rows, memory, list[1].summary.batch)
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

-- Too little memory: what was planned, for whom, and what would fit. again: the arena if blocks were computed again; nil where that is of no use.
function cost.too_much(summary, free, batch, micro, again)
    local parts, fits = {}, math.floor(batch / micro * free / summary.arena)
    for _, p in ipairs(summary.parts) do
        if p.peak * 100 >= summary.arena then parts[#parts + 1] = ("%s %s"):format(p.role, cost.iec(p.peak)) end
    end
    local cut = micro
    while cut < batch and (batch % cut ~= 0 or batch / cut > fits) do cut = cut + 1 end
    local rest = fits < 1 and "not even a picture at a time would fit" or
        ("a batch of %d would fit%s"):format(fits * micro, cut > micro and (", or micro = %d"):format(cut) or "")
    if again and again < summary.arena then rest = rest .. (', and with recompute = "blocks" a step needs %s'):format(cost.iec(again)) end
    return ("no memory: at its peak a step needs %s (%s), %s are free; %s"):format(cost.iec(summary.arena), table.concat(parts, ", "),
        cost.iec(free), rest)
end

-- What each participant is shown, a line each; a count that changes is shown with its first epoch.
function cost.views(e)
    local out = {}
    for _, t in ipairs(e.settings.teachers) do
        local all, parts, before = e:masked(t).patches, {}, nil
        for _, phase in ipairs(e:phases()) do
            local k = e:kept(t, phase.first) or all
            if k ~= before then parts[#parts + 1] = { phase.first, k } end
            before = k
        end
        local text = ("%d of %d"):format(parts[1][2], all)
        for i = 2, #parts do text = text .. (", from epoch %d %d"):format(parts[i][1], parts[i][2]) end
        local who = t:who() == "teacher" and "" or t:who() == "student" and "the student in its place, " or "and the student, "
        out[#out + 1] = ("%s sees %s patches (%s%s)"):format(t.alone and "teacher" or t:called(), text, who, t.settings.mask.name)
    end
    return out
end

-- FLOPs an image that blocks which are computed again cost.
function cost.again(summary)
    local out = 0
    for _, p in ipairs(summary.parts) do out = out + (p.role:find "%.recompute$" and p.flops or 0) end
    return out
end

-- A count with the prefix of its unit, which the caller writes behind it.
local function flops(v)
    local text = cost.si(v)
    return text:find "%a$" and text or text .. " "
end

-- Lines of `bauta plan`. images: of an epoch.
function cost.lines(summary, e, images)
    local s, out = e.settings, {}
    local function line(fmt, ...) out[#out + 1] = fmt:format(...) end
    local seen = e.total and e.total * s.batch or e:epochs() * images
    line("%s: %s, %d images a step, %s of %d images, %s", e:path(), e.kind, s.batch, e:length(), images,
        e.precision or s.precision)
    for _, text in ipairs(cost.views(e)) do line("%s", text) end
    line("")
    line("%-20s %14s %14s %14s %12s", "per image", "MACs executed", "papers' count", "FLOPs", "peak memory")
    for _, p in ipairs(summary.parts) do
        line("%-20s %14s %14s %14s %12s", p.role, cost.si(p.macs), p.papers > 0 and cost.si(p.papers) or "-", cost.si(p.flops),
            cost.iec(p.peak))
    end
    local t = summary.total
    line("%-20s %14s %14s %14s %12s", "total", cost.si(t.macs), cost.si(t.papers), cost.si(t.flops), cost.iec(t.peak))
    line("(peak memory: of a whole step, what each part holds at the moment when all together hold most)")
    line("")
    local teacher = summary.teachers
    if #s.teachers > 0 then
        local name = #s.teachers > 1 and "teachers" or "teacher"
        line("%s, papers' convention: %sFLOPs an image, %sFLOPs an image over the epochs, %sFLOPs in all", name, flops(teacher.papers),
            flops(teacher.papers * seen / images), flops(teacher.papers * seen))
        line("%s, executed:           %sMACs an image, %sMACs in all", name, flops(teacher.macs), flops(teacher.macs * seen))
    end
    line("whole run, executed:         %s MACs, %s FLOPs", cost.si(t.macs * seen),
        cost.si(t.flops * seen))
    line("memory: %s of activations and gradients, %s of weights and optimiser state", cost.iec(summary.arena),
        cost.iec(summary.variables))
    local again = cost.again(summary)
    if again > 0 then
        line("recompute = blocks: %s less memory (without it %s of activations and gradients), %sFLOPs more an image (%.1f %%)",
            cost.iec(summary.kept - summary.arena), cost.iec(summary.kept), flops(again), 100 * again / (t.flops - again))
    end
    return out
end

return cost
