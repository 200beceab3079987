-- spec: plugins with settings as the command line names them: "student:layer=5:source=patches"; and the models of a run on disk.
local archive = require "bauta.archive"
local check = require "bauta.check"
local disk = require "bauta.grid.disk"
local errors = require "bauta.errors"
local ffi = require "bauta.ffi"
local plugin = require "bauta.plugin"
local session = require "bauta.session"

local spec = {}

local function row_of(rows, name)
    for _, row in ipairs(rows) do
        if row.name == name then return row end
    end
end

-- The name, and the settings as texts. A colon divides where a name and "=" follow, so paths may hold colons.
local function parts(text)
    local name, rest = text:match "^([^:]*)(.*)$"
    local list = {}
    while rest ~= "" do
        local key, more = rest:match "^:([%a_][%w_]*)=(.*)$"
        if not key then return nil end
        local stop = more:find ":[%a_][%w_]*="
        list[#list + 1] = { key, stop and more:sub(1, stop - 1) or more }
        rest = stop and more:sub(stop) or ""
    end
    return name, list
end

-- A description of `kind` from "NAME:key=value:...". defaults: settings used when the text does not say them. what: the option.
function spec.describe(kind, text, defaults, what)
    local name, list = parts(text)
    if not name or name == "" then
        errors.raise("arg", ("%s: NAME or NAME:setting=value:... expected, got %s"):format(what, errors.show(text)), "command line")
    end
    local rows, given = plugin.union(kind, plugin.find(kind, name)), {}
    for k, v in pairs(defaults or {}) do given[k] = v end
    for _, pair in ipairs(list) do
        local row = row_of(rows, pair[1])
        if not row then
            local names = {}
            for i, r in ipairs(rows) do names[i] = r.name end
            errors.raise("arg", ("%s %s: %s"):format(kind, name, errors.unknown("setting", pair[1], names)), "command line")
        end
        local v, why = check.text(row, pair[2], kind .. " " .. name .. ".")
        if v == nil then errors.raise("arg", why, "command line") end
        given[pair[1]] = v
    end
    return plugin.describe(kind, name, given)
end

-- ---- a run's own models ----

local function value(text)
    local inner = text:match '^"(.*)"$'
    if inner then return (inner:gsub("\\(.)", "%1")) end
    if text == "true" or text == "false" then return text == "true" end
    return tonumber(text)
end

-- What a run's configuration says about one of its parts ("student", "data"): the plugin's name and its settings.
function spec.recorded(lines, part)
    local name, settings = nil, {}
    for line in lines:gmatch "[^\n]+" do
        local key, text = line:match "^(%S+) = (.*)$"
        local own = key and key:sub(1, #part + 1) == part .. "." and key:sub(#part + 2)
        if own == "plugin" then name = value(text)
        elseif own and own:match "^settings%.[%w_]+$" then settings[own:sub(10)] = value(text) end
    end
    return name, settings
end

-- A setting of a run itself ("batch"), or nil.
function spec.setting(lines, name)
    local text = ("\n" .. lines):match("\n" .. name .. " = ([^\n]*)")
    return text and value(text)
end

-- The student's architecture by a run's configuration, with what weights it began left out; reading: but not how a file of weights is to be read.
function spec.student(lines, reading)
    local name, settings = spec.recorded(lines, "student")
    if not name then return nil end
    for _, setting in ipairs(reading and {} or plugin.of_weights) do settings[setting] = nil end
    settings.weights, settings.expect, settings.tolerance = nil, nil, nil
    return plugin.describe("arch", name, settings)
end

-- The folder of the run NAME whose weights a part of a run has: as its log says; one that says nothing was written by an earlier
-- version, and the run lies beside it, in a grid with the beginning of a digest behind its name.
local function origin(documents, part, name, folder)
    for line in (documents.origins or ""):gmatch "[^\n]+" do
        local whose, path = line:match "^(.-) = (.*)$"
        if whose == part then return folder .. "/" .. path end
    end
    local beside, found = folder .. "/..", {}
    if session.exists(beside .. "/" .. name .. "/.") then return beside .. "/" .. name end
    for _, other in ipairs(ffi.names(beside)) do
        if disk.label(other) == name then found[#found + 1] = other end
    end
    if #found ~= 1 then
        errors.raise("data", ("%d runs named %s beside it; its %s is one of them, and --%s ARCH:weights=FILE says which"):format(#found,
            errors.show(name), part, part), folder)
    end
    return beside .. "/" .. found[1]
end

-- { student, teacher, data (descriptions; nil where the run has none), folder } of a run on disk.
function spec.run(folder)
    local documents = archive.documents(folder)
    local lines = documents.configuration or errors.raise("data", "its log has no settings", folder)
    local out = { folder = folder }
    for part, kind in pairs { student = "arch", teacher = "arch", data = "data" } do
        local name, settings = spec.recorded(lines, part)
        if name then
            local run = type(settings.weights) == "string" and settings.weights:match "^run (.*)$"
            if run then settings.weights = (part == "student" and folder or origin(documents, part, run, folder)) .. "/student.safetensors" end
            out[part] = plugin.describe(kind, name, settings)
        end
    end
    if not out.student then errors.raise("data", "its log does not say what the student is", folder) end
    return out
end

return spec
