-- test: what the reducer promises, in numbers. Run with `bauta lua --plugins FOLDER-OF-THE-PLUGIN test.lua`.
local bauta = require "bauta"

-- Tokens after each block of a model of n x n patches, with the reducer in its second block.
local function tokens(n)
    local arch = bauta.arch "deit" { dim = 24, depth = 3, heads = 2, image = 4 * n, patch = 4, classes = 5, drop_path = 0 }
    local left = {}
    bauta.graph({ batch = 2, image = 4 * n }, function(g)
        g:model("student", arch, { store = bauta.store(1), reducer = bauta.reducer "example" { layer = 1 } })
        for layer = 0, 2 do left[layer] = g:signal("student", "tokens", layer):shape()[2] end
    end)
    return left
end

local passed, failed = 0, 0
local function check(got, want, what)
    passed, failed = passed + (got == want and 1 or 0), failed + (got == want and 0 or 1)
    if got ~= want then print(("not ok - %s: %s, expected %s"):format(what, tostring(got), tostring(want))) end
end

for _, case in ipairs { { 4, 17, 9 }, { 5, 26, 14 } } do -- 16 patches: 8 pairs; 25: 12 pairs and one alone
    local left = tokens(case[1])
    check(left[0], case[2], "before it")
    check(left[1], case[3], "in its block")
    check(left[2], case[3], "after it")
end
print(("%d passed, %d failed, 0 skipped"):format(passed, failed))
return failed == 0 and 0 or 1
