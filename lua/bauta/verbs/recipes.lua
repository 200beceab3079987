-- verb recipes: how papers train, by name.
local errors = require "bauta.errors"

local verb = { name = "recipes", usage = "[NAME]", least = 0, most = 1,
    doc = "list what a script's recipe = NAME may be; with NAME what it sets" }

function verb.run(given)
    local recipe = require "bauta.recipe"
    local name = given[1]
    if name and not recipe.kinds[name] then
        errors.raise("arg", errors.unknown("recipe " .. errors.show(name), name, recipe.names()), "command line")
    end
    if name then
        io.stdout:write(recipe.kinds[name].doc, "\n\n")
        for _, one in ipairs(recipe.settings(name)) do io.stdout:write(("  %s = %s\n"):format(one[1], tostring(one[2]))) end
        return 0
    end
    for _, one in ipairs(recipe.names()) do io.stdout:write(("  %-18s %s\n"):format(one, recipe.kinds[one].doc)) end
    return 0
end

return verb
