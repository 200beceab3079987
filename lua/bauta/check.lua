-- check: settings of a table against a schema: names, types, ranges, choices. One code for plugins (whose rows come from C),
-- for the tables of the Lua API and for the parameters of a script.
--
-- A row is { name, type, default, min, max, choices, unit, doc }; type is "int", "float", "bool", "string", "choice", or the
-- name of a class of the Lua API ("optimiser", ...), "list of CLASS", "function", "any". default nil: the setting must be given,
-- unless `optional`. All mistakes of a table are collected and raised together.
local errors = require "bauta.errors"

local check = {}
local show = errors.show
local biggest = 2 ^ 53

local article = errors.article

function check.expected(row)
    if row.type == "int" then
        local low, high = row.min or -biggest, row.max or biggest
        if high >= biggest then return ("an integer of at least %s"):format(show(low)) end
        return ("an integer %s..%s"):format(show(low), show(high))
    elseif row.type == "float" then
        if row.above then return ("a number %s < %s <= %s"):format(show(row.above), row.name, show(row.max)) end
        if not row.min and not row.max then return "a number" end
        if not row.max or row.max >= 1e300 then return ("a number of at least %s"):format(show(row.min)) end
        return ("a number %s..%s"):format(show(row.min), show(row.max))
    elseif row.type == "bool" then return "true or false"
    elseif row.type == "string" then return "a string"
    elseif row.type == "choice" then
        local list = {}
        for i, c in ipairs(row.choices) do list[i] = '"' .. c .. '"' end
        return #list == 1 and list[1] or table.concat(list, ", ", 1, #list - 1) .. " or " .. list[#list]
    end
    return row.what or article(row.type)
end

-- How what a class names is written, where it is not seen from the class: with the name that was given where that is a name.
local examples = { data = "scenes", arch = "deit", mask = "student", reducer = "tome", loss = "logit", optimiser = "adamw", schedule = "cosine-shifted" }

local function form(row, v)
    local inner = row.type:match "^list of (.+)$"
    local name = examples[inner or row.type]
    if not name or row.what then return "" end
    if inner then return (', as { bauta.%s "%s" {} }'):format(inner, name) .. (inner == "loss" and ' or bauta.losses "maskedkd-code" {}' or "") end
    return (', as bauta.%s "%s" {}'):format(row.type, type(v) == "string" and v:find "^[a-z0-9_-]+$" and v or name)
end

local function number_defect(v)
    return v ~= v or v == math.huge or v == -math.huge or (v == 0 and 1 / v < 0)
end

local function wrong_type(v, want) return ("is %s"):format(article(type(v))), want end

-- The checked value, or nil and what is wrong with it ("is a string", "").
local judge = {}

function judge.int(row, v)
    if type(v) ~= "number" then return nil, wrong_type(v) end
    if number_defect(v) then return nil, "" end
    if math.abs(v) > biggest then return nil, "cannot be exact in Lua; write it as a string" end
    if v ~= math.floor(v) then return nil, "is not a whole number" end
    if (row.min and v < row.min) or (row.max and v > row.max) then return nil, "" end
    return v
end

function judge.float(row, v)
    if type(v) ~= "number" then return nil, wrong_type(v) end
    if number_defect(v) or (row.min and v < row.min) or (row.max and v > row.max)
        or (row.above and v <= row.above) then return nil, "" end
    return v
end

function judge.bool(_, v)
    if type(v) ~= "boolean" then return nil, wrong_type(v) end
    return v
end

function judge.string(row, v)
    if type(v) ~= "string" then return nil, wrong_type(v) end
    if v:find("%z") then return nil, "holds a zero byte" end
    if row.filled and v == "" then return nil, "is empty" end
    return v
end

function judge.choice(row, v)
    if type(v) ~= "string" then return nil, wrong_type(v) end
    for _, c in ipairs(row.choices) do
        if c == v then return v end
    end
    return nil, ""
end

judge["function"] = function(_, v)
    if type(v) ~= "function" then return nil, wrong_type(v) end
    return v
end

function judge.any(_, v) return v end

local function class_of(v)
    local mt = type(v) == "table" and getmetatable(v)
    return mt and mt.class
end
check.class_of = class_of

local function object(class, v)
    if class_of(v) ~= class then return nil, "is " .. show(v) end
    return v
end

local function list(class, v)
    if type(v) ~= "table" or class_of(v) then return nil, "is " .. show(v) end
    for k in pairs(v) do
        if type(k) ~= "number" or k < 1 or k > #v or k ~= math.floor(k) then return nil, "has the key " .. show(k) end
    end
    for i, one in ipairs(v) do
        if class_of(one) ~= class then return nil, ("has %s at place %d"):format(show(one), i) end
    end
    return v
end

-- Judges one value. Returns it (in the row's own form), or nil and the whole sentence.
function check.value(row, v, prefix)
    local how, got, why = judge[row.type], nil, nil
    if row.accept then
        got, why = row.accept(v)
        if got == nil and why and why:find(" expected", 1, true) then return nil, ("%s%s"):format(prefix, why) end
        if got == nil and type(v) ~= "table" and type(v) ~= "function" and why:find("^is [^en]") then why = "" end
    elseif how then got, why = how(row, v)
    else
        local inner = row.type:match("^list of (.+)$")
        if inner then got, why = list(inner, v) else got, why = object(row.type, v) end
    end
    if got ~= nil then return got end
    local name = prefix .. row.name
    if why and why:find("exact in Lua", 1, true) then return nil, ("%s = %s %s"):format(name,
        ("%.0e"):format(v):gsub("e%+?", "e"), why) end
    if judge[row.type] and why ~= "" and type(v) ~= "table" and type(v) ~= "function" then
        return nil, ("%s = %s %s; expected %s"):format(name, show(v), why, check.expected(row))
    elseif why ~= "" then
        return nil, ("%s %s; expected %s%s"):format(name, why, check.expected(row), form(row, v))
    end
    return nil, ("%s = %s; expected %s"):format(name, show(v), check.expected(row))
end

local function names_of(rows)
    local names = {}
    for i, row in ipairs(rows) do names[i] = row.name end
    return names
end

-- Judges a whole table of settings. Returns the filled table (defaults included) and the list of sentences.
-- what: "distill", "mask student": put in front of every name as "what.".
function check.table(rows, given, what)
    local prefix, lines, out, known = what and what .. "." or "", {}, {}, {}
    if given == nil then given = {} end
    if type(given) ~= "table" or class_of(given) then
        return out, { ("%s: a table of settings expected, got %s"):format(what or "call", show(given)) }
    end
    for _, row in ipairs(rows) do known[row.name] = row end
    local keys = {}
    for k in pairs(given) do
        if known[k] == nil then keys[#keys + 1] = k end
    end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for _, k in ipairs(keys) do
        if type(k) ~= "string" then
            lines[#lines + 1] = ("%s: a setting without a name (key %s); write name = value"):format(what or "call", show(k))
        else
            lines[#lines + 1] = prefix .. k .. ": " .. errors.unknown("setting", k, names_of(rows))
        end
    end
    for _, row in ipairs(rows) do
        local v = given[row.name]
        if v == nil then
            out[row.name] = row.default
            if row.default == nil and not row.optional then
                lines[#lines + 1] = ("%s%s is missing; expected %s"):format(prefix, row.name, check.expected(row))
            end
        else
            local got, why = check.value(row, v, prefix)
            out[row.name] = got
            if got == nil then lines[#lines + 1] = why end
        end
    end
    return out, lines
end

-- The same, raising all mistakes (at most 20).
function check.settings(rows, given, what)
    local out, lines = check.table(rows, given, what)
    if #lines > 20 then
        local more = #lines - 20
        for i = #lines, 21, -1 do lines[i] = nil end
        lines[21] = ("%s: and %d more"):format(what or "call", more)
    end
    if #lines > 0 then errors.raise("arg", lines) end
    return out
end

-- A setting given as text on the command line, in the type of its row. nil and a sentence when it is none.
function check.text(row, text, prefix)
    local v = text
    if row.type == "int" or row.type == "float" then
        v = tonumber(text)
        if not v then return nil, ("%s%s = %s is not a number; expected %s"):format(prefix or "", row.name, show(text),
            check.expected(row)) end
    elseif row.type == "bool" then
        v = ({ ["true"] = true, ["1"] = true, yes = true, ["false"] = false, ["0"] = false, no = false })[text]
        if v == nil then return nil, ("%s%s = %s; expected true or false"):format(prefix or "", row.name, show(text)) end
    elseif row.accept and row.type == "any" then
        local number = tonumber(text)
        local exact = number and (math.abs(number) < biggest or not text:find "^%d+$") -- else rounded: the digits say more
        v = exact and number or text
    end
    return check.value(row, v, prefix or "")
end

-- ---- rows, written by scripts and by our own modules ----

local function row(kind, name, default, more)
    if type(name) ~= "string" or not name:find("^[a-z][a-z0-9_]*$") then
        errors.fail("parameter name %s: lower-case letters, digits and _ expected", show(name))
    end
    local r = { type = kind, name = name, default = default }
    for k, v in pairs(more) do r[k] = v end
    local bad = default ~= nil and select(2, check.value(r, default, ""))
    if bad then errors.fail("default of %s", bad) end
    return setmetatable(r, { class = "parameter" })
end

function check.int(name, default, min, max, doc) return row("int", name, default, { min = min, max = max, doc = doc }) end
function check.float(name, default, min, max, doc) return row("float", name, default, { min = min, max = max, doc = doc }) end
function check.string(name, default, doc) return row("string", name, default, { doc = doc }) end
function check.bool(name, default, doc) return row("bool", name, default, { doc = doc }) end
function check.choice(name, default, choices, doc)
    if type(choices) ~= "table" or #choices == 0 then errors.fail("choices of %s: a list of texts expected", show(name)) end
    return row("choice", name, default, { choices = choices, doc = doc })
end

return check
