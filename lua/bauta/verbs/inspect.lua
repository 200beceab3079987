-- verb inspect: what a weight file holds: its tensors, by groups or one by one, and which architecture its names and shapes fit, and numbers
-- that are none.
local card = require "bauta.card"
local errors = require "bauta.errors"
local guess = require "bauta.guess"

local verb = {
    name = "inspect", usage = "FILE [options]", least = 1, most = 1,
    doc = "what a weight file (safetensors, PyTorch's .pth) holds, and which architecture fits it",
    options = {
        { name = "all", doc = "every tensor with its type and shape" },
        { name = "prefix", value = "TEXT", default = "", doc = "only names that begin so; it is taken away" },
    },
}

local function shape(t) return "[" .. table.concat(t.shape, ",") .. "]" end

-- "blocks.0.attn.qkv.weight" -> "blocks.*.attn.qkv.weight"
local function group(name) return (name:gsub("%.%d+%.", ".*."):gsub("%.%d+%.", ".*.")) end

function verb.run(given)
    local weights = require "bauta.bind.weights"
    local file = weights.open(given[1])
    local list, groups, order, numbers, types = {}, {}, {}, 0, {}
    for _, t in ipairs(file:list()) do
        if t.name:sub(1, #given.prefix) == given.prefix then
            t.name = t.name:sub(#given.prefix + 1)
            list[#list + 1] = t
        end
    end
    if #list == 0 and given.prefix ~= "" then errors.raise("data", ("no name begins with %q"):format(given.prefix), given[1]) end
    for _, t in ipairs(list) do
        numbers = numbers + t.count
        types[t.dtype] = (types[t.dtype] or 0) + 1
        local key = (given.all and t.name or group(t.name)) .. " " .. t.dtype .. shape(t)
        if not groups[key] then order[#order + 1] = key end
        groups[key] = (groups[key] or 0) + 1
    end
    local kinds = {}
    for dtype, n in pairs(types) do kinds[#kinds + 1] = ("%d %s"):format(n, dtype) end
    table.sort(kinds)
    io.stdout:write(("%s: %d tensors (%s), %d numbers\n"):format(given[1], #list, table.concat(kinds, ", "), numbers))
    for _, key in ipairs(order) do
        io.stdout:write(groups[key] > 1 and ("  %s  x%d\n"):format(key, groups[key]) or ("  %s\n"):format(key))
    end
    local notes = file:notes()
    for _, line in ipairs(guess.lines(list, notes)) do io.stdout:write(line, "\n") end
    if next(notes) then io.stdout:write("its notes:\n", table.concat(card.lines(notes), "\n"), "\n") end
    local timm = card.timm(notes)
    if timm then io.stdout:write("in Python: ", timm, "\n") end
    for _, line in ipairs(weights.defect_lines(file:defects())) do io.stdout:write(line, "\n") end
    file:free()
    return 0
end

return verb
