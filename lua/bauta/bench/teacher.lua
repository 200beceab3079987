-- bench/teacher: the teacher's forward pass alone, by the number of patches it is shown: all, three quarters, a half, a quarter.
-- Which patches they are does not matter for the time: they are spread evenly.
local rig = require "bauta.bench.rig"

local teacher = {}

-- k of n patches, evenly spread, the same in every picture.
local function spread(batch, k, n)
    local out = {}
    for _ = 1, batch do
        for i = 0, k - 1 do out[#out + 1] = math.floor(i * n / k) end
    end
    return out
end

local function compiled(given, precision, arch, store, scales, k)
    local builder, session = require "bauta.builder", require "bauta.session"
    local b = builder.new { device = session.device(), precision = precision, batch = given.batch }
    b:pictures(given.batch, arch)
    local kept = k < arch.patches and b:feed("kept", "i32", { given.batch, k }) or nil
    local logits = b:model("teacher", arch, { store = store, kept = kept,
        fp8 = scales and { mode = "on", scales = scales, name = "teacher" } or nil })
    b:role "metric"
    b:fetch("mean", logits:mean { axis = -100 })
    local one = { program = b:finish(), kept = k, times = {} }
    if kept then one.program:feed("kept", spread(given.batch, k, arch.patches)) end
    return one
end

local function step(one, batches, i)
    local clock, p = require("bauta.ffi").clock, one.program
    local start = clock()
    p:feed("images", batches[(i - 1) % #batches + 1])
    p:run()
    local mean = p:read "mean"
    if mean ~= mean then require("bauta.errors").raise("numeric", "the teacher's answer is not a number", "bench teacher") end
    return clock() - start
end

local function figures(given, c, one, all)
    local ceilings, cost = require "bauta.bench.ceilings", require "bauta.cost"
    local plan = one.program:plan()
    local t, seconds, floor = cost.summary(plan, given.batch).by_role.teacher, one.ms / 1000, ceilings.of_program(c, one.program)
    local f = { kept = one.kept, macs = t.macs, papers = t.papers, median_ms = one.ms, best_ms = math.min(unpack(one.times)), steps_ms = one.times,
        images_per_s = given.batch / seconds, mfu_executed = 100 * 2 * t.macs * given.batch / seconds / c.flops, floor_ms = 1000 * floor,
        roofline = 100 * floor / seconds, arena = plan.arena }
    all = all or f
    f.speedup, f.ideal, f.ideal_r = all.median_ms / f.median_ms, all.macs / f.macs, all.floor_ms / f.floor_ms
    return f
end

local function rows_of(list, patches)
    local cost = require "bauta.cost"
    local rows = { { "keep", "teacher MACs", "papers' count", "ms", "img/s", "of the ceiling", "of the roofline", "faster", "ideal by FLOPs",
        "by the roofline" } }
    for _, f in ipairs(list) do
        rows[#rows + 1] = { ("%d of %d"):format(f.kept, patches), cost.si(f.macs), cost.si(f.papers), ("%.1f"):format(f.median_ms),
            ("%.2f"):format(f.images_per_s), ("%.1f %%"):format(f.mfu_executed), ("%.1f %%"):format(f.roofline), ("%.3f"):format(f.speedup),
            ("%.3f"):format(f.ideal), ("%.3f"):format(f.ideal_r) }
    end
    return rows
end

function teacher.run(given)
    local bind, session, steps = require "bauta.bind.graph", require "bauta.session", require "bauta.bench.steps"
    local head, batches = steps.head(given), rig.batches(given)
    local arch, store = rig.arch(given, given.teacher_size or "small"), bind.store(session.device(), 1)
    local list, out, seen, scales = {}, {}, {}, given.fp8 and bind.store(session.device(), 1) or nil
    for _, part in ipairs { 4, 3, 2, 1 } do
        local k = math.max(math.floor(arch.patches * part / 4 + 0.5), 1)
        if not seen[k] then list[#list + 1] = compiled(given, head.precision, arch, store, scales, k) end
        seen[k] = true
    end
    local before = rig.load()
    rig.turns(list, 1, rig.warm + 1, rig.warm + given.steps, function(one, i) return step(one, batches, i) end)
    local foreign = rig.foreign(before)
    for i, one in ipairs(list) do out[i] = figures(given, head.ceilings, one, out[1]) end
    local facts = rig.facts(given, head.precision)
    facts.size, facts.teacher_size, facts.patches, facts.keeps = nil, given.teacher_size or "small", arch.patches, out
    facts.ceilings, facts.gate, facts.foreign = head.ceilings, head.gate, foreign
    local lines = { unpack(head.lines) }
    lines[#lines + 1] = ("forward pass of %s %s%s, %d px, batch %d, %s, %d threads, medians of %d turns\n"):format(given.arch, facts.teacher_size,
        given.fp8 and " in FP8" or "", given.image, given.batch, head.precision, facts.threads, given.steps)
    lines[#lines + 1] = require("bauta.report").table(rows_of(out, arch.patches))
    lines[#lines + 1] = "\n" .. rig.foreign_line(foreign)
    for _, one in ipairs(list) do one.program:free() end
    store:free()
    if scales then scales:free() end
    return rig.write(given, facts, lines)
end

return teacher
