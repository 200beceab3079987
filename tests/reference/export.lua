-- export: writes small models as safetensors and their logits on the pictures of parity_archs.py, for check_export.py.
--
--   bauta lua tests/reference/export.lua FOLDER
local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = here .. "/parity/?.lua;" .. package.path
local bauta = require "bauta"
local json = require "bauta.json"
local synthetic = require "synthetic"

local folder = arg[1] or error("usage: bauta lua export.lua FOLDER")
local image = 32

local function pictures(batch)
    local planes, out, pixels = synthetic.numbers("image", batch * image * image * 3), {}, image * image
    for i = 0, batch * pixels * 3 - 1 do
        local b, c, p = math.floor(i / (3 * pixels)), math.floor(i / pixels) % 3, i % pixels
        out[(b * pixels + p) * 3 + c + 1] = math.min(math.floor((planes[i + 1] + 1) * 128), 255)
    end
    return out
end

local small = { image = image, patch = 8, dim = 24, depth = 3, heads = 2, classes = 5, normalise = "half" }
local models = { deit = small, deit3 = small, cait = small, clip = small, mae = small,
    swin = { image = image, patch = 2, dim = 8, depths = "2,2,1", heads = "1,2,4", window = 4, classes = 5, normalise = "half" } }
local out = {}
for name, settings in pairs(models) do
    local store = bauta.store(7)
    local step = bauta.graph({ batch = 2, image = image }, function(g)
        g:fetch("logits", g:model("model", bauta.arch(name)(settings), { store = store }))
    end)
    step:feed("images", pictures(2))
    step:run()
    store:save(folder .. "/" .. name .. ".safetensors")
    out[name] = step:read "logits"
end
local f = assert(io.open(folder .. "/logits.json", "w"))
f:write(json.encode(out))
f:close()
