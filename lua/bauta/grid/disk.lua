-- disk: which runs of a grid are there already, and which are left of an earlier form of its script. The folders are the only
-- book that is kept: a run is LABEL-DIGEST, complete when its own state says so, so a kill at any moment leaves nothing to mend.
local archive = require "bauta.archive"
local ffi = require "bauta.ffi"

local disk = {}

-- "complete", "running", "stopped", "failed", "killed", "missing", and the state as it is on disk.
function disk.state(task, out)
    local s = archive.state(task.run, out)
    if not s then return archive.begun(task.run, out) and "killed" or "missing" end
    if s.state == "running" and not s.alive then return "killed", s end
    return s.state, s
end

function disk.complete(task, out) return disk.state(task, out) == "complete" end

-- How its next process has to open it.
function disk.mode(task, out)
    local state, s = disk.state(task, out)
    if state == "missing" then return "new" end
    return (s and s.alive or archive.saved(task.run, out)) and "resume" or "restart"
end

local pattern = "^(.+)%-(" .. ("%x"):rep(12) .. ")$"

-- The label of a run by the name of its folder, or nil.
function disk.label(name) return (name:match(pattern)) end

-- Names of runs in a folder by the beginning of their digest: equal settings are one run, whatever a script calls it.
function disk.by_digest(path)
    local out = {}
    for _, name in ipairs(ffi.names(path)) do
        local _, digest = name:match(pattern)
        if digest then out[digest] = name end
    end
    return out
end

local function what_changed(task, path)
    local ok, lines = pcall(archive.differences, task.run, path)
    if not ok then return {} end
    if #lines == 0 then lines[1] = "weights, or a criterion's text" end
    return lines
end

-- Runs below the grid's folder that no run of the grid is: { name, label, task (of the same label now, or nil), changes }.
function disk.stale(grid, out)
    local current, by_label, found = {}, {}, {}
    for _, task in ipairs(grid.tasks) do
        current[task.run.folder:match "[^/]+$"] = true
        by_label[task.label] = task
    end
    local base = out .. "/" .. grid.folder
    for _, name in ipairs(ffi.names(base)) do
        local label = disk.label(name)
        if label and not current[name] then
            local task = by_label[label]
            found[#found + 1] = { name = name, label = label, task = task,
                changes = task and what_changed(task, base .. "/" .. name) or {} }
        end
    end
    return found
end

-- Lines for people about those.
function disk.stale_lines(grid, out)
    local lines = {}
    for _, s in ipairs(disk.stale(grid, out)) do
        if s.task then
            local more = #s.changes > 3 and (" and %d more"):format(#s.changes - 3) or ""
            lines[#lines + 1] = ("%s changed since %s: %s%s"):format(s.label, s.name, table.concat(s.changes, "; ", 1,
                math.min(3, #s.changes)), more)
        elseif grid.folder == grid.name then lines[#lines + 1] = ("%s: no longer a cell of the script"):format(s.name) end
    end
    return lines
end

return disk
