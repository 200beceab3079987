-- test: what the loss promises, in numbers. Run with `bauta lua --plugins FOLDER-OF-THE-PLUGIN test.lua`.
local bauta = require "bauta"

local function vit(dim) return bauta.arch "deit" { dim = dim, depth = 2, heads = 2, image = 16, patch = 4, classes = 5, drop_path = 0 } end

-- The loss, and the logits of student and teacher, for two pictures.
local function measure(loss)
    local step = bauta.graph({ batch = 2, image = 16 }, function(g)
        g:fetch("student", g:model("student", vit(24), { store = bauta.store(1) }))
        g:fetch("teacher", g:model("teacher", vit(36), { store = bauta.store(2) }))
        g:fetch("loss", g:loss(loss))
    end)
    local pixels = {}
    for i = 1, 2 * 16 * 16 * 3 do pixels[i] = (i * i * 31) % 256 end
    step:feed("images", pixels)
    step:feed("labels", { 0, 1 })
    step:run()
    return step:read "loss", step:read "student", step:read "teacher"
end

local got, student, teacher = measure(bauta.loss "example" { weight = 3 })
local sum = 0
for row = 0, 1 do
    local both, ours, theirs = 0, 0, 0
    for i = row * 5 + 1, row * 5 + 5 do
        both, ours, theirs = both + student[i] * teacher[i], ours + student[i] ^ 2, theirs + teacher[i] ^ 2
    end
    sum = sum + 1 - both / math.sqrt(ours * theirs)
end
local good = math.abs(got - 3 * sum / 2) < 1e-5
if not good then print("not ok - got " .. got .. ", expected " .. 3 * sum / 2) end
print(("%d passed, %d failed, 0 skipped"):format(good and 1 or 0, good and 0 or 1))
return good and 0 or 1
