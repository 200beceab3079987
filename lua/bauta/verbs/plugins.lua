-- verb plugins: what is on the search path; with KIND and NAME, the settings of one.
local errors = require "bauta.errors"

local verb = {
    name = "plugins", usage = "[KIND [NAME]]", least = 0, most = 2,
    doc = "list the plugins that are found and those that are refused; with KIND and NAME show its settings",
    options = { { name = "markdown", doc = "Bauta's own plugins, and all settings of scripts, as Markdown: docs/reference/plugins.md" } },
}

local function judge_kind(kind)
    local kinds = {}
    for k in pairs(require("bauta.plugin").common) do
        if k == kind then return end
        kinds[#kinds + 1] = k
    end
    local described = { optimiser = true, schedule = true, mixing = true, views = true, teacher = true, fp8 = true }
    if described[kind] then
        errors.raise("arg", ("bauta.%s is no plugin; its settings are in docs/reference/plugins.md, which bauta plugins --markdown prints"):format(kind), "command line")
    end
    errors.raise("arg", errors.unknown("kind " .. errors.show(kind), kind, kinds), "command line")
end

local function list(kind)
    local bind, plugin, report = require "bauta.bind.plugin", require "bauta.plugin", require "bauta.report"
    local defined = require "bauta.defined"
    require "bauta" -- which criteria in Lua are written with
    local rows, refused = {}, {}
    for _, p in ipairs(bind.scan()) do
        if p.refused then refused[#refused + 1] = p
        elseif not kind or p.kind == kind then rows[#rows + 1] = { p.kind, p.name, p.version, p.doc } end
    end
    for of_kind, known in pairs(plugin.defined) do
        local names, broken = {}, {}
        if not kind or kind == of_kind then names, broken = defined.names(of_kind) end
        for _, name in ipairs(names) do
            local p = known[name]
            rows[#rows + 1] = { of_kind, name, "Lua", p.doc .. (p.built_in and "" or (" (%s)"):format(p.path)) }
        end
        for _, p in ipairs(broken) do refused[#refused + 1] = p end
    end
    table.sort(rows, function(a, b) return a[1] .. " " .. a[2] < b[1] .. " " .. b[2] end)
    table.insert(rows, 1, { "kind", "name", "version", "what it does" })
    io.stdout:write(#rows > 1 and report.table(rows) or "no plugin found in " .. bind.path(), "\n")
    for _, p in ipairs(refused) do io.stdout:write(("refused: %s: %s\n"):format(p.path, p.refused)) end
    return 0
end

local function show(kind, name)
    local plugin, help = require "bauta.plugin", require "bauta.help"
    local p = plugin.find(kind, name)
    io.stdout:write(("%s %s %s: %s\n%s\n"):format(kind, name, p.version, p.doc, p.path or p.where or "defined in Lua"))
    if p.cite then io.stdout:write("from: ", p.cite, "\n") end
    io.stdout:write("\nsettings (name, default, meaning):\n", help.rows(p.rows))
    local common = plugin.of_kind(kind, p)
    if #common > 0 then
        io.stdout:write(("\nsettings of every %s:\n"):format(p.channels == 1 and "source of spectrograms" or kind), help.rows(common))
    end
    return 0
end

function verb.run(given)
    if given.markdown then
        if given[1] then errors.raise("arg", "--markdown shows every kind; bauta plugins --markdown expected", "command line") end
        io.stdout:write(require("bauta.reference").markdown(require("bauta.session").places.plugins))
        return 0
    end
    if given[1] then judge_kind(given[1]) end
    if given[2] then return show(given[1], given[2]) end
    return list(given[1])
end

return verb
