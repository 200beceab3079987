-- sdk/check: bauta plugin check: starts the trial of a plugin as a child process and reports what it says, also when it dies on the way.
--
-- The child marks its own lines with a byte that nothing else writes: "try WHAT" before each step, then "ok", "BAD", "skip" or "note",
-- WHAT and a text. Everything else that it writes is the plugin's, and is shown as such.
local errors = require "bauta.errors"
local report = require "bauta.sdk.report"
local session = require "bauta.session"

local check = {}

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function command(path, given)
    local words = { quoted(session.places.program), "plugin trial", quoted(path), "--plugin-timeout", ("%d"):format(given.limit) }
    for _, text in ipairs(given.set) do words[#words + 1] = "--set " .. quoted(text) end
    for _, folder in ipairs(given.plugins) do words[#words + 1] = "--plugins " .. quoted(folder) end
    if given.tier ~= "auto" then words[#words + 1] = "--tier " .. quoted(given.tier) end
    return table.concat(words, " ") .. " 2>&1 </dev/null; printf '\\001end %d\\n' $?"
end

local function show(counts, verdict, what, text)
    counts[verdict] = (counts[verdict] or 0) + 1
    io.stdout:write(("%-5s %-14s %s\n"):format(verdict, what, text))
end

-- Why a child ended that did not finish: the line it said itself, or what the shell says about its end.
local function death(status, said)
    if said then return said end
    return status > 128 and ("killed by signal %d"):format(status - 128) or ("ended with status %d"):format(status)
end

-- Reads the child to its end. Returns the counts, and whether it finished by itself.
local function follow(child)
    local counts, doing, finished, said, status = {}, "start", false, nil, 0
    for line in child:lines() do
        local kind, rest = line:match("^" .. report.mark .. "(%a+) ?(.*)$")
        if kind == "try" then doing = rest
        elseif kind == "done" then finished = true
        elseif kind == "end" then status = tonumber(rest) or 0
        elseif kind then show(counts, kind, rest:match "^(.-)\t(.*)$")
        elseif line:find "^bauta: " then said = said or line:match "^bauta: (.*)$"
        else io.stdout:write("      | ", line, "\n") end
    end
    if not finished then show(counts, "BAD", doing, death(status, said)) end
    return counts
end

function check.run(path, given)
    if not session.exists(path) then errors.raise("plugin", "no such file", path) end
    io.stdout:flush()
    local child = io.popen(command(path, given), "r")
    if not child then errors.raise("machine", "no child process to try it in", path) end
    local counts = follow(child)
    child:close()
    local bad, good = counts.BAD or 0, counts.ok or 0
    io.stdout:write(("%d passed, %d failed, %d skipped\n"):format(good, bad, counts.skip or 0))
    return (bad > 0 or good == 0) and errors.status.plugin or 0
end

return check
