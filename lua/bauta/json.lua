-- json: Lua values as JSON text, keys sorted, so that equal settings give equal bytes; and JSON text as Lua values.
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

-- ---- reading ----
local plain = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }

local function wrong(text, at, what)
    local _, line = text:sub(1, at - 1):gsub("\n", "")
    error(("json: line %d: %s"):format(line + 1, what), 0)
end

local function utf8(code)
    if code < 0x80 then return string.char(code) end
    if code < 0x800 then return string.char(0xC0 + math.floor(code / 64), 0x80 + code % 64) end
    return string.char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64, 0x80 + code % 64)
end

local function read_string(text, at)
    local out, from = {}, at + 1
    while true do
        local stop = text:find('["\\%c]', from)
        if not stop or text:find("^%c", stop) then wrong(text, at, "a string without an end") end
        out[#out + 1] = text:sub(from, stop - 1)
        if text:sub(stop, stop) == '"' then return table.concat(out), stop + 1 end
        local hex = text:match("^u(%x%x%x%x)", stop + 1)
        local mark = text:sub(stop + 1, stop + 1)
        if not hex and not plain[mark] then wrong(text, stop, "a backslash before " .. (mark == "" and "the end" or mark)) end
        out[#out + 1] = hex and utf8(tonumber(hex, 16)) or plain[mark]
        from = stop + (hex and 6 or 2)
    end
end

local read

-- Members up to `close`; each(at) reads one and gives where it ends.
local function members(text, at, close, each)
    at = text:match("^%s*()", at + 1)
    if text:sub(at, at) == close then return at + 1 end
    while true do
        at = text:match("^%s*()", each(at))
        local mark = text:sub(at, at)
        if mark == close then return at + 1 end
        if mark ~= "," then wrong(text, at, ("',' or '%s' expected"):format(close)) end
        at = text:match("^%s*()", at + 1)
    end
end

local function read_object(text, at, depth)
    local out = {}
    return out, members(text, at, "}", function(from)
        if text:sub(from, from) ~= '"' then wrong(text, from, "a name in quotes expected") end
        local key, after = read_string(text, from)
        after = text:match("^%s*:%s*()", after) or wrong(text, after, "':' expected")
        out[key], after = read(text, after, depth)
        return after
    end)
end

local function read_list(text, at, depth)
    local out = {}
    return out, members(text, at, "]", function(from)
        local v, after = read(text, from, depth)
        out[#out + 1] = v
        return after
    end)
end

function read(text, at, depth)
    if depth > 64 then wrong(text, at, "deeper than 64") end
    local mark = text:sub(at, at)
    if mark == "{" then return read_object(text, at, depth + 1) end
    if mark == "[" then return read_list(text, at, depth + 1) end
    if mark == '"' then return read_string(text, at) end
    for word, v in pairs { ["true"] = true, ["false"] = false, null = json.null } do
        if text:sub(at, at + #word - 1) == word then return v, at + #word end
    end
    local digits = text:match("^%-?%d+%.?%d*[eE]?[+-]?%d*", at)
    local v = digits and tonumber(digits)
    if not v then wrong(text, at, "a value expected") end
    return v, at + #digits
end

-- What null becomes inside lists and objects.
json.null = setmetatable({}, { __tostring = function() return "null" end })

-- The value of a text; raises one line when it is no JSON.
function json.decode(text)
    local v, at = read(text, text:match("^%s*()"), 0)
    at = text:match("^%s*()", at)
    if at <= #text then wrong(text, at, "something behind the value") end
    return v
end

return json
