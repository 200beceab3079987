-- defined: criteria and losses written in Lua. A script defines them (bauta.mask.define, bauta.loss.define), or they are files of their own, found by
-- name as plugins are: KIND/NAME.lua or NAME.lua in a folder of the plugin path, and lua/bauta/strategies for those that come with Bauta.
local bind = require "bauta.bind.plugin"
local errors = require "bauta.errors"
local ffi = require "bauta.ffi"
local session = require "bauta.session"
local watch = require "bauta.watch"

local defined = { known = { mask = {}, loss = {} } } -- by kind and name
local strategies = debug.getinfo(1, "S").source:gsub("^@", ""):gsub("defined%.lua$", "") .. "strategies"
local loading -- the file that is being read

local words = { mask = "criterion" }

-- What messages call a plugin of a kind.
function defined.word(kind) return words[kind] or kind end

-- ---- files ----

-- Whether a file that lies among others defines this name: it is no criterion's file because a script that defines one lies there.
local function speaks_of(path, kind, name)
    local text = session.read(path) or ""
    for place in text:gmatch("%f[%w]" .. kind .. "%.define%f[^%w]()") do
        if text:match("%f[%w]name%s*=%s*[\"']([^\"']*)[\"']", place) == name then return true end
    end
    return false
end

-- The files in Lua of this kind, of one name or of all: { path, name }.
local function lua_files(kind, only)
    local out, seen = {}, {}
    local function look(folder, judge)
        for _, file in ipairs(only and { only .. ".lua" } or ffi.names(folder)) do
            local path, name = folder .. "/" .. file, file:match "^([a-z0-9_-]+)%.lua$"
            if name and not seen[path] and session.exists(path) and (not judge or judge(path, kind, name)) then
                out[#out + 1], seen[path] = { path = path, name = name }, true
            end
        end
    end
    if kind == "mask" then look(strategies) end
    for folder in bind.path():gmatch "[^:]+" do
        look(folder .. "/" .. kind)
        look(folder, speaks_of)
    end
    return out
end

-- The shared object that has this kind and name, or nil.
local function shared_object(kind, name)
    for folder in bind.path():gmatch "[^:]+" do
        local path = ("%s/%s/%s.so"):format(folder, kind, name)
        if session.exists(path) then return path end
        local ok, found = false, nil
        if session.exists(("%s/%s.so"):format(folder, name)) then ok, found = pcall(bind.find, kind, name) end
        if ok then return found.path end
    end
end

local function refuse_twice(kind, name, first, second)
    errors.raise("plugin", ("%s %s is there twice: %s and %s"):format(defined.word(kind), name, first, second))
end

-- Reads a file, which then has to have defined this kind and name.
local function read(path, kind, name)
    local script = require "bauta.script"
    local chunk, why = load(script.read(path), "@" .. path)
    if not chunk then
        local where, what = why:match "^(.-:%d+): (.*)$"
        errors.raise("arg", what or why, where or path)
    end
    local before = loading
    loading = path
    local ok, e = pcall(watch.script, path, chunk, session.options.script_timeout or 60)
    loading = before
    if not ok then
        defined.known[kind][name] = nil
        error(e, 0)
    end
    if not defined.known[kind][name] then
        errors.raise("arg", ("defines no %s %s; bauta.%s.define { name = %s, ... } expected"):format(defined.word(kind), name, kind, errors.show(name)), path)
    end
end

-- ---- what there is ----

-- The one of this kind and name, or nil; its file is read when it is asked for.
function defined.find(kind, name)
    local known = defined.known[kind]
    if not known or type(name) ~= "string" or known[name] then return known and known[name] end
    local files = name:find "^[a-z0-9_-]+$" and lua_files(kind, name) or {}
    if #files == 0 then return nil end
    local second = files[2] and files[2].path or shared_object(kind, name)
    if second then refuse_twice(kind, name, files[1].path, second) end
    read(files[1].path, kind, name)
    return known[name]
end

-- The names of all that are written in Lua, those of the script too, and the files that are none after all: { path, refused }.
function defined.names(kind)
    local names, refused = {}, {}
    for _, file in ipairs(lua_files(kind)) do
        local ok, why = pcall(defined.find, kind, file.name)
        if not ok then
            why = errors.wrap(why)
            local line = why.where and why.where:sub(1, #file.path) == file.path
            refused[#refused + 1] = { path = line and why.where or file.path, refused = why.lines[1] }
        end
    end
    for name in pairs(defined.known[kind]) do names[#names + 1] = name end
    table.sort(names)
    return names, refused
end

-- Whether a file is the one that defines a thing now: it is being read, or it is the script itself, which lies on the plugin path.
local function is_itself(path) return path == loading or (session.script ~= nil and session.read(path) == session.script.text) end

-- Takes note of one, under a name that no other place has. what: the function that defines it; found: kind, name, where, ...
function defined.take(what, found)
    local kind, name = found.kind, found.name
    if not name:find "^[a-z0-9_-]+$" then
        errors.fail('%s.name = %s; lower-case letters, digits, "-" and "_" expected', what, errors.show(name))
    end
    found.path, found.built_in = loading, loading ~= nil and loading:sub(1, #strategies + 1) == strategies .. "/"
    if found.built_in then found.where = loading end
    local known = defined.known[kind]
    if known[name] and known[name].where ~= found.where then
        errors.fail("%s: %s %s is defined already at %s", what, defined.word(kind), name, known[name].where)
    end
    if not known[name] then
        local there = shared_object(kind, name)
        for _, file in ipairs(lua_files(kind, name)) do there = there or not is_itself(file.path) and file.path or nil end
        if there then errors.fail("%s: there is a %s %s already, %s; another name expected", what, defined.word(kind), name, there) end
    end
    known[name] = found
end

return defined
