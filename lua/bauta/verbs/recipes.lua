-- verb recipes: how papers train, and what they minimise, by name.
local errors = require "bauta.errors"

local verb = { name = "recipes", usage = "[NAME]", least = 0, most = 1,
    doc = "list what a script's recipe = NAME, and NAME of bauta.losses, may be; with NAME what it sets" }

-- The settings of a recipe.
local function show_recipe(recipe, name)
    io.stdout:write(recipe.kinds[name].doc, "\n\n")
    for _, one in ipairs(recipe.settings(name)) do io.stdout:write(("  %s = %s\n"):format(one[1], tostring(one[2]))) end
end

local function show_losses(losses, name)
    io.stdout:write(('losses = bauta.losses "%s" {}: %s\n\n  %s\n'):format(name, losses.kinds[name].doc, losses.parts(name)))
end

local function list(names, kinds)
    for _, name in ipairs(names) do io.stdout:write(("  %-18s %s\n"):format(name, kinds[name].doc)) end
end

function verb.run(given)
    local recipe, losses = require "bauta.recipe", require "bauta.losses"
    local name = given[1]
    if not name then
        io.stdout:write "recipe = NAME:\n"
        list(recipe.names(), recipe.kinds)
        io.stdout:write "\nlosses = bauta.losses \"NAME\" {}:\n"
        list(losses.names(), losses.kinds)
        return 0
    end
    if not recipe.kinds[name] and not losses.kinds[name] then
        local names = recipe.names()
        for _, one in ipairs(losses.names()) do names[#names + 1] = one end
        errors.raise("arg", errors.unknown("recipe " .. errors.show(name), name, names), "command line")
    end
    if recipe.kinds[name] then show_recipe(recipe, name) end
    if recipe.kinds[name] and losses.kinds[name] then io.stdout:write "\n" end
    if losses.kinds[name] then show_losses(losses, name) end
    return 0
end

return verb
