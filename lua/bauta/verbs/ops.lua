-- verb ops: the operations of graphs; each is also a method of tensors in Lua.
local errors = require "bauta.errors"

local verb = { name = "ops", usage = "[NAME]", least = 0, most = 1,
    doc = "list the operations of graphs; with NAME its inputs and settings" }

local function show(name)
    local bind, help = require "bauta.bind.graph", require "bauta.help"
    local all, by_name = bind.operations()
    local op = by_name[name]
    if not op then
        local names = {}
        for i, o in ipairs(all) do names[i] = o.name end
        errors.raise("arg", errors.unknown("operation " .. errors.show(name), name, names), "command line")
    end
    local inputs = op.min_in == op.max_in and tostring(op.min_in) or ("%d to %d"):format(op.min_in, op.max_in)
    io.stdout:write(("%s: %s\n%s inputs, %d outputs\n"):format(op.name, op.doc or "", inputs, op.n_out))
    if #op.rows > 0 then io.stdout:write("\nsettings (name, default, meaning):\n", help.rows(op.rows)) end
    return 0
end

function verb.run(given)
    if given[1] then return show(given[1]) end
    local bind = require "bauta.bind.graph"
    for _, op in ipairs((bind.operations())) do io.stdout:write(("  %-22s %s\n"):format(op.name, op.doc or "")) end
    return 0
end

return verb
