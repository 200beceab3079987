-- sdk/loss: what a loss promises: a finite number, a gradient that is the slope of it, the same again and on any number of threads, its
-- weight as a factor; and what it costs.
local errors = require "bauta.errors"
local report = require "bauta.sdk.report"
local rig = require "bauta.sdk.rig"

local loss = { choices = { { queue = 30 }, {} } } -- a queue holds whole batches: of 1, 3 and 5

-- Models that offer what the loss needs: plain ViTs, unless it names what only others have. Returns the architecture's constructor and
-- how many views of each labelled picture the batch holds.
local function models_for(description, g)
    local plugin = require "bauta.plugin"
    for _, need in ipairs(description.plugin.needs or {}) do
        local small = { depth = 6, heads = g.heads, image = 4 * g.side, patch = 4, drop_path = 0 }
        local other = need:find "projection$" and { "dino", { head = true, outputs = 16 }, 2 } or need:find "decoder_" and { "mae", { decoder = true, pool = "class" }, 1 }
        if other then
            for k, v in pairs(other[2]) do small[k] = v end
            return function(dim)
                small.dim = dim * g.heads
                return require("bauta.sdk.trial").describe(plugin.find("arch", other[1]), small, {})
            end, other[3]
        end
    end
    return function(dim) return rig.vit(g, dim) end, 1
end

-- A step with student, teacher and the loss. o: threads, masked (the teacher sees the half of the patches), gradient, store, extra.
-- Returns the program, the store of the student's weights, and how many tensors of it have a gradient, by name.
local function step(description, g, o)
    local store, graded = o.store or rig.store(o.threads or 1, 7), {}
    local model, views = models_for(description, g)
    local program = rig.program({ threads = o.threads, batch = g.batch * views, labels = g.batch, image = 4 * g.side }, function(b)
        b:say("data", { images = 64 })
        b:states(rig.store(o.threads or 1, 10))
        b:model("student", model(12), { store = store })
        local kept
        if o.masked then
            b:declare("teacher", model(8))
            local criterion = require("bauta.plugin").describe("mask", "student", {})
            kept = b:keep(b:score(criterion, "teacher"), math.floor(g.side ^ 2 / 2))
        end
        b:model("teacher", model(8), { store = rig.store(o.threads or 1, 8), kept = kept })
        local value = b:loss(description, nil, rig.store(o.threads or 1, 9))
        b:fetch("loss", value)
        if o.gradient then
            local names, variables = store:list(), {}
            for i, t in ipairs(names) do variables[i] = b:variable(store, t.name) end
            for i, d in ipairs(b:grad(value, variables)) do
                if d then
                    graded[#graded + 1] = names[i].name
                    b:fetch("d " .. names[i].name, d)
                end
            end
        end
    end)
    return program, store, graded, rig.pixels(g.batch * views, 4 * g.side)
end

local function value_of(description, g, o)
    local program, _, _, pixels = step(description, g, o)
    rig.run(program, g.batch, { pixels = pixels, step = o.step })
    local v, random = program:read "loss", rig.random(program, "loss")
    program:free()
    return v, random
end

function loss.built(description) (step(description, rig.geometries[1], {})):free() end

local function on_grid(c, g)
    local v = value_of(c.describe(c.wanted), g, {})
    return rig.finite { v } and true or false, ("%.6g"):format(v)
end

-- A teacher that sees a half of the patches: a number, or a refusal.
local function masked(c)
    local ran, v = pcall(value_of, c.describe(c.wanted), rig.geometries[1], { masked = true })
    if ran then return rig.finite { v } and true or false, ("%.6g with a teacher that sees 8 of 16 patches"):format(v) end
    if errors.is(v) and v.code ~= "bug" then return "note", "refused: " .. v.lines[1] end
    error(v, 0)
end

-- ---- gradients ----

-- Moves the weights along a direction { name = numbers } from where they were.
local function move(store, from, direction, by)
    for name, d in pairs(direction) do
        local now = {}
        for i, v in ipairs(from[name]) do now[i] = v + by * d[i] end
        store:write(name, now)
    end
end

-- The slope of the loss along a direction.
local function slope(program, g, pixels, store, from, direction, want)
    local found = rig.slope(function(by)
        move(store, from, direction, by)
        rig.run(program, g.batch, { pixels = pixels })
        return program:read "loss"
    end, want)
    move(store, from, direction, 0)
    return found
end

-- A direction of length 1 along the gradient, over the tensors for which `taken` is true; and the length of the gradient there.
local function along(gradient, taken)
    local sum, out = 0, {}
    for name, d in pairs(gradient) do
        for i = 1, taken(name) and #d or 0 do sum = sum + d[i] ^ 2 end
    end
    local length = math.sqrt(sum)
    for name, d in pairs(gradient) do
        if taken(name) then
            out[name] = {}
            for i = 1, #d do out[name][i] = d[i] / length end
        end
    end
    return out, length
end

local function gradients(c)
    local g = rig.geometries[3]
    local program, store, graded, pixels = step(c.describe(c.wanted), g, { gradient = true })
    if #graded == 0 then return false, "no gradient reaches the student" end
    if store:size() > rig.most_weights then return "skip", ("the student has %d weights"):format(store:size()) end
    rig.run(program, g.batch, { pixels = pixels })
    local gradient, from, worst = {}, {}, 0
    for _, name in ipairs(graded) do gradient[name], from[name] = program:read("d " .. name), store:read(name) end
    local halves = { function() return true end, function(name) return #name % 2 == 0 end, function(name) return #name % 2 == 1 end }
    for _, taken in ipairs(halves) do
        local direction, want = along(gradient, taken)
        if want ~= want then return false, "the gradient is not a number" end
        if want > 0 then worst = math.max(worst, math.abs(slope(program, g, pixels, store, from, direction, want) - want) / want) end
    end
    if select(2, along(gradient, halves[1])) == 0 then return false, "the gradient is zero everywhere" end
    if worst > 0.02 then return false, ("differs from finite differences by %.2g %%"):format(100 * worst) end
    return true, ("%d tensors of the student; finite differences agree to %.2g %%"):format(#graded, 100 * worst)
end

-- ---- the rest ----

local function again(c)
    local g = rig.geometries[3]
    local first, random = value_of(c.describe(c.wanted), g, {})
    for n = 1, 3 do
        local v = value_of(c.describe(c.wanted), g, { threads = n })
        if v ~= first then return false, ("%.9g with %d threads, %.9g before"):format(v, n, first) end
    end
    return true, "1, 2 and 3 threads give the same bits" .. (random and " (it draws random numbers)" or "")
end

local function weighing(c, weight)
    local out = { weight = weight }
    for k, v in pairs(c.wanted or {}) do out[k] = v end
    return out
end

local function factor(c)
    local has
    for _, row in ipairs(c.plugin.rows) do has = has or row.name == "weight" and row.type == "float" end
    if not has then return "skip", "it has no setting `weight`" end
    local one, three = value_of(c.describe(weighing(c, 1)), rig.geometries[1], {}), value_of(c.describe(weighing(c, 3)), rig.geometries[1], {})
    if math.abs(three - 3 * one) > 1e-5 * math.abs(3 * one) then return false, ("%.6g with weight 1, %.6g with weight 3"):format(one, three) end
    return true, "weight = 3 is three times weight = 1"
end

local function cost(c)
    local g, runs = { side = 14, heads = 3, batch = 5 }, 5
    local program, _, _, pixels = step(c.describe(c.wanted), g, { gradient = true })
    rig.run(program, g.batch, { pixels = pixels })
    program:profile(true)
    for _ = 1, runs do rig.run(program, g.batch, { pixels = pixels }) end
    local seconds = 0
    for _, row in ipairs(program:plan().rows) do seconds = seconds + (row.role:find "^loss" and row.seconds or 0) end
    program:free()
    return true, ("%.3f ms an image with its gradient, 196 patches (1 thread)"):format(1000 * seconds / runs / g.batch)
end

function loss.run(c)
    for _, g in ipairs(rig.geometries) do
        if not report.try(("loss %dx%d"):format(g.side, g.side), function() return on_grid(c, g) end) then return end
    end
    report.try("masked teacher", function() return masked(c) end)
    report.try("gradient", function() return gradients(c) end)
    report.try("repeatable", function() return again(c) end)
    report.try("weight", function() return factor(c) end)
    report.try("time", function() return cost(c) end)
end

return loss
