-- errors: the error value that everything in Bauta raises, and where in the user's script it happened.
--
-- An error is a table { code, lines, where }: code is the name of a status ("arg", "data", "plugin", ...), lines its sentences
-- (several when a table had several mistakes). The position is found by walking the stack to the first function that is not
-- ours, so tail calls and helpers do not matter.
local errors = {}

-- Exit statuses of the program, by code.
errors.status = { numeric = 1, arg = 2, data = 3, plugin = 4, machine = 5, resume = 6, busy = 7, bug = 70 }

local home = debug.getinfo(1, "S").source:gsub("^@", ""):gsub("errors%.lua$", "")
local class = {}
class.__index = class
class.__tostring = function(e) return errors.text(e) end

-- Whether a chunk is one of our files.
function errors.is_home(source) return source:sub(1, 1) == "@" and source:sub(2, #home + 1) == home end

local function ours(source) return source:sub(1, 1) ~= "@" or errors.is_home(source) end

-- While a script describes, its latest line: `return f { ... }` is a tail call, which leaves no trace on the stack.
errors.latest = nil

function errors.follow(line)
    local info = debug.getinfo(3, "S")
    if info and info.what ~= "C" and not ours(info.source) then errors.latest = info.source:gsub("^@", "") .. ":" .. line end
end

-- The function through which those of a script are called (watch.lua).
errors.boundary = nil

-- "script.lua:12" of the nearest caller outside of Bauta, or nil.
function errors.position()
    for level = 2, 200 do
        local info = debug.getinfo(level, "Slf")
        if not info or (info.func == errors.boundary and errors.latest) then return errors.latest end
        if info.what ~= "C" and info.currentline > 0 and not ours(info.source) then
            return (info.source:gsub("^@", "")) .. ":" .. info.currentline
        end
    end
    return errors.latest
end

function errors.new(code, lines, where)
    return setmetatable({ code = code, lines = type(lines) == "table" and lines or { lines }, where = where }, class)
end

function errors.is(e) return getmetatable(e) == class end

-- Raises; where: "file:line", a file, "plugin NAME"; nil: the caller's line in the script.
function errors.raise(code, lines, where)
    local e = errors.new(code, lines, where or errors.position())
    e.trace = debug.traceback("", 2)
    error(e, 0)
end

function errors.fail(fmt, ...) errors.raise("arg", select("#", ...) > 0 and fmt:format(...) or fmt) end

-- Whether the path of a file, which may lack its beginning, is that of one of our files.
local function is_mine(path)
    for place in ("/" .. path):gmatch "()/" do
        local below = path:sub(place)
        local f = (home .. below):sub(-#path) == path and io.open(home .. below, "r")
        if f then
            f:close()
            return true
        end
    end
    return false
end

-- A message that Lua gave to a function f of a script. The line is the one it names, or the script's latest one, or f's first.
function errors.of_script(text, f, latest)
    local file, line, what = text:match("^([^\n]-):(%d+): ([^\n]*)")
    if file and not is_mine((file:gsub("^%.%.%.", ""))) then return errors.new("arg", what, file .. ":" .. line) end
    local info = debug.getinfo(f, "S")
    local first = info.what ~= "C" and info.source:sub(1, 1) == "@" and ("%s:%d"):format(info.source:sub(2), info.linedefined) or nil
    return errors.new("arg", what or text:match "^[^\n]*", latest or first)
end

-- Any caught error as one of ours: a message of Lua itself is the script's, unless it comes from one of our files.
function errors.wrap(e)
    if errors.is(e) then return e end
    if type(e) ~= "string" then return errors.new("arg",
        ("the script raised %s as an error; a text expected"):format(errors.show(e)), errors.latest) end
    local text = tostring(e)
    local file, line, what = text:match("^([^\n]-):(%d+): ([^\n]*)")
    if not file then
        local memory = text:find("not enough memory", 1, true)
        return errors.new(memory and "arg" or "bug", memory and "not enough memory (script limit 1024 MiB)"
            or (text:match("^[^\n]*")), nil)
    end
    return errors.new(is_mine((file:gsub("^%.%.%.", ""))) and "bug" or "arg", what, file .. ":" .. line)
end

-- The file of a position, as it is written in front of a line's number, or nil.
local function file_of(where) return where and where:match "^(.*):%d+$" end

-- An error as that of a run described at `where`: each line names the run, unless name is nil, and a place that is no line of that script.
function errors.named(e, name, where)
    e = errors.wrap(e)
    if e.code == "bug" then return e end
    local own, lines, front = e.where and file_of(e.where) == file_of(where), {}, name and name .. ": " or ""
    local place = e.where and not own and e.where ~= name and e.where .. ": " or ""
    for i, line in ipairs(e.lines) do lines[i] = front ~= "" and line:sub(1, #front) == front and line or front .. place .. line end
    local out = errors.new(e.code, lines, own and e.where or where)
    out.trace = e.trace
    return out
end

-- One line per mistake, each "WHERE: sentence".
function errors.text(e)
    if not errors.is(e) then return tostring(e) end
    local out = {}
    for i, line in ipairs(e.lines) do out[i] = e.where and e.where .. ": " .. line or line end
    return table.concat(out, "\n")
end

function errors.article(word) return (word:find("^[aeiou]") and "an " or "a ") .. word end

-- A value as it is shown in messages.
function errors.show(v)
    if type(v) == "string" then
        local s = v:gsub("%c", "?")
        return '"' .. (#s > 60 and s:sub(1, 57) .. "..." or s) .. '"'
    end
    if type(v) == "number" then
        if v ~= v then return "nan" end
        if v == math.huge or v == -math.huge then return v > 0 and "inf" or "-inf" end
        if v == 0 and 1 / v < 0 then return "-0" end
        return v == math.floor(v) and math.abs(v) < 1e15 and ("%d"):format(v) or ("%.10g"):format(v)
    end
    if type(v) == "table" or type(v) == "function" or type(v) == "userdata" then
        local mt = type(v) == "table" and getmetatable(v)
        return errors.article(mt and type(mt.class) == "string" and mt.class or type(v))
    end
    return tostring(v)
end

local function distance(a, b)
    local row = {}
    for j = 0, #b do row[j] = j end
    for i = 1, #a do
        local before = row[0]
        row[0] = i
        for j = 1, #b do
            local above = row[j]
            row[j] = math.min(above + 1, row[j - 1] + 1, before + (a:byte(i) == b:byte(j) and 0 or 1))
            before = above
        end
    end
    return row[#b]
end

-- The name of the list nearest to what was written, or nil when none is near.
function errors.nearest(name, names)
    local best, least
    for _, n in ipairs(names) do
        local d = distance(name:lower(), n:lower())
        if not least or d < least then best, least = n, d end
    end
    return best and least <= math.max(2, math.floor(#name / 3)) and best or nil
end

-- "no such KIND 'name'; did you mean 'x'? known: ..."
function errors.unknown(kind, name, names)
    table.sort(names)
    local near = errors.nearest(tostring(name), names)
    local list = #names > 0 and "; known: " .. table.concat(names, ", ") or "; there is none"
    return ("no such %s%s%s"):format(kind, near and "; did you mean " .. near .. "?" or "", near and "" or list)
end

return errors
