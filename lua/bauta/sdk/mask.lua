-- sdk/mask: what a criterion promises: finite scores for every patch, the same again, the same on any number of threads, each picture's
-- scores its own, on any grid; and what it costs.
local errors = require "bauta.errors"
local report = require "bauta.sdk.report"
local rig = require "bauta.sdk.rig"

local mask = {}

-- The models that a criterion may ask for besides the student: they are built when it does.
local function helpers(g, o)
    local function helper(who, arch, seed) return { who = who, arch = arch, given = { store = rig.store(o.threads or 1, seed) } } end
    local teacher = helper("teacher_full", rig.vit(o.other or g, 8), 8)
    return { teacher = teacher, teacher_full = teacher, auxiliary = helper("auxiliary", rig.vit(g, 4), 9) }
end

-- A step that scores the patches of a teacher by a criterion. fetched: scores (when it masks anything).
local function scored(description, g, o)
    local masks = false
    local program = rig.program({ threads = o.threads, batch = o.batch or g.batch, image = 4 * g.side }, function(b)
        b:model("student", rig.vit(g, 12), { store = rig.store(o.threads or 1, 7) })
        b:declare("teacher", rig.vit(o.other or g, 8))
        local scores = b:score(description, "teacher", helpers(g, o))
        masks = scores ~= nil
        b:fetch("scores", scores or b:signal("student", "logits"))
    end)
    return program, masks
end

local function scores(description, g, o)
    local program, masks = scored(description, g, o)
    rig.run(program, o.batch or g.batch, { pixels = o.pixels or rig.pixels(o.batch or g.batch, 4 * g.side, o.style), step = o.step })
    local out, random = program:read "scores", rig.random(program, "mask")
    program:free()
    return out, masks, random
end

function mask.built(description) (scored(description, rig.geometries[1], {})):free() end

local function on_grid(c, g)
    local s, masks = scores(c.describe(), g, {})
    if not masks then return "note", "masks nothing with these settings" end
    local n = g.batch * g.side * g.side
    if #s ~= n then return false, ("%d scores, %d expected"):format(#s, n) end
    local ok, at, v = rig.finite(s)
    if not ok then return false, ("score %s of patch %d of picture %d"):format(tostring(v), (at - 1) % g.side ^ 2,
        math.floor((at - 1) / g.side ^ 2)) end
    return true, ("[%d,%d] from %.4g to %.4g"):format(g.batch, g.side ^ 2, math.min(unpack(s)), math.max(unpack(s)))
end

local function plain(c)
    for _, style in ipairs { "black", "white" } do
        local ok, _, v = rig.finite((scores(c.describe(), rig.geometries[1], { style = style })))
        if not ok then return false, ("score %s for pictures that are all %s"):format(tostring(v), style) end
    end
    return true, "finite for black and for white pictures"
end

-- How many patches share their score with another one of their picture.
local function ties(c)
    local g = rig.geometries[1]
    local s, n, shared = scores(c.describe(), g, {}), g.side ^ 2, 0
    for picture = 0, g.batch - 1 do
        local seen = {}
        for i = 1, n do
            local v = s[picture * n + i]
            seen[v] = (seen[v] or 0) + 1
        end
        for _, count in pairs(seen) do shared = shared + (count > 1 and count or 0) end
        if seen[s[picture * n + 1]] == n then return false, "every patch of a picture has the same score: nothing is ranked" end
    end
    return true, ("%.0f %% of the patches share their score with another (of equals the first in the picture is kept)"):format(100 * shared /
        (n * g.batch))
end

local function again(c)
    local g = rig.geometries[3]
    local first, _, random = scores(c.describe(), g, {})
    if not rig.same(first, (scores(c.describe(), g, {}))) then return false, "a second run of the same step gives other scores" end
    if not random then return true, "a second run gives the same bits" end
    if rig.same(first, (scores(c.describe(), g, { step = 2 }))) then return false, "it draws random numbers, but the next step has the same" end
    return true, "a second run gives the same bits, the next step others (it draws random numbers)"
end

local function threads(c)
    local g = rig.geometries[3]
    local first = scores(c.describe(), g, { threads = 1 })
    for n = 2, 3 do
        if not rig.same(first, (scores(c.describe(), g, { threads = n }))) then return false, ("other scores with %d threads than with 1"):format(n) end
    end
    return true, "1, 2 and 3 threads give the same bits"
end

local function own_picture(c)
    local g = rig.geometries[3]
    local pixels = rig.pixels(g.batch, 4 * g.side)
    local straight, _, random = scores(c.describe(), g, { pixels = pixels })
    if random then return "skip", "it draws random numbers, which belong to the place in the batch" end
    local worst, size = rig.moved(straight, (scores(c.describe(), g, { pixels = rig.mixed(pixels, g.batch) })), g.batch)
    if worst > 1e-4 * math.max(size, 1e-30) then
        return false, ("the scores of a picture depend on the others of its batch (by %.3g of %.3g)"):format(worst, size)
    end
    return true, ("other pictures of the batch change a score by at most %.1g of the largest"):format(worst / math.max(size, 1e-30))
end

-- A student and a teacher of different grids: scores, or a refusal.
local function other_grid(c)
    local ran, s = pcall(scores, c.describe(), rig.geometries[1], { other = { side = 8, heads = 2 } })
    if not ran then
        if errors.is(s) and s.code ~= "bug" then return "note", "refused: " .. s.lines[1] end
        error(s, 0)
    end
    return #s == 64 * rig.geometries[1].batch, ("a student of 4x4 patches gives %d scores to a teacher of 8x8"):format(#s /
        rig.geometries[1].batch)
end

-- Cost within a step of DeiT-tiny at 224: the criterion's own nodes and the models it asked for, beside the student's forward pass.
local function cost(c)
    local plugin, batch, runs = require "bauta.plugin", 4, 3
    local vit = plugin.describe("arch", "deit", { size = "tiny", drop_path = 0 })
    local function helper(who) return { who = who, arch = vit, given = { store = rig.store(1, 8) } } end
    local program = rig.program({ threads = 1, batch = batch, image = 224 }, function(b)
        b:model("student", vit, { store = rig.store(1, 7) })
        b:declare("teacher", vit)
        b:fetch("scores", b:score(c.describe(), "teacher", { teacher_full = helper "teacher_full", teacher = helper "teacher_full",
            auxiliary = helper "auxiliary" }))
        b:fetch("logits", b:signal("student", "logits"))
    end)
    local pixels = rig.pixels(batch, 224)
    rig.run(program, batch, { pixels = pixels })
    program:profile(true)
    for _ = 1, runs do rig.run(program, batch, { pixels = pixels }) end
    local seconds, student = 0, 0
    for _, row in ipairs(program:plan().rows) do
        if row.role == "student" then student = student + row.seconds else seconds = seconds + row.seconds end
    end
    program:free()
    return true, ("%.3f ms an image at 224 px, %.2f %% of a DeiT-tiny's forward pass (1 thread)"):format(1000 * seconds / runs / batch,
        100 * seconds / student)
end

function mask.run(c)
    for _, g in ipairs(rig.geometries) do
        report.try(("scores %dx%d"):format(g.side, g.side), function() return on_grid(c, g) end)
    end
    local _, masks = pcall(function() return select(2, scores(c.describe(), rig.geometries[1], {})) end)
    if masks ~= true then return end
    report.try("plain pictures", function() return plain(c) end)
    report.try("ties", function() return ties(c) end)
    report.try("repeatable", function() return again(c) end)
    report.try("threads", function() return threads(c) end)
    report.try("own picture", function() return own_picture(c) end)
    report.try("other grid", function() return other_grid(c) end)
    report.try("time", function() return cost(c) end)
end

return mask
