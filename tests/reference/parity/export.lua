-- parity of exported weights: what a small model answers with the weights it begins with, to compare with what timm answers when it has loaded the file that
-- Bauta wrote of them (check_export.py). A case: arch, settings. Wanted: logits. Also returns the store.
local bauta = require "bauta"
local synthetic = require "synthetic"

local image, batch = 32, 2

-- The pictures of parity_archs.py.
local function pictures()
    local planes, out, pixels = synthetic.numbers("image", batch * image * image * 3), {}, image * image
    for i = 0, batch * pixels * 3 - 1 do
        local b, c, p = math.floor(i / (3 * pixels)), math.floor(i / pixels) % 3, i % pixels
        out[(b * pixels + p) * 3 + c + 1] = math.min(math.floor((planes[i + 1] + 1) * 128), 255)
    end
    return out
end

return function(case)
    local store = bauta.store(7)
    local step = bauta.graph({ batch = batch, image = image }, function(g)
        g:fetch("logits", g:model("model", bauta.arch(case.arch)(case.settings), { store = store }))
    end)
    step:feed("images", pictures())
    step:run()
    return { logits = step:read "logits" }, store
end
