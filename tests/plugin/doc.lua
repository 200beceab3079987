-- doc: the criterion of docs/adding-a-plugin.md does what it says: with one block it is MaskedKD's, with more it is not; its settings are checked.
local bauta = require "bauta"

local failed, passed = 0, 0
local function check(ok, what)
    if ok then passed = passed + 1 else failed = failed + 1; print("not ok - " .. what) end
end

local arch = bauta.arch "deit" { dim = 24, depth = 3, heads = 2, image = 16, patch = 4, classes = 5, drop_path = 0 }
local store = bauta.store(7)

local function scores(mask)
    local step = bauta.graph({ batch = 3, image = 16 }, function(g)
        g:model("student", arch, { store = store })
        g:declare("teacher", arch)
        g:fetch("scores", g:score(mask, "teacher"))
    end)
    local pixels = {}
    for i = 1, 3 * 16 * 16 * 3 do pixels[i] = (i * i * 31) % 256 end
    step:feed("images", pixels)
    step:run()
    return step:read "scores"
end

local function largest_difference(a, b)
    local most = 0
    for i = 1, #a do most = math.max(most, math.abs(a[i] - b[i])) end
    return most
end

local student = scores(bauta.mask "student" {})
check(#student == 48, "48 scores, got " .. #student)
check(largest_difference(scores(bauta.mask "deep" { blocks = 1 }), student) == 0, "one block is the student's criterion")
local sum = scores(bauta.mask "deep" { blocks = 2, weight = 0.5 })
local before = scores(bauta.mask "student" { layer = -2 })
local most = 0
for i = 1, #sum do most = math.max(most, math.abs(sum[i] - (student[i] + 0.5 * before[i]))) end
check(most < 1e-7, "two blocks are the weighted sum; off by " .. most)
local ok, message = pcall(function() return bauta.mask "deep" { blocks = 0 } end)
check(not ok and tostring(message):find("blocks", 1, true), "blocks = 0 is refused: " .. tostring(message))
ok, message = pcall(function() return scores(bauta.mask "deep" { blocks = 4 }) end)
check(not ok and tostring(message):find("layer -4", 1, true), "more blocks than there are: " .. tostring(message))
print(("%d passed, %d failed, 0 skipped"):format(passed, failed))
return failed == 0 and 0 or 1
