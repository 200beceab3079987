-- changes: what the command line wants changed (--set mask.keep=0.25) in the settings of an experiment, by path.
local check = require "bauta.check"
local errors = require "bauta.errors"
local plugin = require "bauta.plugin"
local teacher = require "bauta.teacher"

local changes = {}
local list = {} -- of { key, value, used, by_script }

function changes.set(given) list = given end

function changes.unused()
    local out = {}
    for _, c in ipairs(list) do
        if not c.used then out[#out + 1] = c end
    end
    return out
end

local function copied(object)
    local out = {}
    for k, v in pairs(object) do out[k] = v end
    if object.settings then
        out.settings = {}
        for k, v in pairs(object.settings) do out.settings[k] = v end
        out.made = nil
    end
    return setmetatable(out, getmetatable(object))
end

local function row_of(rows, name)
    for _, row in ipairs(rows) do
        if row.name == name then return row end
    end
end

-- Sets a setting of an optimiser, a schedule or the like, or of a description, by text. Returns nil or what is wrong.
local function set_inner(object, key, text)
    if object.set then return object:set(key, text) end
    local rows = object:schema()
    local row = row_of(rows, key)
    if not row then
        local names = {}
        for i, r in ipairs(rows) do names[i] = r.name end
        return ("%s.%s: %s"):format(object.class, key, errors.unknown("setting", key, names))
    end
    local v, why = check.text(row, text, object.class .. ".")
    if v == nil then return why end
    object[key] = v
end

-- The first of a list whose name it is, copied along with the list. Returns the copy, or nil.
local function opened(s, key, name, name_of)
    local out, hit = {}, nil
    for i, one in ipairs(s[key]) do
        out[i] = one
        if not hit and name_of(one) == name then
            out[i] = copied(one)
            hit = out[i]
        end
    end
    if hit then s[key] = out end
    return hit
end

local change

-- A setting of one description in a list (losses, shadow), by its name.
local function change_described(list)
    return function(s, key, text)
        local name, inner = key:match("^([^.]+)%.(.+)$")
        local one = name and opened(s, list, name, function(d) return d.name end)
        if not one then return false end
        return true, set_inner(one, inner, text)
    end
end

local function change_teacher(s, key, text)
    local name, inner = key:match("^([^.]+)%.(.+)$")
    local one = name and opened(s, "teachers", name, function(t) return t.settings.name end)
    if not one or inner == "name" then return false end
    return change(teacher.rows, one.settings, inner, text)
end

local lists = { losses = change_described "losses", shadow = change_described "shadow", teachers = change_teacher }
local plain = { int = true, float = true, bool = true, string = true, choice = true, any = true }

-- Applies one change to settings. Returns whether there is such a setting, and what is wrong.
function change(rows, s, key, text)
    local part, inner = key:match("^([^.]+)%.(.+)$")
    if not part then
        local row = row_of(rows, key)
        if not row or not plain[row.type] then return false end
        local v, why = check.text(row, text)
        if v == nil then return true, why end
        s[key] = v
        return true
    end
    if lists[part] and s[part] then return lists[part](s, inner, text) end
    if not row_of(rows, part) or type(s[part]) ~= "table" or not check.class_of(s[part]) then return false end
    s[part] = copied(s[part])
    return true, set_inner(s[part], inner, text)
end

-- ---- what there is to change ----

local function add_rows(out, front, rows)
    for _, row in ipairs(rows) do
        if plain[row.type] then out[#out + 1] = front .. row.name end
    end
end

local add_paths

-- The settings of a part of an experiment: an optimiser, a description, a teacher or a list of these.
local function add_part(out, front, v)
    local class = check.class_of(v)
    if class == "teacher" then add_paths(out, front, teacher.rows, v.settings)
    elseif class and v.schema then add_rows(out, front, v:schema())
    elseif class and v.plugin then add_rows(out, front, plugin.union(v.kind, v.plugin))
    elseif type(v) == "table" and not class then
        for _, one in ipairs(v) do
            local own = check.class_of(one) == "teacher" and not one.alone and one.settings.name or one.plugin and one.name
            if own then add_part(out, front .. own .. ".", one) end
        end
    end
end

function add_paths(out, front, rows, s)
    add_rows(out, front, rows)
    for _, row in ipairs(rows) do add_part(out, front .. row.name .. ".", s[row.name]) end
end

-- The paths of all settings of an experiment that --set takes: "epochs", "student.depth", "losses.logit.weight".
function changes.paths(rows, s)
    local out = {}
    add_paths(out, "", rows, s)
    return out
end

-- The value of a setting that decides about others before they are judged, or nil; the change is done with it.
function changes.early(key)
    for _, c in ipairs(list) do
        if c.key == key and not c.by_script then
            c.used = true
            return c.value
        end
    end
end

-- Applies all of them; a parameter of the script goes first.
function changes.apply(rows, s)
    for _, c in ipairs(list) do
        if not c.by_script then
            local found, why = change(rows, s, c.key, c.value)
            if why then errors.raise("arg", why, "--set " .. c.key) end
            c.used = c.used or found
        end
    end
end

return changes
