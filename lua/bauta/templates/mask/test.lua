-- test: what the criterion promises, in numbers. Run with `bauta lua --plugins FOLDER-OF-THE-PLUGIN test.lua`.
local bauta = require "bauta"

local arch = bauta.arch "deit" { dim = 24, depth = 2, heads = 2, image = 16, patch = 4, classes = 5, drop_path = 0 }
local store = bauta.store(1)

-- Scores of two pictures by a criterion: 2 x 16 numbers.
local function scores(mask)
    local step = bauta.graph({ batch = 2, image = 16 }, function(g)
        g:model("student", arch, { store = store })
        g:declare("teacher", arch)
        g:fetch("scores", g:score(mask, "teacher"))
    end)
    local pixels = {}
    for i = 1, 2 * 16 * 16 * 3 do pixels[i] = (i * i * 31) % 256 end
    step:feed("images", pixels)
    step:run()
    return step:read "scores"
end

local plain, mine = scores(bauta.mask "student" {}), scores(bauta.mask "example" { strength = 1 })
local passed, failed = 0, 0
for i = 1, #plain do
    local row, column = math.floor((i - 1) % 16 / 4), (i - 1) % 4
    local y, x = (2 * row + 1) / 4 - 1, (2 * column + 1) / 4 - 1
    local good = math.abs(mine[i] - plain[i] * (1 - (x * x + y * y) / 2)) < 1e-6
    passed, failed = passed + (good and 1 or 0), failed + (good and 0 or 1)
end
print(("%d passed, %d failed, 0 skipped"):format(passed, failed))
return failed == 0 and 0 or 1
