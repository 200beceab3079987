-- test: what the architecture promises, in numbers. Run with `bauta lua --plugins FOLDER-OF-THE-PLUGIN test.lua`.
local bauta = require "bauta"

local arch = bauta.arch "example" { dim = 24, depth = 2, heads = 2, image = 16, patch = 4, classes = 5 }
local store = bauta.store(1)
local step = bauta.graph({ batch = 2, image = 16 }, function(g)
    g:fetch("logits", g:model("student", arch, { store = store }))
    g:fetch("features", g:signal("student", "features"))
end)
local pixels = {}
for i = 1, 2 * 16 * 16 * 3 do pixels[i] = (i * i * 31) % 256 end
step:feed("images", pixels)
step:run()

-- The logits again, from the features [2,17,24]: the mean over the patches, then the head.
local features, logits, weight, bias = step:read "features", step:read "logits", store:read "head.weight", store:read "head.bias"
local passed, failed = 0, 0
for picture = 0, 1 do
    for class = 0, 4 do
        local want = bias[class + 1]
        for i = 0, 23 do
            local mean = 0
            for patch = 1, 16 do mean = mean + features[(picture * 17 + patch) * 24 + i + 1] / 16 end
            want = want + weight[class * 24 + i + 1] * mean
        end
        local good = math.abs(logits[picture * 5 + class + 1] - want) < 1e-5
        passed, failed = passed + (good and 1 or 0), failed + (good and 0 or 1)
    end
end
print(("%d passed, %d failed, 0 skipped"):format(passed, failed))
return failed == 0 and 0 or 1
