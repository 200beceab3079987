-- reference: the plugins and all else that scripts describe, with their settings, as Markdown, made from the schemas. `bauta plugins --markdown` prints it;
-- docs/reference/plugins.md is what it printed, and a test says when that is old.
local bind = require "bauta.bind.plugin"
local check = require "bauta.check"
local defined = require "bauta.defined"
local errors = require "bauta.errors"
local losses = require "bauta.losses"
local plugin = require "bauta.plugin"

local reference = {}

local titles = { arch = "Architectures", data = "Data", loss = "Losses", mask = "Criteria", reducer = "Token reduction" }
local says = {
    arch = '`bauta.arch "NAME" { ... }`: a model.', data = '`bauta.data "NAME" { ... }`: pictures (or spectrograms) and labels.',
    loss = '`bauta.loss "NAME" { ... }`: a term of the sum that is trained.',
    mask = '`bauta.mask "NAME" { keep = ..., ... }`: which patches are kept.',
    reducer = '`bauta.reducer "NAME" { ... }`: tokens fewer inside of a teacher.',
}

local function cell(text) return (tostring(text):gsub("|", "\\|"):gsub("%s*\n%s*", " ")) end

local function default_of(row)
    if row.default == nil then return row.optional and "" or "must be given" end
    if type(row.default) == "table" then return "" end
    return "`" .. cell(errors.show(row.default)) .. "`"
end

local function settings(out, rows)
    if #rows == 0 then
        out[#out + 1] = "No settings.\n"
        return
    end
    out[#out + 1] = "| setting | default | allowed | meaning |"
    out[#out + 1] = "| --- | --- | --- | --- |"
    for _, row in ipairs(rows) do
        out[#out + 1] = ("| `%s` | %s | %s | %s%s |"):format(row.name, default_of(row), cell(check.expected(row)), cell(row.doc or ""),
            row.unit and " (" .. cell(row.unit) .. ")" or "")
    end
    out[#out + 1] = ""
end

local function one(out, p)
    out[#out + 1] = ("### %s\n\n%s.\n"):format(p.name, cell(p.doc))
    if p.cite then out[#out + 1] = "From: " .. cell(p.cite) .. ".\n" end
    if p.needs and #p.needs > 0 then out[#out + 1] = "Needs: `" .. table.concat(p.needs, "`, `") .. "`.\n" end
    settings(out, p.rows)
end

-- Bauta's own plugins, those in `home` and below; every plugin when home is nil.
local function of_kind(kind, home)
    local out = {}
    for _, p in ipairs(bind.scan()) do
        if p.kind == kind and not p.refused and (not home or p.path:sub(1, #home + 1) == home .. "/") then
            out[#out + 1] = bind.find(kind, p.name)
        end
    end
    for _, name in ipairs(plugin.defined[kind] and defined.names(kind) or {}) do
        local p = plugin.defined[kind][name]
        if p.built_in or not home then out[#out + 1] = p end
    end
    table.sort(out, function(a, b) return a.name < b.name end)
    return out
end

-- The names of Bauta's own plugins of a kind, sorted.
function reference.names(kind, home)
    local out = {}
    for i, p in ipairs(of_kind(kind, home)) do out[i] = p.name end
    return out
end

-- What scripts describe besides plugins: { title, what it is, rows, or kinds each with rows of its own }.
local function others()
    return {
        { "Experiments", "`bauta.distill { ... }`: a run. `bauta.train { ... }` has the same settings without those of teachers.",
            require("bauta.experiment").rows.distill },
        { "Teachers", "`bauta.teacher { ... }`: one of several, for `teachers` of `bauta.distill`.", require("bauta.teacher").rows },
        { "Optimisers", '`bauta.optimiser "NAME" { ... }`.', nil, require("bauta.optimiser").kinds },
        { "Schedules", '`bauta.schedule "NAME" { ... }`: of the learning rate.', nil, require("bauta.schedule").kinds },
        { "Mixing", "`bauta.mixing { ... }`: mixup and CutMix.", require("bauta.mixing").rows },
        { "FP8", "`bauta.fp8 { ... }`: of `teacher_precision`, and of `precision` in `bauta.teacher`.", require("bauta.fp8").rows },
        { "Views", "`bauta.views { ... }`: several crops of each picture.", require("bauta.views").rows },
    }
end

local function other(out, title, what, rows, kinds)
    out[#out + 1] = ("## %s\n\n%s\n"):format(title, what)
    if rows then settings(out, rows) end
    local names = {}
    for name in pairs(kinds or {}) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do one(out, { name = name, doc = kinds[name].doc, rows = kinds[name].rows }) end
end

local function named_losses(out)
    out[#out + 1] = '## Named losses\n\n`bauta.losses "NAME" { ... }`: what a paper or its code minimises, as a list of losses.\n'
    out[#out + 1] = "| name | what it is | losses |"
    out[#out + 1] = "| --- | --- | --- |"
    for _, name in ipairs(losses.names()) do out[#out + 1] = ("| `%s` | %s | `%s` |"):format(name, cell(losses.kinds[name].doc), cell(losses.parts(name))) end
    out[#out + 1] = ""
end

function reference.markdown(home)
    local kinds, out = {}, { "# Plugins and settings\n",
        "Written by `bauta plugins --markdown` from the schemas by which settings are checked; do not edit.\n" }
    for kind in pairs(plugin.common) do kinds[#kinds + 1] = kind end
    table.sort(kinds)
    for _, kind in ipairs(kinds) do
        out[#out + 1] = ("## %s\n\n%s\n"):format(titles[kind] or kind, says[kind] or kind)
        if #plugin.common[kind] > 0 then
            out[#out + 1] = "Settings of every one:\n"
            settings(out, plugin.common[kind])
        end
        if kind == "data" then
            out[#out + 1] = "Settings of those that give spectrograms, instead:\n"
            settings(out, plugin.spectrograms)
        end
        for _, p in ipairs(of_kind(kind, home)) do one(out, p) end
        if kind == "loss" then named_losses(out) end
    end
    for _, o in ipairs(others()) do other(out, o[1], o[2], o[3], o[4]) end
    return (table.concat(out, "\n"):gsub("\n\n\n+", "\n\n"):gsub("\n+$", "\n"))
end

return reference
