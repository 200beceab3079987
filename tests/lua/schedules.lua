-- schedules: golden learning rates, measured from published logs and computed by the reference programs.
local bauta = require "bauta"
local t = require "harness"

local deit = bauta.schedule "cosine" { warmup = 5, start = 1e-6, floor = 1e-5 }
local golden = { [0] = 1e-6, [1] = 1e-6, [2] = 2.008e-4, [3] = 4.006e-4, [4] = 6.004e-4, [5] = 8.002e-4, [6] = 9.993216e-4,
    [7] = 9.990232e-4,
    [150] = 5.101835e-4, [298] = 1.024425e-5, [299] = 1.010856e-5 }
for epoch, want in pairs(golden) do t.near(deit:lr(1e-3, 300, epoch, 0), want, 1e-6 * want, "DeiT, epoch " .. epoch) end
for _, place in ipairs { 0, 0.3, 0.99 } do t.equal(deit:lr(1e-3, 300, 7, place), deit:lr(1e-3, 300, 7, 0),
    "per epoch, not per step") end
t.group "cosine as timm has it, with its lag"

local prompt = bauta.schedule "cosine" { warmup = 5, start = 1e-6, floor = 1e-5, lag = false }
for epoch = 0, 298 do t.equal(prompt:lr(1e-3, 300, epoch, 0), deit:lr(1e-3, 300, epoch + 1, 0), "lag is one epoch") end
t.group "cosine without the lag"

local mae = bauta.schedule "cosine-shifted" { warmup = 5, floor = 1e-6 }
for _, row in ipairs { { 0, 0, 0 }, { 0, 0.5, 4e-4 }, { 5, 0, 4e-3 }, { 27, 0.5, 2.0005e-3 } } do
    t.near(mae:lr(4e-3, 50, row[1], row[2]), row[3], 1e-9, ("MAE, epoch %g"):format(row[1] + row[2]))
end
t.near(mae:lr(4e-3, 50, 49, 1), 1e-6, 1e-12, "MAE, at the end")
t.group "cosine after the warm-up, per step"

t.equal(bauta.schedule "constant" {}:lr(0.1, 10, 3, 0.5), 0.1, "constant")
t.equal(bauta.schedule "cosine" {}:warm(300), 5, "automatic warm-up of a long run")
t.equal(bauta.schedule "cosine" {}:warm(20), 2, "automatic warm-up of a short run")
t.equal(bauta.schedule "cosine-shifted" { warmup = 5 }:defect(5), "schedule.warmup = 5 epochs; the run has 5",
    "warm-up as long as the run")
t.equal(bauta.schedule "cosine-shifted" { warmup = 5 }:defect(6), nil, "warm-up shorter than the run")
t.group "constant, automatic warm-up"
return t.done()
