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

local dino = bauta.schedule "dino" { warmup = 10, floor = 1e-6 }
for step, want in pairs { [0] = 0, [1] = 3.996962e-8, [25019] = 1e-3, [25020] = 1e-3, [125100] = 5.872373e-4, [250199] = 1e-6 } do
    t.near(dino:lr(1e-3, 100, math.floor(step / 2502), step % 2502 / 2502, 2502), want, 1e-6 * want + 1e-12, "DINO, step " .. step)
end
local small = bauta.schedule "dino" { warmup = 2, floor = 1e-6 }
for step, want in pairs { [0] = 0, [1] = 0.000142857, [7] = 0.001, [8] = 0.001, [20] = 0.000691650, [39] = 0.000003405 } do
    t.near(small:lr(1e-3, 10, math.floor(step / 4), step % 4 / 4, 4), want, 1e-9, "DINO (G-L20), step " .. step)
end
local probe = bauta.schedule "cosine" { warmup = 0, floor = 0, lag = false }
for epoch, want in pairs { [0] = 0.001, [50] = 0.0005, [99] = 0.000000247 } do
    t.near(probe:lr(0.001, 100, epoch, 0), want, 1e-9, "DINO's linear probe (G-E5), epoch " .. epoch)
end
local linear = bauta.schedule "cosine-shifted" { warmup = 10, floor = 0 }
for epoch, want in pairs { [0] = 0, [5] = 3.2, [10] = 6.4, [50] = 3.2 } do
    t.near(linear:lr(6.4, 90, epoch, 0), want, 1e-9, "MAE's linear probe (G-E5), epoch " .. epoch)
end
t.group "schedules of DINO and of linear probes"

local stepped = bauta.schedule "stepped" { warmup = 20 }
t.near(stepped:lr(1e-3, 300, 0, 0), 1e-6, 1e-12, "mmcls begins at a thousandth")
t.near(stepped:lr(1e-3, 300, 10, 0), 1e-6 + 0.5 * (1e-3 - 1e-6), 1e-12, "half of the warm-up")
t.near(stepped:lr(1e-3, 300, 20, 0), 1e-3, 1e-12, "its end")
t.equal(stepped:lr(1e-3, 300, 160, 0.9), stepped:lr(1e-3, 300, 160, 0), "then per epoch")
t.near(stepped:lr(1e-3, 300, 160, 0), (1e-3 + 1e-5) / 2, 1e-12, "the middle")
local audio = bauta.schedule "exponential" {}
for epoch, want in pairs { [0] = 1, [4] = 1, [5] = 0.85, [24] = 0.85 ^ 20 } do
    t.near(audio:lr(1e-4, 25, epoch, 0), 1e-4 * want, 1e-15, "AST, epoch " .. epoch)
end
local steps = bauta.schedule "steps" {}
for epoch, want in pairs { [14] = 1, [15] = 0.1, [30] = 0.01, [39] = 0.01, [40] = 0.001 } do
    t.near(steps:lr(0.01, 50, epoch, 0), 0.01 * want, 1e-12, "steps, epoch " .. epoch)
end
local poly = bauta.schedule "polynomial" { floor = 1e-5 }
t.near(poly:lr(1e-3, 4, 1, 0.5), 1e-5 + (1e-3 - 1e-5) * (1 - 1.5 / 4) ^ 0.9, 1e-12, "polynomial")
for _, at in ipairs { "", "a", "3,2", "5,5", "-1", "1,,2", {} } do
    t.refused(function() bauta.schedule "steps" { at = at } end, "steps at " .. tostring(at))
end
t.group "the other schedules"

t.equal(bauta.schedule "constant" {}:lr(0.1, 10, 3, 0.5), 0.1, "constant")
t.equal(bauta.schedule "cosine" {}:warm(300), 5, "automatic warm-up of a long run")
t.equal(bauta.schedule "cosine" {}:warm(20), 2, "automatic warm-up of a short run")
t.equal(bauta.schedule "cosine-shifted" { warmup = 5 }:defect(5, 1e-3), "schedule.warmup = 5 epochs; the run has 5",
    "warm-up as long as the run")
t.equal(bauta.schedule "cosine-shifted" { warmup = 5 }:defect(6, 1e-3), nil, "warm-up shorter than the run")
t.equal(bauta.schedule "cosine" {}:defect(2, 1e-3), "schedule cosine: the rate of a run of 2 epochs stays at 1e-06 or below, its base is 0.001; " ..
    "lag = false or cosine-shifted begin at once", "a run that learns nothing")
t.equal(bauta.schedule "cosine" { lag = false }:defect(2, 1e-3), nil, "without the lag")
for kind in pairs(require("bauta.schedule").kinds) do
    for _, epochs in ipairs { 0.3, 1, 2.5, 10 } do
        local why = bauta.schedule(kind) {}:defect(epochs, 1e-3)
        t.check(kind == "cosine" and epochs < 3 or why == nil, "%s over %g epochs: %s", kind, epochs, tostring(why))
    end
end
t.group "constant, automatic warm-up"
return t.done()
