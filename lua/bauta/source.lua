-- source: what a function written in a script is, as a digest: its own lines, and what it holds from outside: numbers and texts
-- by value, functions and tables by what they hold in turn. So an experiment knows when a criterion was edited.
local source = {}

local function read(path)
    local session = require "bauta.session"
    local script = session.script
    if script and (script.path == path or script.path:sub(-#path) == path) then return script.text end
    return session.read(path) or ""
end

local function lines_of(info)
    local lines, n = {}, 0
    for line in (read((info.source:gsub("^@", ""))) .. "\n"):gmatch "([^\n]*)\n" do
        n = n + 1
        if n >= info.linedefined and n <= info.lastlinedefined then lines[#lines + 1] = line end
    end
    return table.concat(lines, "\n")
end

local add

-- A table's plain parts in the order of their names. Objects of Bauta say what they are by themselves; its modules are no part of a script.
local function add_table(t, out, seen, depth)
    if getmetatable(t) or package.loaded["bauta"] == t then return end
    local keys = {}
    for k in pairs(t) do
        if type(k) == "string" or type(k) == "number" then keys[#keys + 1] = k end
    end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for _, k in ipairs(keys) do
        out[#out + 1] = tostring(k)
        add(t[k], out, seen, depth + 1)
    end
end

local function add_function(f, out, seen, depth)
    local info = debug.getinfo(f, "S")
    if info.what == "C" then return end
    out[#out + 1] = lines_of(info)
    for i = 1, 255 do
        local name, v = debug.getupvalue(f, i)
        if not name then break end
        out[#out + 1] = name
        add(v, out, seen, depth + 1)
    end
end

function add(v, out, seen, depth)
    local kind = type(v)
    if kind == "number" then out[#out + 1] = ("%.17g"):format(v)
    elseif kind == "string" or kind == "boolean" then out[#out + 1] = tostring(v)
    elseif (kind == "function" or kind == "table") and not seen[v] and depth < 20 then
        seen[v] = true
        if kind == "function" then add_function(v, out, seen, depth) else add_table(v, out, seen, depth) end
    end
end

-- 64 hex digits.
function source.digest(f)
    local out = {}
    add(f, out, {}, 0)
    return require("bauta.bind.run").digest(table.concat(out, "\n"))
end

return source
