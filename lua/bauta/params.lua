-- params: the parameters a script declares: shown by --help of that script, set by --set name=value, logged with the run.
local check = require "bauta.check"
local errors = require "bauta.errors"

local params = { declared = nil, given = {} }

-- Raised to end a script after its declaration when only its help is wanted.
params.only_help = errors.new("arg", "the help of the script was wanted, nothing else")

-- rows: list of bauta.int(...), bauta.float(...), ... Returns a table of values; reading another name is an error.
function params.read(rows)
    if type(rows) ~= "table" then errors.fail("params: a list of bauta.int(...), bauta.float(...), ... expected, got %s",
        errors.show(rows)) end
    if params.declared then errors.fail "params: declared twice; one bauta.params { ... } a script" end
    local values, names, lines = {}, {}, {}
    for i, row in ipairs(rows) do
        if check.class_of(row) ~= "parameter" then errors.fail("params: row %d is %s; bauta.int(...), bauta.float(...), ... " ..
            "expected", i, errors.show(row)) end
        if values[row.name] ~= nil then errors.fail("params: %s is declared twice", row.name) end
        values[row.name], names[i] = row.default, row.name
    end
    params.declared = rows
    if params.help then error(params.only_help, 0) end
    for _, given in ipairs(params.given) do
        for _, row in ipairs(rows) do
            if row.name == given.key then
                local v, why = check.text(row, given.value)
                if v == nil then lines[#lines + 1] = "--set " .. why else values[row.name] = v end
                given.used, given.by_script = true, true
            end
        end
    end
    if #lines > 0 then errors.raise("arg", lines) end
    return setmetatable({}, { __index = function(_, k)
        if values[k] ~= nil then return values[k] end
        errors.fail("params.%s: %s", tostring(k), errors.unknown("parameter", tostring(k), names))
    end, __newindex = function(_, k) errors.fail("params.%s: parameters are set by --set %s=value only", tostring(k),
        tostring(k)) end })
end

return params
