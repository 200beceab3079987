-- verb convert: a weight file as safetensors, numbers as fp32. Names stay as they are, but for a prefix that is taken away.
local errors = require "bauta.errors"

local verb = {
    name = "convert", usage = "FILE OUT.safetensors [options]", least = 2, most = 2,
    doc = "write the tensors of a weight file (PyTorch's .pth, safetensors) as safetensors in fp32",
    options = { { name = "prefix", value = "TEXT", default = "", doc = "only names that begin so; it is taken away" } },
}

function verb.run(given)
    if not given[2]:find "%.safetensors$" then
        errors.raise("arg", ("%s: a name that ends in .safetensors expected"):format(given[2]), "command line")
    end
    local weights = require "bauta.bind.weights"
    local file, floats = weights.open(given[1]), weights.floats
    local take, left, seen = {}, {}, 0
    for i, t in ipairs(file:list()) do
        if t.name:sub(1, #given.prefix) == given.prefix then
            local name = t.name:sub(#given.prefix + 1)
            seen = seen + 1
            if floats[t.dtype] and #t.shape <= 5 and name ~= "" then take[#take + 1] = { at = i, name = name }
            else left[#left + 1] = ("%s (%s[%s])"):format(t.name, t.dtype, table.concat(t.shape, ",")) end
        end
    end
    if #take == 0 then
        errors.raise("data", seen == 0 and ("no name begins with %q"):format(given.prefix) or "no tensor of real numbers", given[1])
    end
    local notes = file:notes()
    notes.format, notes.converted_by = "pt", "bauta " .. require("bauta.ffi").version()
    local wrong = file:write(given[2], take, notes)
    file:free()
    io.stdout:write(("%s: %d tensors\n"):format(given[2], #take))
    for _, line in ipairs(weights.defect_lines(wrong)) do io.stdout:write(line, "\n") end
    for _, name in ipairs(left) do io.stdout:write("left out, not real numbers of at most 5 axes: ", name, "\n") end
    return 0
end

return verb
