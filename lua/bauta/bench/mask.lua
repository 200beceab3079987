-- bench/mask: what masking saves and what criteria cost. The steps take turns, so that a slow moment of the machine hits all of them:
--   none        the teacher sees every patch
--   random      it sees the kept ones, chosen for free
--   student     MaskedKD's criterion, a plugin in C
--   student.lua the same, written in Lua
local rig = require "bauta.bench.rig"
local steps = require "bauta.bench.steps"

local mask = {}

local function in_lua()
    return require("bauta.mask").define { name = "student-lua", doc = "the student's class attention, mean over the heads",
        score = function(m) return m.class_attention {}:mean { axis = 1 } end }
end

local function compile_all(given)
    local keep = given.keep and rig.keep(given) or "50%"
    local list, stores = {}, nil
    for _, c in ipairs { { "none", "none", "all" }, { "random", "random", keep }, { "student", "student", keep },
        { "student.lua", in_lua() { keep = keep } } } do
        local one = rig.compiled(given, { mask = c[2], keep = c[3] }, stores)
        one.name, stores = c[1], one.stores
        list[#list + 1] = one
    end
    return list
end

-- The median over the rounds of how much longer `a` took than `b`, in percent: turns that follow each other see the same machine.
local function longer(a, b)
    local out = {}
    for i = 1, #a.times do out[i] = 100 * (a.times[i] / b.times[i] - 1) end
    return rig.median(out)
end

-- Seconds of the nodes of the criterion, and of all nodes, over some profiled steps.
local function saliency(one, given, batches)
    one.program:profile(true)
    for i = 1, math.min(given.steps, 5) do rig.step(one, batches, i) end
    local own, all = 0, 0
    for _, row in ipairs(one.program:plan().rows) do
        all = all + row.seconds
        if row.role == "mask" then own = own + row.seconds end
    end
    one.program:profile(false)
    return own / math.min(given.steps, 5), 100 * own / all
end

local function operations(one)
    local out = {}
    for i, node in ipairs(one.program:nodes()) do out[i] = node[1] .. " " .. node[2] end
    table.sort(out)
    return out
end

-- Whether two steps are made of the same operations, as many of each; and how many there are.
local function same_nodes(a, b)
    local x, y = operations(a), operations(b)
    return table.concat(x, "\n") == table.concat(y, "\n"), #x, #y
end

local function measure(given, head)
    local list, batches = compile_all(given), rig.batches(given)
    rig.timed(list, given, batches)
    local none, random, c, lua = unpack(list)
    local r = steps.eta(steps.figures(given, head, none), steps.figures(given, head, c))
    r.kept, r.patches = c.e:kept(), c.e:masked(c.e.settings.teachers[1]).patches
    r.lua_percent, r.random_percent = longer(lua, c), longer(random, c)
    r.saliency_s, r.saliency_percent = saliency(c, given, batches)
    r.same, r.nodes, r.lua_nodes = same_nodes(c, lua)
    r.ms = { none = none.ms, random = random.ms, student = c.ms, lua = lua.ms }
    r.foreign = c.foreign
    r.images_per_s = 1000 * given.batch / c.ms
    rig.free(list)
    return r
end

local function rows_of(r)
    local rows = { { "criterion", "kept", "ms a step", "of a step with all" } }
    for _, row in ipairs { { "none", r.patches, "none" }, { "random", r.kept, "random" }, { "student (C)", r.kept, "student" },
        { "student (Lua)", r.kept, "lua" } } do
        rows[#rows + 1] = { row[1], ("%d of %d"):format(row[2], r.patches), ("%.1f"):format(r.ms[row[3]]),
            ("%.1f %%"):format(100 * r.ms[row[3]] / r.ms.none) }
    end
    return rows
end

function mask.run(given)
    local head = steps.head(given)
    local r, lines = measure(given, head), { unpack(head.lines) }
    for k, v in pairs(rig.facts(given, head.precision)) do r[k] = v end
    r.teacher_size, r.ceilings, r.gate = given.teacher_size or "small", head.ceilings, head.gate
    local function line(fmt, ...) lines[#lines + 1] = fmt:format(...) end
    line("%s %s <- %s %s, %d px, batch %d, %s, %d threads, medians of %d turns\n", given.arch, given.size, given.arch, r.teacher_size,
        given.image, given.batch, head.precision, r.threads, given.steps)
    line("%s", require("bauta.report").table(rows_of(r)))
    line("\nthe criterion in Lua against the one in C: %+.2f %% a step; %s", r.lua_percent,
        r.same and ("both are steps of the same %d operations"):format(r.nodes) or ("%d operations against %d"):format(r.lua_nodes, r.nodes))
    line("saliency: %.3f ms a step in the criterion's nodes, %.3f %% of it; random patches instead: %+.2f %% a step", 1000 * r.saliency_s,
        r.saliency_percent, r.random_percent)
    line("%s", steps.eta_line(r))
    line("%s", rig.foreign_line(r.foreign))
    return rig.write(given, r, lines)
end

return mask
