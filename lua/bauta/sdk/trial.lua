-- sdk/trial: what the child process of `bauta plugin check` does: loads the file, tries its settings, then what its kind promises.
local bind = require "bauta.bind.plugin"
local errors = require "bauta.errors"
local plugin = require "bauta.plugin"
local report = require "bauta.sdk.report"
local rig = require "bauta.sdk.rig"

local trial = {}

-- Settings given with --set, over those of the kind's own trial.
local function changed(description, changes)
    for _, c in ipairs(changes) do
        local why = description:set(c.key, c.value)
        if why then errors.raise("arg", why) end
    end
    return description
end

-- A description of the plugin with these settings; those the plugin does not have, or has of another type, are left out.
function trial.describe(p, wanted, changes)
    local given, has = {}, {}
    for _, row in ipairs(plugin.union(p.kind, p)) do has[row.name] = row.type end
    for k, v in pairs(wanted or {}) do
        local number = type(v) == "number"
        given[k] = has[k] and number == (has[k] == "int" or has[k] == "float") and v or nil
    end
    return changed(plugin.describe(p.kind, p.name, given), changes)
end

-- The first of several sets of settings that go together; the last one when none does.
local function first_good(p, choices, changes)
    for _, wanted in ipairs(choices or {}) do
        if pcall(trial.describe, p, wanted, changes) then return wanted end
    end
    return choices and choices[#choices]
end

-- Every setting at its ends: built(description) must answer with success or with a sentence.
local function settings(p, changes, wanted, built)
    local tried, refused = 0, 0
    for _, e in ipairs(rig.extremes(p.rows)) do
        local with = { [e.name] = e.value }
        for k, v in pairs(wanted or {}) do if k ~= e.name then with[k] = v end end
        report.doing(("settings %s = %s"):format(e.name, errors.show(e.value)))
        local ok, why = pcall(function() built(trial.describe(p, with, changes)) end)
        tried, refused = tried + 1, refused + (ok and 0 or 1)
        if not ok and (not errors.is(why) or why.code == "bug" or not why.lines[1] or why.lines[1] == "") then
            return false, ("%s = %s: %s"):format(e.name, errors.show(e.value), tostring(why))
        end
    end
    if tried == 0 then return "skip", "it has no settings with a range" end
    return true, ("%d values at the ends of their ranges, %d of them refused with a sentence"):format(tried, refused)
end

function trial.run(path, given)
    local options = require "bauta.options"
    local changes, p = options.changes(given.set), nil
    local loaded = report.try("load", function()
        p = bind.file(path)
        return true, ("%s %s %s, ABI %s: %s"):format(p.kind, p.name, p.version, p.abi, p.doc)
    end)
    if loaded then
        local of_kind = require("bauta.sdk." .. p.kind)
        local context = { plugin = p, changes = changes }
        function context.describe(wanted) return trial.describe(p, wanted, changes) end
        context.wanted = first_good(p, of_kind.choices, changes)
        report.try("defaults", function() return true, context.describe(context.wanted):text() end)
        report.try("settings", function() return settings(p, changes, context.wanted, function(d) of_kind.built(d, context) end) end)
        of_kind.run(context)
    end
    report.done()
    return 0
end

return trial
