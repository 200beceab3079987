-- sdk/reducer: what a reducer promises: fewer tokens inside of a model whose logits stay finite, are the same again and on any number of
-- threads, and each picture's own; and what it saves.
local arch = require "bauta.sdk.arch"
local errors = require "bauta.errors"
local report = require "bauta.sdk.report"
local rig = require "bauta.sdk.rig"

local reducer = {}

local function vit(g) return rig.vit(g, 12) end

function reducer.built(description) (arch.program(vit(rig.geometries[1]), { batch = 2, reducer = description })):free() end

local function on_grid(c, g)
    local d, left, before = vit(g), nil, nil
    local o = { batch = g.batch, reducer = c.describe() }
    local program = arch.program(d, o, function(b)
        left, before = b:signal("student", "features"):shape()[2], d.patches + d.prefix
    end)
    arch.run_program(program, d, o)
    local ok, _, v = rig.finite(program:read "logits")
    program:free()
    if not ok then return false, ("logit %s"):format(tostring(v)) end
    return true, ("%d of %d tokens are left behind the last block"):format(left, before)
end

-- A model that sees the half of the patches: fewer still, or a refusal.
local function masked(c)
    local d = vit(rig.geometries[3])
    local ran, out = pcall(arch.logits, d, { batch = 2, kept = math.floor(d.patches / 2), reducer = c.describe() })
    if ran then return rig.finite(out) and true or false, "finite logits also where the model sees half of the patches" end
    if errors.is(out) and out.code ~= "bug" then return "note", "refused: " .. out.lines[1] end
    error(out, 0)
end

local function changes(c)
    local d = vit(rig.geometries[3])
    if rig.same(arch.logits(d, { batch = 2 }), arch.logits(d, { batch = 2, reducer = c.describe() })) then
        return "note", "the logits are the same as without it"
    end
    return true, "the logits are others than without it"
end

local function again(c)
    local d = vit(rig.geometries[3])
    local first = arch.logits(d, { batch = 3, reducer = c.describe() })
    for n = 1, 3 do
        if not rig.same(first, arch.logits(d, { batch = 3, threads = n, reducer = c.describe() })) then
            return false, ("other logits with %d threads"):format(n)
        end
    end
    return true, "1, 2 and 3 threads give the same bits"
end

local function own_picture(c)
    local d = vit(rig.geometries[3])
    local pixels = arch.pixels(d, 3)
    local worst, size = rig.moved(arch.logits(d, { batch = 3, pixels = pixels, reducer = c.describe() }),
        arch.logits(d, { batch = 3, pixels = rig.mixed(pixels, 3), reducer = c.describe() }), 3)
    if worst > 1e-4 * size then return false, ("the logits of a picture depend on the others of its batch (by %.3g)"):format(worst) end
    return true, ("other pictures of the batch change a logit by at most %.1g"):format(worst)
end

-- Milliseconds and multiply-adds of a picture in DeiT-tiny at 224, without and with.
local function cost(c)
    local ffi, cost_of, plugin = require "bauta.ffi", require "bauta.cost", require "bauta.plugin"
    local d, seconds, macs = plugin.describe("arch", "deit", { size = "tiny", drop_path = 0 }), {}, {}
    for i, with in ipairs { false, c.describe() } do
        local program = arch.program(d, { batch = 2, reducer = with or nil })
        macs[i], seconds[i] = cost_of.summary(program:plan(), 2).total.macs, math.huge
        for _ = 1, 3 do
            local start = ffi.clock()
            arch.run_program(program, d, { batch = 2 })
            seconds[i] = math.min(seconds[i], ffi.clock() - start)
        end
        program:free()
    end
    return true, ("DeiT-tiny at 224 px: %s MACs, %s without; %.1f ms an image, %.1f without (1 thread)"):format(cost_of.si(macs[2]),
        cost_of.si(macs[1]), 500 * seconds[2], 500 * seconds[1])
end

function reducer.run(c)
    for _, g in ipairs(rig.geometries) do
        report.try(("tokens %dx%d"):format(g.side, g.side), function() return on_grid(c, g) end)
    end
    report.try("masked", function() return masked(c) end)
    report.try("effect", function() return changes(c) end)
    report.try("repeatable", function() return again(c) end)
    report.try("own picture", function() return own_picture(c) end)
    report.try("time", function() return cost(c) end)
end

return reducer
