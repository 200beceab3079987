-- pixels: how far colours and places alone get on the quickstart's pictures: a linear model on the pixels of `scenes`, trained with and without shifts and
-- flips, must stay under 40 % at its best epoch, and must have learned something.
--
--   build/core/bauta lua tests/slow/pixels.lua
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local bauta = require "bauta"
local bind = require "bauta.bind.data"
local t = require "harness"

local side, batch, epochs = 32, 200, 20
local data = bauta.data "scenes" { train = 20000, test = 2000 } -- the quickstart's
local train, test = data:split "train", data:split "test"
for _, set in ipairs { train, test } do set:keep(2 ^ 29) end -- drawn once

local function logits(g, batch_of, store)
    local x = batch_of.images:cast { dtype = "f32" }:reshape { shape = ("%d,%d"):format(batch, side * side * 3) } / 127.5 - 1
    return g:op("linear", { x, g:variable(store, "weight"), g:variable(store, "bias") })
end

local function stepping(store, moments, optimiser)
    return bauta.graph({ batch = batch, image = side, feeds = { lr = { "f32", {} } } }, function(g, given)
        local z = logits(g, given, store)
        local loss = g:op("cross_entropy", { z, given.labels }):mean { axis = -100 }
        local weights, wrt = {}, { g:variable(store, "weight"), g:variable(store, "bias") }
        for i, d in ipairs(g:grad(loss, wrt)) do
            weights[i] = { variable = wrt[i], gradient = d, name = i == 1 and "weight" or "bias", shape = d:shape() }
        end
        optimiser:update(g, weights, moments, { lr = given.lr, step = given.step, depth = 1 })
        g:fetch("right", g:op("correct", { z, given.labels }, { top = 1 }))
    end)
end

local function judging(store)
    return bauta.graph({ batch = batch, image = side }, function(g, given)
        g:fetch("right", g:op("correct", { logits(g, given, store), given.labels }, { top = 1 }))
    end)
end

-- One pass over a loader; percent of right answers. before: called with the number of each batch.
local function pass(step, loader, epoch, before)
    local right, n = 0, 0
    loader:start(epoch, 0)
    for b in function() return loader:next() end do
        step:feed("images", b.images)
        step:feed("labels", b.labels)
        before(b.number)
        step:run()
        for _, v in ipairs(step:read "right") do right = right + v end
        n = n + b.count
    end
    return 100 * right / n
end

-- Trains one; returns its best accuracy on the test pictures, and the last on those of training.
local function linear(how, lr, decay)
    local store, moments = bauta.store(1), bauta.store(0)
    store:add("weight", { data.classes, side * side * 3 }, "normal", 0.01)
    store:add("bias", { data.classes }, "zero")
    local step = stepping(store, moments, bauta.optimiser "adamw" { lr = lr, weight_decay = decay })
    local judge = judging(store)
    local loader = bind.loader(train, { batch = batch, seed = 1, shuffle = true, drop_last = true, augment = { policy = how, image = side } })
    local tests = bind.loader(test, { batch = batch, augment = { policy = "none", image = side } })
    local best, own = 0, 0
    for epoch = 0, epochs - 1 do
        own = pass(step, loader, epoch, function(number)
            local done = epoch * loader.batches + number
            step:feed("step", done + 1)
            step:feed("lr", lr * (1 + math.cos(math.pi * done / (epochs * loader.batches))) / 2)
        end)
        best = math.max(best, pass(judge, tests, 0, function() end))
    end
    for _, x in ipairs { step, judge, loader, tests } do x:free() end
    return best, own
end

for _, one in ipairs { { "none", 1e-3, 0.05 }, { "none", 1e-4, 0.05 }, { "pad", 1e-3, 0.05 } } do
    local best, own = linear(one[1], one[2], one[3])
    print(("pictures %s, rate %g: %.2f %% of the test pictures, %.2f %% of those of training"):format(one[1] == "pad" and "shifted and mirrored" or "as they are",
        one[2], best, own))
    t.check(best < 40, "a linear model gets %.2f %%: colours and places tell the class", best)
    t.check(best > 15, "%.2f %%: it has learned nothing", best)
end
t.group "a linear model on the pixels"
return t.done()
