-- bench/mask: what masking saves and what criteria cost. The steps take turns, so that a slow moment of the machine hits all of them:
--   none        the teacher sees every patch
--   random      it sees the kept ones, chosen for free
--   student     MaskedKD's criterion, a plugin in C
--   student.lua the same, written in Lua
-- eta is the share of the ideal saving that the step realises: (T_all - T_kept) / (T_all (1 - F_kept / F_all)), T seconds, F FLOPs.
local rig = require "bauta.bench.rig"

local mask = {}

local function in_lua()
    return require("bauta.mask").define { name = "student-lua", doc = "the student's class attention, mean over the heads",
        score = function(m) return m.class_attention {}:mean { axis = 1 } end }
end

local function compile_all(given)
    local keep = tonumber(given.keep) or given.keep
    local list, stores = {}, nil
    for _, c in ipairs { { "none", "none", "all" }, { "random", "random", keep }, { "student", "student", keep },
        { "student.lua", in_lua() { keep = keep } } } do
        local program, e
        program, e, stores = rig.compiled(given, { mask = c[2], keep = c[3] }, nil, stores)
        rig.feed(program, given)
        list[#list + 1] = { name = c[1], program = program, e = e, times = {} }
    end
    return list, stores
end

-- One step of each, in turn; the first two rounds do not count.
local function turns(list, given)
    local ffi = require "bauta.ffi"
    for round = 1, given.steps + 2 do
        for _, one in ipairs(list) do
            one.program:feed("step", round)
            local start = ffi.clock()
            one.program:run()
            if round > 2 then one.times[round - 2] = 1000 * (ffi.clock() - start) end
        end
    end
    for _, one in ipairs(list) do one.ms = rig.median(one.times) end
end

-- The median over the rounds of how much longer `a` took than `b`, in percent: turns that follow each other see the same machine.
local function longer(a, b)
    local out = {}
    for i = 1, #a.times do out[i] = 100 * (a.times[i] / b.times[i] - 1) end
    return rig.median(out)
end

-- Seconds of the nodes of the criterion, and of all nodes, over some profiled steps.
local function saliency(one, given)
    one.program:profile(true)
    for i = 1, math.min(given.steps, 5) do
        one.program:feed("step", i)
        one.program:run()
    end
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

local function flops(one)
    local sum = 0
    for _, row in ipairs(one.program:plan().rows) do sum = sum + row.flops end
    return sum
end

local function measure(given)
    local list, stores = compile_all(given)
    turns(list, given)
    local none, random, c, lua = unpack(list)
    local r = { kept = c.e:kept(), patches = c.e.settings.teacher.patches, lua_percent = longer(lua, c), random_percent = longer(c, random) }
    r.saliency_s, r.saliency_percent = saliency(c, given)
    r.same, r.nodes, r.lua_nodes = same_nodes(c, lua)
    r.ideal = flops(none) / flops(c)
    r.eta = (none.ms - c.ms) / (none.ms * (1 - 1 / r.ideal))
    r.speedup = none.ms / c.ms
    r.ms = { none = none.ms, random = random.ms, student = c.ms, lua = lua.ms }
    r.images_per_s = 1000 * given.batch / c.ms
    for _, one in ipairs(list) do one.program:free() end
    for _, store in pairs(stores) do store:free() end
    return r
end

local function lines(given, r)
    local session, report = require "bauta.session", require "bauta.report"
    local rows = { { "criterion", "kept", "ms a step", "of a step with all" } }
    for _, row in ipairs { { "none", r.patches, "none" }, { "random", r.kept, "random" }, { "student (C)", r.kept, "student" },
        { "student (Lua)", r.kept, "lua" } } do
        rows[#rows + 1] = { row[1], ("%d of %d"):format(row[2], r.patches), ("%.1f"):format(r.ms[row[3]]),
            ("%.1f %%"):format(100 * r.ms[row[3]] / r.ms.none) }
    end
    return table.concat({ session.device():describe(),
        ("%s %s <- %s %s, %d px, batch %d, %s, medians of %d turns"):format(given.arch, given.size, given.arch, given.teacher_size, given.image,
            given.batch, given.precision, given.steps), "", report.table(rows),
        ("\nthe criterion in Lua against the one in C: %+.2f %% a step; %s"):format(r.lua_percent,
            r.same and ("both are steps of the same %d operations"):format(r.nodes) or ("%d operations against %d"):format(r.lua_nodes, r.nodes)),
        ("saliency: %.3f ms a step in the criterion's nodes, %.3f %% of it; against random: %+.2f %% a step"):format(1000 * r.saliency_s,
            r.saliency_percent, r.random_percent),
        ("FLOPs of a step: %.3f times fewer; steps: %.3f times faster; eta = %.3f"):format(r.ideal, r.speedup, r.eta) }, "\n")
end

function mask.run(given)
    local r = measure(given)
    io.stdout:write(given.json and require("bauta.json").encode(r) or lines(given, r), "\n")
    return 0
end

return mask
