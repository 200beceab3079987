-- changes: what the command line wants changed (--set mask.keep=0.25) in the settings of an experiment, by path; in those of one run alone with
-- runs.NAME in front of it.
local check = require "bauta.check"
local errors = require "bauta.errors"
local optimiser = require "bauta.optimiser"
local plugin = require "bauta.plugin"
local schedule = require "bauta.schedule"
local selection = require "bauta.selection"
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

-- ---- another plugin in the place of one ----

local function kind_of(module, class)
    return { find = function(name)
        if module.kinds[name] then return { name = name, rows = module.kinds[name].rows } end
        local names = {}
        for one in pairs(module.kinds) do names[#names + 1] = one end
        errors.fail("%s", errors.unknown(class, name, names))
    end, make = module.new, rows = function(found) return found.rows end, given = function(old) return old.given end }
end

local function plugin_of(kind)
    return { find = function(name) return plugin.find(kind, name) end, make = function(name, given) return plugin.describe(kind, name, given) end,
        rows = function(found) return plugin.union(kind, found) end, given = function(old)
            local out = {}
            for k in pairs(old.given) do out[k] = old.settings[k] end
            return out
        end }
end

local replaceable = { mask = plugin_of "mask", reducer = plugin_of "reducer", optimiser = kind_of(optimiser, "optimiser"),
    schedule = kind_of(schedule, "schedule") }

-- Takes out of `kept` what a criterion refuses: a model where it asks none, an order where it draws at random. Everything where it masks nothing.
local function without_refused(found, kept)
    local s, again = plugin.defaults "mask", false
    for k, v in pairs(kept) do s[k] = v end
    local lines = selection.defects(found, s)
    for k in pairs(kept) do
        local refused = found.name == "none"
        for _, line in ipairs(lines) do refused = refused or line:find(("^mask [^.]*%%.%s%%f[^%%w_]"):format(k)) ~= nil end
        if refused then kept[k], again = nil, true end
    end
    if again and next(kept) then without_refused(found, kept) end
end

local function listed(given, names)
    local out = {}
    for k in pairs(names) do
        local v = given[k]
        out[#out + 1] = ("%s = %s"):format(k, check.class_of(v) == "keep" and v:text() or errors.show(v))
    end
    table.sort(out)
    return table.concat(out, ", ")
end

local told = {}

-- What stays of the old one and what does not is said, once for all runs.
function changes.tell(line) io.stderr:write(line) end

local function tell(class, name, given, kept)
    local gone = {}
    for k in pairs(given) do
        if kept[k] == nil then gone[k] = true end
    end
    local parts = {}
    if next(kept) then parts[1] = listed(given, kept) .. " as in the script" end
    if next(gone) then parts[#parts + 1] = "without " .. listed(given, gone) end
    local line = ("bauta: --set %s=%s: %s\n"):format(class, name, table.concat(parts, ", "))
    if #parts > 0 and not told[line] then changes.tell(line) end
    told[line] = true
end

-- The plugin of this name with its defaults, and with what the old one was given as far as the new one has a setting of that name that it takes.
local function replacement(class, old, name)
    local how = replaceable[class]
    local found, given, kept = how.find(name), old and how.given(old) or {}, {}
    for _, row in ipairs(how.rows(found)) do kept[row.name] = given[row.name] end
    if class == "mask" then without_refused(found, kept) end
    local made = how.make(name, kept)
    tell(class, name, given, kept)
    return made
end

-- Puts another plugin into the settings. Returns nil or what is wrong.
local function replace(s, row, name)
    if row.type == "reducer" and name == "none" then
        s[row.name] = nil
        return
    end
    local ok, made = pcall(replacement, row.type, s[row.name], name)
    if ok then s[row.name] = made
    elseif errors.is(made) then return made.lines[1]
    else error(made, 0) end
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
        if not row then return false end
        if replaceable[row.type] then return true, replace(s, row, text) end
        if not plain[row.type] then
            local inside = row.type == "function" and "" or ("; --set %s%s.SETTING=value changes one of its settings"):format(key, lists[key] and ".NAME" or "")
            return true, "only a script can give this as a whole" .. inside
        end
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
        if plain[row.type] or replaceable[row.type] then out[#out + 1] = front .. row.name end
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

-- The path of a change in the run of this name, and whether it is for this one alone; nil when it is for others.
local function path_in(key, name)
    local rest = key:match "^runs%.(.+)$"
    if not rest then return key, false end
    local front = tostring(name) .. "."
    return rest:sub(1, #front) == front and rest:sub(#front + 1) or nil, true
end

-- Whether the command line sets it in the run of this name; a parameter of the script is the script's.
function changes.sets(key, name)
    for _, c in ipairs(list) do
        if path_in(c.key, name) == key and not c.by_script then return true end
    end
    return false
end

-- The value of a setting that decides about others before they are judged, or nil; the change is done with it.
function changes.early(key, name)
    local value, alone
    for _, c in ipairs(list) do
        local path, own = path_in(c.key, name)
        if path == key and not c.by_script then
            c.used = true
            if own or not alone then value, alone = c.value, own end
        end
    end
    return value
end

-- The row that a path names as a whole, or nil.
local function row_at(rows, path)
    local inner = path:match "^teachers%.[^.]+%.(.+)$"
    return row_of(inner and teacher.rows or rows, inner or path)
end

-- When a change takes place: other plugins before settings, which are theirs then; what is for all runs before what is for this one alone.
local function turn(rows, path, own)
    local row = row_at(rows, path)
    return (row and replaceable[row.type] and 1 or 3) + (own and 1 or 0)
end

-- Applies all that are for this run; a parameter of the script goes first.
function changes.apply(rows, s)
    local turns, name = { {}, {}, {}, {} }, s.name
    for _, c in ipairs(list) do
        local path, own = path_in(c.key, name)
        if path and not c.by_script then table.insert(turns[turn(rows, path, own)], { c, path }) end
    end
    for _, changes_now in ipairs(turns) do
        for _, one in ipairs(changes_now) do
            local c = one[1]
            local found, why = change(rows, s, one[2], c.value)
            if why then errors.raise("arg", why, "--set " .. c.key) end
            c.used = c.used or found
        end
    end
end

return changes
