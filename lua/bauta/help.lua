-- help: the list of verbs, and their help from their own tables.
local errors = require "bauta.errors"
local options = require "bauta.options"

local help = {}

local verbs = { "run", "grid", "plan", "eval", "show", "mask", "data", "export", "statistics", "inspect", "convert", "plugins", "plugin", "recipes", "ops", "bench", "doctor", "selftest", "log", "lua", "version" }

function help.verb(name)
    for _, v in ipairs(verbs) do
        if v == name then return require("bauta.verbs." .. v) end
    end
    local near = errors.nearest(name, verbs)
    errors.raise("arg", ("no such verb %s%s; bauta --help lists them"):format(errors.show(name),
        near and "; did you mean " .. near .. "?" or ""), "command line")
end

local function wrapped(text, indent, width)
    local lines, line = {}, ""
    for word in text:gmatch("%S+") do
        if #line + #word + 1 > width - indent and line ~= "" then
            lines[#lines + 1] = line
            line = word
        else line = line == "" and word or line .. " " .. word end
    end
    lines[#lines + 1] = line
    return table.concat(lines, "\n" .. (" "):rep(indent))
end

function help.all(version)
    local out = { "Bauta " .. version .. ": distilling vision transformers from masked teachers\n\n" }
    out[2] = "usage: bauta VERB [ARGUMENTS]\n\n"
    for _, name in ipairs(verbs) do
        local v = require("bauta.verbs." .. name)
        out[#out + 1] = ("  %-10s %s\n"):format(name, wrapped(v.doc, 13, 110))
    end
    out[#out + 1] = "\nbauta VERB --help says more. bauta run SCRIPT --help shows the parameters of a script.\n" ..
        "Exit status: 0 complete, 1 training failed, 2 usage or script, 3 data or weights, 4 plugin, 5 machine,\n" ..
        "6 resume refused, 7 already running, 70 our own mistake, 85 saved: start again, 130 stopped by Ctrl-C.\n"
    return table.concat(out)
end

local function option_line(o)
    local left = "--" .. o.name .. (o.value and " " .. o.value or "")
    local default = o.default ~= nil and o.default ~= "" and (" [%s]"):format(tostring(o.default)) or ""
    return ("  %-26s %s\n"):format(left, wrapped(o.doc .. default, 29, 120))
end

function help.of(verb)
    local out = { ("usage: bauta %s %s\n\n%s\n"):format(verb.name, verb.usage, wrapped(verb.doc, 0, 110)) }
    if verb.more then out[#out + 1] = "\n" .. verb.more .. "\n" end
    out[#out + 1] = "\noptions:\n"
    for _, o in ipairs(options.all(verb)) do out[#out + 1] = option_line(o) end
    return table.concat(out)
end

-- The parameters of a schema, one a line.
function help.rows(rows)
    local check = require "bauta.check"
    local out = {}
    for _, row in ipairs(rows) do
        local default = row.default ~= nil and row.type ~= "any" and errors.show(row.default) or row.default ~= nil
            and tostring(row.default) or "-"
        out[#out + 1] = ("  %-16s %-14s %s\n"):format(row.name, type(row.default) == "table" and "-" or default,
            wrapped((row.doc or "") .. (row.unit and " (" .. row.unit .. ")" or "") .. "; " .. check.expected(row), 34, 120))
    end
    return table.concat(out)
end

return help
