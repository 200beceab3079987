-- json: Lua values as JSON text, keys sorted, so that equal settings give equal bytes.
local json = {}

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quote(s)
    return '"' .. s:gsub('[%c"\\]', function(c) return escapes[c] or ("\\u%04x"):format(c:byte()) end) .. '"'
end

local function number(v)
    if v ~= v or v == math.huge or v == -math.huge then return "null" end
    if v == math.floor(v) and math.abs(v) < 2 ^ 53 then return ("%d"):format(v) end
    local short = ("%.15g"):format(v)
    return tonumber(short) == v and short or ("%.17g"):format(v)
end

local encode

local function list(t, indent, step, depth)
    local parts = {}
    for i, v in ipairs(t) do parts[i] = encode(v, indent, step, depth) end
    return "[" .. table.concat(parts, ", ") .. "]"
end

local function object(t, indent, step, depth)
    local keys, parts = {}, {}
    for k in pairs(t) do keys[#keys + 1] = tostring(k) end
    table.sort(keys)
    local inner = indent .. step
    for i, k in ipairs(keys) do parts[i] = quote(k) .. ": " .. encode(t[k], inner, step, depth) end
    if #parts == 0 then return "{}" end
    if step == "" then return "{" .. table.concat(parts, ", ") .. "}" end
    return "{\n" .. inner .. table.concat(parts, ",\n" .. inner) .. "\n" .. indent .. "}"
end

function encode(v, indent, step, depth)
    if depth > 64 then error("json: tables nested deeper than 64", 0) end
    if type(v) == "number" then return number(v) end
    if type(v) == "string" then return quote(v) end
    if type(v) == "boolean" then return tostring(v) end
    if type(v) ~= "table" then return "null" end
    if #v > 0 then return list(v, indent, step, depth + 1) end
    return object(v, indent, step, depth + 1)
end

-- On one line, or with `pretty` a setting per line.
function json.encode(v, pretty) return encode(v, "", pretty and "  " or "", 0) end

return json
