-- recompute: gradients through blocks that are computed again are, to the bit, those through blocks that were kept: every architecture, losses that look
-- into blocks, blocks described by hand; what is of no use is refused.
local bauta = require "bauta"
local builder = require "bauta.builder"
local session = require "bauta.session"
local t = require "harness"

local pixels = {}
for i = 1, 4 * 32 * 32 * 3 do pixels[i] = i * 7919 % 256 end

-- What a step gives, as one text, and its plan. describe: with the builder; of: how recompute is set.
local function outcome(of, precision, describe)
    local b = builder.new { device = session.device(), seed = 5, precision = precision, batch = 4 }
    b:pictures(4, { image_rows = 32, image_columns = 32, channels = 3 })
    b:recompute(of)
    local names = describe(b)
    local program = b:finish()
    local plan, out = program:plan(), {}
    program:feed("images", pixels)
    program:feed("labels", { 1, 2, 3, 4 })
    for step = 1, 2 do
        program:feed("step", step)
        program:feed("epoch", 0)
        program:feed("progress", 0)
        program:run()
        for _, name in ipairs(names) do
            local v = program:read(name)
            for _, x in ipairs(type(v) == "table" and v or { v }) do out[#out + 1] = ("%.9g"):format(x) end
        end
    end
    program:free()
    return table.concat(out, " "), plan
end

local function repeated(plan)
    local macs = 0
    for _, row in ipairs(plan.rows) do
        if row.role:find "%.recompute$" then
            macs = macs + row.macs
            t.equal(row.nominal, 0, row.role .. ": the papers count a model once")
        end
    end
    return macs
end

-- describe() makes everything anew, so that both begin alike.
local function compared(what, precision, describe, share)
    local kept, plan = outcome("none", precision, describe)
    local again, lean = outcome("blocks", precision, describe)
    t.check(#kept > 100 and not kept:find "nan", "%s: there are numbers: %s", what, kept:sub(1, 60))
    t.check(kept == again, "%s: other bits", what)
    t.check(plan.again == 0 and repeated(plan) == 0 and plan.kept == plan.arena, "%s: nothing is computed again unless that is asked for", what)
    t.check(lean.again > 0 and repeated(lean) > 0, "%s: %d nodes are computed again", what, lean.again)
    t.equal(lean.kept, plan.arena, what .. ": what was needed without it")
    t.check(lean.arena < (share or 1) * plan.arena, "%s: %d of %d bytes", what, lean.arena, plan.arena)
end

-- A student and a loss; the gradients of all its weights and of what the loss learns.
local function learning(student, loss, settings, teachers)
    return function(b)
        local stores, wrt, names = { bauta.store(1), bauta.store(2) }, {}, {}
        b:model("student", student, { store = stores[1], training = true })
        for i, arch in ipairs(teachers or {}) do b:model(i == 1 and "teacher" or "teacher" .. i, arch, { store = bauta.store(10 + i) }) end
        local total = b:loss(bauta.loss(loss, settings or {}), nil, stores[2])
        for i = 2, #(teachers or {}) do
            b:alias("teacher", "teacher" .. i)
            total = total + b:loss(bauta.loss(loss, settings or {}), loss .. i, stores[2])
            b:alias("teacher", nil)
        end
        b:fetch("loss", total)
        for _, store in ipairs(stores) do
            for _, w in ipairs(store:list()) do
                if not w.fixed then wrt[#wrt + 1] = b:variable(store, w.name) end
            end
        end
        names[1] = "loss"
        for i, d in ipairs(b:grad(total, wrt)) do
            if d then
                names[#names + 1] = "slope" .. i
                b:fetch("slope" .. i, d)
            end
        end
        return names
    end
end

local function arch(name, more)
    local s = { image = 32, classes = 10, dim = 24, heads = 2, depth = 3, patch = 8, drop_path = 0.3 }
    for k, v in pairs(more or {}) do s[k] = v end
    if name == "swin" then s.depth, s.patch = nil, 4 end
    if name == "convvit" then s.patch = nil end
    return bauta.arch(name)(s)
end

local own = { swin = { dim = 8, depths = "2,1", heads = "1,2", window = 4 }, convvit = { depth = 2, stem_depth = 1 }, convit = { heads = 4, ["local"] = 2 } }
for _, name in ipairs { "cait", "clip", "convit", "convvit", "deit", "deit3", "dino", "mae", "swin" } do
    for _, precision in ipairs { "fp32", "bf16" } do compared(name .. " in " .. precision, precision, learning(arch(name, own[name]), "cross-entropy")) end
end
t.group "every architecture, in fp32 and bf16"

local wide = bauta.arch "deit" { dim = 48, depth = 3, heads = 4, image = 32, patch = 8, classes = 10 }
for _, l in ipairs { { "logit" }, { "fitnet", { layers = "all" } }, { "mgd" }, { "vitkd" }, { "manifold" }, { "attention" } } do
    compared("loss " .. l[1], "fp32", learning(arch "deit", l[1], l[2], { wide }))
end
compared("two teachers", "fp32", learning(arch "deit", "logit", {}, { wide, arch("deit3", { dim = 36 }) }))
t.group "losses that look inside, and two teachers"

-- ---- blocks by hand: twenty layers in five blocks ----
local function chain(blocked)
    return function(b)
        local store, wrt, names = bauta.store(3), {}, { "loss", "inside" }
        local x = b:input("x", "f32", { 64, 64 }) * 1
        for i = 1, 20 do
            if blocked and i % 4 == 1 then b:block "new" end
            store:add("w" .. i, { 64, 64 }, "normal", 0.2)
            wrt[i] = b:variable(store, "w" .. i)
            x = b:op("matmul", { x, wrt[i] }):tanh():square():tanh()
            if i == 6 then b:fetch("inside", x) end
        end
        t.equal(b:block(0), blocked and 5 or 0, "the last block")
        local loss = x:square():mean { axis = -100 }
        b:fetch("loss", loss)
        for i, d in ipairs(b:grad(loss, wrt)) do
            names[#names + 1] = "slope" .. i
            b:fetch("slope" .. i, d:mean { axis = -100 })
        end
        return names
    end
end
local numbers = {}
for i = 1, 64 * 64 do numbers[i] = math.sin(i) end
local function fed(describe) return function(b)
    local names = describe(b)
    local finish = b.finish
    b.finish = function(self, ...)
        local program = finish(self, ...)
        program:feed("x", numbers)
        return program
    end
    return names
end end
compared("a chain", "fp32", fed(chain(true)), 0.7)
t.group "blocks by hand"

-- ---- refusals ----
-- Blocks that begin with means of much: to keep what enters them takes more than to keep what they compute.
local function wasteful(b)
    local store = bauta.store(3)
    store:add("w", { 64, 64 }, "normal", 0.2)
    local w = b:variable(store, "w")
    local x, sum = b:input("x", "f32", { 64, 64 })
    for i = 1, 4 do
        local many = w * (x * i)
        b:block "new"
        local few = many:mean { axis = 1 }:tanh():square()
        b:block(0)
        sum = sum and sum + few or few
    end
    b:fetch("slope", b:grad(sum:mean { axis = -100 }, { w })[1]:mean { axis = -100 })
    return { "slope" }
end
local useless = "recompute = blocks has no effect: no gradient needs what blocks compute (none is taken, the blocks are not trained, or there are none), or keeping it takes less memory"
t.raises(useless, function() outcome("blocks", "fp32", fed(chain(false))) end)
t.raises(useless, function()
    bauta.graph({ batch = 2, image = 32, recompute = "blocks" }, function(g) g:fetch("y", g:model("student", wide, { store = bauta.store(1) })) end)
end)
t.raises(useless, function() outcome("blocks", "fp32", function(b)
    local store = bauta.store(1)
    b:model("student", wide, { store = store })
    b:fetch("d", b:grad(b:loss(bauta.loss "cross-entropy" {}), { b:variable(store, "head.weight") })[1])
    return { "d" }
end) end)
t.raises(useless, function() outcome("blocks", "fp32", fed(wasteful)) end)
local g = builder.new { device = session.device() }
t.raises("recompute = \"all\"; none or blocks expected", function() g:recompute "all" end)
t.raises("graph: block 1; -1 (a new one), 0 (none) or one of the 0 that were begun expected", function() g:block(1) end)
t.equal(g:block "new", 0, "the first one")
t.equal(g:block(0), 1, "its number")
t.equal(g:block(1), 0, "begun before")
t.raises("graph: block -2; -1 (a new one), 0 (none) or one of the 1 that were begun expected", function() g:block(-2) end)
t.check(not pcall(g.block, g, 1.5) and not pcall(g.block, g, "x"), "no block")
t.raises('graph.recompute = "all"; expected "none" or "blocks"', function() bauta.graph({ recompute = "all" }, function() end) end)
t.group "refusals"
return t.done()
