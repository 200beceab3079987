-- loss_rig: a loss on given tensors. A case says what student, teacher and batch know; run() gives the loss and every gradient.
--
--   { loss = "fitnet", settings = {}, batch = 1, student = { facts = { patches = 2, ... }, signals = { ["tokens.0"] = tensor } },
--     teacher = ..., student_local = ..., states = { queue = tensor }, samples = { 0 }, kept = { teacher = { { 0, 2 } } }, labels = { 0 }, targets = tensor, weights = { ["fc.0.weight"] = tensor }, step = 1 }
--
-- States are written before the step; with update = true they are renewed behind it and read as "state NAME".
-- A tensor is { shape = { ... }, data = { ... } }, a number table of one or two axes, or { shape = ..., synthetic = NAME }.
local bauta = require "bauta"

local rig = {}

-- Lists of lists as a tensor: rows { { 1, 2 }, { 3, 4 } } have shape 2,2.
function rig.tensor(t)
    if t.data then return t end
    local shape, data = {}, {}
    local function walk(v, depth)
        if type(v) == "number" then
            data[#data + 1] = v
            return
        end
        shape[depth] = #v
        for _, x in ipairs(v) do walk(x, depth + 1) end
    end
    walk(t, 1)
    return { shape = shape, data = data }
end

local function flat(lists)
    local out = {}
    for _, row in ipairs(lists) do
        for _, v in ipairs(type(row) == "table" and row or { row }) do out[#out + 1] = v end
    end
    return out
end

local function add(store, name, t)
    t = rig.tensor(t)
    store:add(name, t.shape, "zero")
    store:write(name, t.data)
end

local models = { "student", "teacher", "student_local" }

local function feeds_of(case)
    local feeds = {}
    for _, name in ipairs { "labels", "samples" } do
        if case[name] then feeds[name] = { "i32", { #case[name] } } end
    end
    for who, rows in pairs(case.kept or {}) do feeds["kept_" .. who] = { "i32", { #rows, #rows[1] } } end
    return feeds
end

-- Makes the signals known; the variables behind them, by name.
local function describe(g, batch, case, signals)
    local variables = {}
    for _, who in ipairs(models) do
        local side = case[who] or {}
        g:say(who, side.facts or {})
        for key in pairs(side.signals or {}) do
            local what, layer = key:match("^(.-)%.(%d+)$")
            local v = g:variable(signals, who .. "." .. key)
            g:put(who, what or key, layer and tonumber(layer) or -1, v)
            variables[who .. "." .. key] = v
        end
        if case.kept and case.kept[who] then
            -- one tensor where both are masked alike
            local alike = who == "teacher" and case.kept.student and case.alike
            g:put(who, "kept", -1, alike and batch.kept_student or batch["kept_" .. who])
        end
    end
    if case.targets then
        local t = rig.tensor(case.targets)
        g:put("batch", "targets", -1, g:constant(t.data, t.shape))
    end
    return variables
end

-- The step of a case, with its stores: fetched are "loss" and "grad NAME" for student.SIGNAL and weight.NAME.
function rig.step(case)
    local signals, learned, states = bauta.store(1), bauta.store(case.seed or 1), bauta.store(case.seed or 1)
    for _, who in ipairs(models) do
        for key, t in pairs(case[who] and case[who].signals or {}) do add(signals, who .. "." .. key, t) end
    end
    local label = case.label or case.loss
    local names = {}
    local options = { batch = case.batch, precision = case.precision, feeds = feeds_of(case) }
    local step = bauta.graph(options, function(g, batch)
        local variables = describe(g, batch, case, signals)
        g:states(states)
        if case.images then g:say("data", { images = case.images }) end
        local loss = g:loss(bauta.loss(case.loss, case.settings or {}), label, learned)
        local wrt = {}
        for name, v in pairs(variables) do
            if name:find "^student" then names[#names + 1], wrt[#wrt + 1] = name, v end
        end
        for _, t in ipairs(learned:list()) do
            names[#names + 1], wrt[#wrt + 1] = "weight." .. t.name:sub(#label + 2), g:variable(learned, t.name)
        end
        g:fetch("loss", loss)
        for i, d in ipairs(g:grad(loss, wrt)) do
            if d then g:fetch("grad " .. names[i], d) else names[i] = false end
        end
        if case.update then g:update() end
        for stream, shape in pairs(case.draws or {}) do
            g:fetch(stream, g:op("uniform", { batch.step }, { shape = table.concat(shape, ","), stream = stream }))
        end
    end)
    for name, t in pairs(case.weights or {}) do learned:write(label .. "." .. name, rig.tensor(t).data) end
    for name, t in pairs(case.states or {}) do states:write(label .. "." .. name, rig.tensor(t).data) end
    step:feed("step", case.step or 1)
    step:feed("epoch", case.epoch or 0)
    if case.labels then step:feed("labels", case.labels) end
    if case.samples then step:feed("samples", case.samples) end
    for who, rows in pairs(case.kept or {}) do
        if not (who == "teacher" and case.alike) then step:feed("kept_" .. who, flat(rows)) end
    end
    return { step = step, names = names, signals = signals, learned = learned, states = states, label = label }
end

local function read(made, case)
    made.step:run()
    local out = { loss = made.step:read "loss" }
    for _, name in ipairs(made.names) do
        if name then out["grad " .. name] = made.step:read("grad " .. name) end
    end
    for stream in pairs(case.draws or {}) do out[stream] = made.step:read(stream) end
    for _, t in ipairs(made.states:list()) do out["state " .. t.name:sub(#made.label + 2)] = made.states:read(t.name) end
    return out
end

function rig.run(case)
    local made = rig.step(case)
    return read(made, case), made
end

-- The first step at which `wanted(draws)` holds, its results; draws are named in case.draws.
function rig.run_when(case, wanted)
    local made = rig.step(case)
    for s = 1, 2000 do
        made.step:feed("step", s)
        local out = read(made, case)
        if wanted(out) then return out, made end
    end
    error "no step draws what is wanted"
end

-- The slope of the loss along element i of a tensor, by differences across with a long step, and how far that may be wrong: how much a short step
-- gives another slope, and how much the slopes to both sides differ (in the long one, where the loss bends much in the short one; which drowns in
-- fp32 otherwise). Both are small where the loss is smooth; near the kinks of a ReLU, where no difference says what the slope is, one is not.
local function slope(made, store, key, values, i, here, wanted)
    local kept, across, bend = values[i], {}, math.huge
    local function at(h)
        values[i] = kept + h
        store:write(key, values)
        made.step:run()
        return made.step:read "loss"
    end
    for k, h in ipairs { 4e-3, 2e-3 } do
        local low, high = at(-h), at(h)
        across[k], bend = (high - low) / (2 * h), math.min(bend, math.abs((high - here) - (here - low)) / h)
    end
    for _, h in ipairs { 1e-3, 5e-4 } do -- many kinks, each of them small: told apart by shorter steps, as far as fp32 goes
        local d = (at(h) - at(-h)) / (2 * h)
        if math.abs(d - wanted) < math.abs(across[1] - wanted) then across[1], across[2] = d, across[2] + d - across[1] end
    end
    values[i] = kept
    store:write(key, values)
    return across[1], math.max(bend, math.abs(across[1] - across[2]))
end

local smooth, tries = 1e-2, 4

-- The largest difference between gradients and slopes, relative to the largest gradient of the tensor or a hundredth of the loss. Elements are
-- drawn from every quarter of a tensor; one that stands at a kink gives way to another. Fails when most do.
function rig.differences(case)
    local out, made = rig.run(case)
    local worst, at, judged, left = 0, "nothing", 0, 0
    for _, name in ipairs(made.names) do
        if name then
            local store, key = made.signals, name
            if name:find "^weight%." then store, key = made.learned, made.label .. name:sub(7) end
            local values, grad, top = store:read(key), out["grad " .. name], math.max(1e-4, math.abs(out.loss) / 100)
            for _, v in ipairs(grad) do top = math.max(top, math.abs(v)) end
            local apart = math.max(1, math.floor(#values / 4))
            for from = 0, #values - apart, apart do
                local measured, doubt, i
                for _ = 1, tries do
                    i = from + math.random(apart)
                    measured, doubt = slope(made, store, key, values, i, out.loss, grad[i])
                    if doubt <= smooth * top then break end
                end
                if doubt <= smooth * top then
                    judged = judged + 1
                    local off = math.abs(measured - grad[i]) / top
                    if off > worst then worst, at = off, ("%s[%d]"):format(name, i) end
                else
                    left = left + 1
                end
            end
        end
    end
    if left > judged then return math.huge, ("%d of %d elements at kinks"):format(left, left + judged), out end
    return worst, at, out
end

return rig
