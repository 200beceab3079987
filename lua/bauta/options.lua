-- options: parsing a command line by the table of a verb. GNU style: --name value, --name=value, -- ends the options.
local errors = require "bauta.errors"

local options = {}

-- Options that every verb takes.
options.common = {
    { name = "help", doc = "this text" },
    { name = "trace", doc = "show where in the Lua files an error happened" },
    { name = "plugins", value = "DIR", many = true, doc = "search this folder for plugins first (also BAUTA_PLUGIN_PATH)" },
    { name = "plugin-timeout", value = "SECONDS", kind = "int", min = 0, max = 1e6, default = 300,
        doc = "longest time a plugin may take for one sample, or to describe its part of a step; 0: any" },
}

-- Sets shared by several verbs.
options.device = {
    { name = "device", value = "NAME", default = "cpu",
        doc = "what computes: cpu, cuda, or auto: cuda where there is one (said in one line)" },
    { name = "threads", value = "N", kind = "int", min = 0, max = 1024, default = 0,
        doc = "worker threads; 0: one per processor" },
    { name = "tier", value = "NAME", default = "auto", doc = "instruction set: auto, plain, avx2, avx512, avx512bf16, amx, or tiles (amx emulated, for tests)" },
}
options.script = {
    { name = "set", value = "KEY=VALUE", many = true,
        doc = "change a parameter of the script or a setting (epochs=2, student.depth=3)" },
    { name = "scale", value = "NAME", doc = "the script's parameter scale: paper, small or smoke" },
    { name = "data", value = "PATH", doc = "the script's arg.data" },
    { name = "out", value = "DIR", default = "runs", doc = "folder of the runs" },
    { name = "script-timeout", value = "SECONDS", kind = "number", min = 0, max = 1e6, default = 60,
        doc = "longest time of the processor that a script, and each of its functions, may take to describe; 0: any" },
}

function options.all(verb)
    local out = {}
    for _, list in ipairs { verb.options or {}, options.common } do
        for _, o in ipairs(list) do out[#out + 1] = o end
    end
    return out
end

function options.join(...)
    local out = {}
    for _, list in ipairs { ... } do
        for _, o in ipairs(list) do out[#out + 1] = o end
    end
    return out
end

local function fail(verb, fmt, ...) errors.raise("arg",
    fmt:format(...) .. ("; bauta %s --help lists what there is"):format(verb.name), "command line") end

local function find(verb, name)
    local names = {}
    for i, o in ipairs(options.all(verb)) do
        if o.name == name then return o end
        names[i] = o.name
    end
    local near = errors.nearest(name, names)
    local sets = false
    for _, known in ipairs(names) do sets = sets or known == "set" end
    fail(verb, "no such option --%s%s", name, near and "; did you mean --" .. near .. "?" or sets and "; settings are written --set NAME=VALUE" or "")
end

local function convert(verb, o, text)
    if o.kind ~= "int" and o.kind ~= "number" then
        if text == "" then fail(verb, "--%s is empty; %s expected", o.name, o.value) end
        return text
    end
    local v = tonumber(text)
    if not v or v ~= v or (o.kind == "int" and v ~= math.floor(v)) or v < o.min or v > o.max then
        fail(verb, "--%s = %s; %s %s..%s expected", o.name, errors.show(text), o.kind == "int" and "an integer" or "a number",
            errors.show(o.min), errors.show(o.max))
    end
    return v
end

local function key_of(name) return (name:gsub("%-", "_")) end

-- The options by name ("-" becomes "_") with their defaults, positions in [1], [2], ...; said: which of them the command line has.
function options.parse(verb, arguments)
    local out, i, ended = { said = {} }, 1, false
    for _, o in ipairs(options.all(verb)) do
        out[key_of(o.name)] = o.many and {} or o.default
    end
    while i <= #arguments do
        local a = arguments[i]
        if ended or a:sub(1, 1) ~= "-" or a == "-" then out[#out + 1] = a
        elseif a == "--" then ended = true
        elseif a == "-h" then out.help = true
        elseif a:sub(1, 2) ~= "--" then fail(verb, "no such option %s; options are written --name", a)
        else
            local name, value = a:match("^%-%-([^=]+)=(.*)$")
            name = name or a:sub(3)
            local o = find(verb, name)
            out.said[key_of(name)] = true
            if not o.value then
                if value then fail(verb, "--%s takes no value", name) end
                out[key_of(name)] = true
            else
                if not value then
                    i = i + 1
                    value = arguments[i] or fail(verb, "--%s: %s expected after it", name, o.value)
                end
                value = convert(verb, o, value)
                if o.many then table.insert(out[key_of(name)], value) else out[key_of(name)] = value end
            end
        end
        i = i + 1
    end
    if verb.actions and out[1] and not out.help and not verb.actions[out[1]] then
        local names = {}
        for name in pairs(verb.actions) do names[#names + 1] = name end
        fail(verb, "%s", errors.unknown("action " .. errors.show(out[1]), out[1], names))
    end
    local least, most = verb.least or 0, verb.most or verb.least or 0
    if not out.help and (#out < least or #out > most) then
        fail(verb, "%d arguments given; usage: bauta %s %s", #out, verb.name, verb.usage)
    end
    return out
end

-- --set key=value ... as a list of { key, value }.
function options.changes(list)
    local out = {}
    for i, text in ipairs(list) do
        local key, value = text:match("^([%w_%-%./]+)=(.*)$")
        if not key then
            local what = "--set %s: key=value expected, as epochs=2 or student.depth=3"
            errors.raise("arg", what:format(errors.show(text)), "command line")
        end
        out[i] = { key = key, value = value }
    end
    return out
end

return options
