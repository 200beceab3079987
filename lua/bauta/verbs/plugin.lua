-- verb plugin: for those who write plugins: a new one from a template, and the judgement of one that was built.
local errors = require "bauta.errors"
local options = require "bauta.options"

local verb = {
    name = "plugin", usage = "new KIND NAME | cflags | check FILE.so [options]", least = 1, most = 3,
    doc = "new: write a complete plugin (C file, meson.build, test, README) of a kind; cflags: print what a compiler needs to find the headers; " ..
        "check: load a built one in a child process and judge it: ABI, settings, numbers, determinism, gradients, cost",
    options = options.join({
        { name = "dir", value = "DIR", doc = "of new: the folder that is written (by default the plugin's name)" },
        { name = "set", value = "KEY=VALUE", many = true, doc = "of check: a setting of the plugin (path=/pictures)" },
        { name = "limit", value = "SECONDS", kind = "int", min = 1, max = 86400, default = 60,
            doc = "of check: longest time for one call into the plugin" },
    }, options.device),
}

function verb.run(given)
    local action = given[1]
    if action == "new" then
        if #given ~= 3 then errors.raise("arg", "bauta plugin new KIND NAME expected", "command line") end
        return require("bauta.sdk.new").run(given[2], given[3], given.dir)
    end
    if action == "cflags" then
        if #given ~= 1 then errors.raise("arg", "bauta plugin cflags expected, nothing behind it", "command line") end
        io.stdout:write("-I", require("bauta.session").places.headers, "\n")
        return 0
    end
    if action ~= "check" and action ~= "trial" then
        errors.raise("arg", errors.unknown("action " .. errors.show(action), action, { "new", "cflags", "check" }), "command line")
    end
    if #given ~= 2 then errors.raise("arg", "bauta plugin check FILE.so expected", "command line") end
    if action == "check" then return require("bauta.sdk.check").run(given[2], given) end
    return require("bauta.sdk.trial").run(given[2], given) -- what check starts as its child
end

return verb
