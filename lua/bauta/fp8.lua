-- fp8: that a teacher's blocks are computed in FP8 (E4M3), as a setting: how its scales are found, and what it must reach beside itself in the
-- run's precision before it is used.
--
--   teacher_precision = "fp8"   or   bauta.fp8 { calibration = 1024, same = 97 }
local check = require "bauta.check"
local errors = require "bauta.errors"

local fp8 = {}
fp8.__index = fp8
fp8.class = "fp8"

fp8.rows = {
    { name = "calibration", type = "int", default = 512, min = 1, max = 2 ^ 31, unit = "pictures",
        doc = "training pictures, as the first steps show them, on which the range of each layer's input is measured; whole batches, an epoch at most" },
    { name = "test", type = "int", default = 512, min = 1, max = 2 ^ 31, unit = "pictures",
        doc = "test pictures of the agreement test, evenly spaced over the split" },
    { name = "same", type = "float", default = 95, min = 0, max = 100, unit = "%", doc = "of them on which both must name the same class, at least" },
    { name = "kl", type = "float", default = 0.05, min = 0, max = 1e6, unit = "nats", doc = "KL(run's precision || FP8) of the answers, mean, at most" },
    { name = "difference", type = "float", default = 0.5, min = 0, max = 1e6,
        doc = "largest difference of two logits of a picture by its largest logit, of all pictures, at most" },
}

function fp8.new(given) return setmetatable(check.settings(fp8.rows, given, "fp8"), fp8) end
function fp8:schema() return fp8.rows end

function fp8:describe()
    local out = { name = "fp8" }
    for _, row in ipairs(fp8.rows) do out[row.name] = self[row.name] end
    return out
end

-- A teacher's precision as a script gives it.
function fp8.judge(v)
    if v == "fp8" then return fp8.new {} end
    if v == "run" or check.class_of(v) == "fp8" then return v end
    return nil, "is " .. errors.show(v)
end
fp8.what = '"run", "fp8" or bauta.fp8 {...}'

return fp8
