-- identity: what a cell is: the digest of everything that decides its numbers. Settings with every default, files of plugins, the
-- text of criteria written in Lua, weights by their content or by the run that makes them; names and folders do not count.
local bind = require "bauta.bind.run"
local check = require "bauta.check"
local json = require "bauta.json"

local identity = {}
local digests = {} -- of weights files, by path

local function of_file(path)
    if not digests[path] then
        local ok, digest = pcall(bind.file_digest, path)
        digests[path] = ok and digest or "not there: " .. path
    end
    return digests[path]
end

-- Pictures are known by the name and the size of their file, not by the folder it lies in.
local function data_name(path)
    local f = io.open(path, "rb")
    local bytes = f and f:seek "end"
    if f then f:close() end
    return ("%s %s"):format(path:gsub("/+$", ""):match "[^/]+$" or path, bytes and bytes < 2 ^ 52 and tostring(bytes) or "folder")
end

local function sorted_keys(t)
    local keys = {}
    for k in pairs(t) do keys[#keys + 1] = k end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    return keys
end

-- Appends what the record does not say by content: files of weights and of statistics, in a fixed order.
local function contents(v, out, seen)
    if type(v) ~= "table" or seen[v] then return end
    seen[v] = true
    local class = check.class_of(v)
    local inner = class and v.settings or v
    if type(inner) ~= "table" then return end
    for _, k in ipairs(sorted_keys(inner)) do
        local x = inner[k]
        if k == "weights" or k == "statistics" then
            if check.class_of(x) == "experiment" then out[#out + 1] = identity.of(x)
            elseif type(x) == "string" and x ~= "" then out[#out + 1] = of_file(x) end
        else contents(x, out, seen) end
    end
end

-- The record without names of runs and folders.
local function neutral(t)
    for k, v in pairs(t) do
        if (k == "weights" or k == "statistics") and type(v) == "string" and v ~= "" then t[k] = "given"
        elseif type(v) == "table" then neutral(v) end
    end
    return t
end

-- 64 hex digits; the same for experiments that give the same numbers.
function identity.of(e)
    if e.identity then return e.identity end
    local record, more = neutral(e:record()), {}
    for _, name in ipairs(e:harmless()) do record[name] = nil end
    local path = record.data and record.data.settings.path
    if type(path) == "string" and path ~= "" then record.data.settings.path = data_name(path) end
    contents(e.settings, more, {})
    e.identity = bind.digest(json.encode(record) .. "\n" .. table.concat(more, "\n"))
    return e.identity
end

return identity
