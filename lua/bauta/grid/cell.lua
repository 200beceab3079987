-- cell: one run of a grid in a process of its own: begun, gone on with, or taken as it is, by what is on the disk. Runs whose
-- weights it takes are made first; when another process makes one of them, it is waited for.
local archive = require "bauta.archive"
local bind = require "bauta.bind.run"
local disk = require "bauta.grid.disk"
local errors = require "bauta.errors"
local report = require "bauta.report"

local cell = {}

local function say(task, text) io.stdout:write(task.run:path(), ": ", text, "\n") io.stdout:flush() end

-- Waits while another process has the run. Returns 0 when it is complete, nil when nobody has it, 85 when a signal came.
local function wait_for(task, out)
    local told = false
    while true do
        local state, s = disk.state(task, out)
        if state == "complete" then return 0 end
        if not (s and s.alive) then return nil end
        if bind.signal() ~= 0 then return 85 end
        if not told then say(task, ("waiting for process %d, which makes it"):format(s.pid)) end
        told = true
        bind.nap(0.5)
    end
end

local function carry_out(task, options)
    local trainer = require "bauta.trainer"
    local given = {}
    for k, v in pairs(options) do given[k] = v end
    given.mode = disk.mode(task, options.out)
    return trainer.run(task.run, given)
end

-- Makes a run that others need, or lets the process go on that makes it.
local function ensure(task, options)
    while true do
        local status = wait_for(task, options.out)
        if status then return status end
        local ok, result = pcall(cell.run, task, options)
        if ok then return result end
        if not errors.is(result) or result.code ~= "busy" then error(result, 0) end
    end
end

-- Returns the exit status. options: of trainer.run, without the mode.
function cell.run(task, options)
    bind.install_signals()
    if disk.complete(task, options.out) then
        say(task, "complete already")
        return 0
    end
    for _, need in ipairs(task.needs) do
        local status = ensure(need, options)
        if status ~= 0 then return status end
        collectgarbage()
    end
    local status = carry_out(task, options)
    if status == 0 then
        local r = archive.result(task.run, options.out)
        say(task, "complete, " .. report.accuracy(r))
    end
    return status
end

return cell
