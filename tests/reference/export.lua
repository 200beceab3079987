-- export: writes small models as safetensors, and models.json, what they are and answer, for check_export.py.
--
--   bauta lua tests/reference/export.lua FOLDER
local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = here .. "/parity/?.lua;" .. package.path
local json = require "bauta.json"
local export = require "export"

local folder = arg[1] or error("usage: bauta lua export.lua FOLDER")

-- Settings over those of a small ViT.
local function small(more)
    local out = { image = 32, patch = 8, dim = 24, depth = 3, heads = 2, classes = 5, normalise = "half" }
    for k, v in pairs(more or {}) do out[k] = v end
    return out
end

local dino = small()
dino.classes = nil
local models = {
    ["DeiT"] = { "deit", small() }, ["distilled DeiT"] = { "deit", small { distilled = true } }, ["DeiT III"] = { "deit3", small() }, ["CaiT"] = { "cait", small() },
    ["ConViT"] = { "convit", small { heads = 4, ["local"] = 2 } }, ["CLIP"] = { "clip", small() }, ["MAE"] = { "mae", small() }, ["DINO"] = { "dino", dino },
    ["Swin"] = { "swin", { image = 32, patch = 2, dim = 8, depths = "2,2,1", heads = "1,2,4", window = 4, classes = 5, normalise = "half" } },
}
local out = {}
for name, m in pairs(models) do
    local got, store = export { arch = m[1], settings = m[2] }
    store:save(folder .. "/" .. name .. ".safetensors")
    out[name] = { arch = m[1], settings = m[2], logits = got.logits }
end
local f = assert(io.open(folder .. "/models.json", "w"))
f:write(json.encode(out))
f:close()
