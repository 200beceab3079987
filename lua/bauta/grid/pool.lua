-- pool: runs of a grid on this machine, so many at a time, each in a process of its own. It keeps no book: what is complete is on
-- the disk (grid/disk.lua), so it may be killed at any moment. Shared runs go first; a run that fails does not stop the others.
local archive = require "bauta.archive"
local bind = require "bauta.bind.run"
local disk = require "bauta.grid.disk"
local errors = require "bauta.errors"
local ffi = require "bauta.ffi"
local progress = require "bauta.progress"
local report = require "bauta.report"
local session = require "bauta.session"

local pool = {}
local Pool = {}
Pool.__index = Pool

local busy, requeue, interrupted = 7, 85, 130

-- ---- what is to be done ----

local function need(self, task)
    if self.state[task] then return end
    if disk.complete(task, self.out) then
        self.state[task] = "complete"
        return
    end
    for _, one in ipairs(task.needs) do need(self, one) end
    self.state[task] = "waiting"
    self.list[#self.list + 1] = task
end

local function ready(self, task)
    if self.state[task] ~= "waiting" or (self.later[task] or 0) > ffi.clock() then return false end
    for _, one in ipairs(task.needs) do
        if self.state[one] ~= "complete" then return false end
    end
    return true
end

-- What keeps others from beginning, now and in this process.
local dead = { failed = "has failed", stopped = "was stopped", blocked = "cannot begin" }

-- A run that needs one that has not been made, and will not be, cannot begin. Those that are needed stand first in the list.
local function block(self)
    for _, task in ipairs(self.list) do
        for _, one in ipairs(self.state[task] == "waiting" and task.needs or {}) do
            local why = dead[self.state[one]]
            if why then self.state[task], self.why[task] = "blocked", ("%s %s"):format(one.label, why) end
        end
    end
end

-- ---- processes ----

local function log_path(self, task) return ("%s/log/%s.txt"):format(self.base, task.run.folder:match "[^/]+$") end

local function start(self, task)
    local words = { session.places.program, "grid", "cell", self.file, tostring(task.number), "--expect", task.id }
    for _, word in ipairs(self.words) do words[#words + 1] = word end
    local pid = bind.start(words, log_path(self, task))
    self.state[task], self.running[pid], self.n = "running", { task = task, begun = ffi.clock() }, self.n + 1
end

-- The last line that a process wrote which is a complaint, for the table and for comparing failures.
local function last_complaint(self, task)
    local last
    for line in session.tail(log_path(self, task), 65536):gmatch "[^\n]+" do
        if line:find "^bauta: " and not line:find("--trace shows where", 1, true) then last = line:gsub("^bauta: ", "") end
    end
    return last or "ended without a word"
end

local function say(self, fmt, ...)
    local done = 0
    for _, task in ipairs(self.list) do
        if self.state[task] == "complete" then done = done + 1 end
    end
    io.stdout:write(("[%d/%d] "):format(done, #self.list), fmt:format(...), "\n")
    io.stdout:flush()
end

local function time_left(self)
    local left = 0
    for _, task in ipairs(self.list) do
        local s = self.state[task]
        if s == "waiting" or s == "running" then left = left + 1 end
    end
    if left == 0 or self.timed == 0 then return "" end
    return (", about %s left"):format(progress.duration(self.seconds / self.timed * left / self.jobs))
end

local function fail(self, task, status, text)
    self.why[task] = text
    local tries = (self.tries[task] or 0) + 1
    self.tries[task] = tries
    if tries <= self.retries and not self.stopping then
        self.state[task] = "waiting"
        say(self, "%s: failed with status %d, tried again: %s", task.label, status, text)
        return
    end
    self.state[task] = "failed"
    say(self, "%s: FAILED with status %d: %s", task.label, status, text)
    local same = text:gsub(task.run.folder:gsub("%p", "%%%0"), "RUN")
    self.alike = same == self.last_failure and self.alike + 1 or 1
    self.last_failure = same
    if self.on_fail == "stop" then self.give_up = "a run has failed (--on-fail stop)"
    elseif self.alike >= 3 then self.give_up = "three runs in a row have failed with the same words" end
end

local function ended(self, pid, status)
    local one = self.running[pid]
    if not one then return end
    local task = one.task
    self.running[pid], self.n = nil, self.n - 1
    if disk.complete(task, self.out) then -- its own word counts, not the status of the process
        self.state[task] = "complete"
        self.seconds, self.timed, self.alike = self.seconds + ffi.clock() - one.begun, self.timed + 1, 0
        local ok, r = pcall(archive.result, task.run, self.out)
        say(self, "%s: complete, %s, %s%s", task.label, ok and report.accuracy(r) or "no result", progress.duration(ffi.clock() - one.begun), time_left(self))
    elseif status == busy then
        self.state[task], self.later[task] = "waiting", ffi.clock() + 1
    elseif self.stopping or status == requeue or status == interrupted then self.state[task] = "stopped"
    else fail(self, task, status, status >= 128 and ("ended by signal %d"):format(status - 128) or last_complaint(self, task)) end
end

-- Passes a stop on to the runs, once.
local function stop(self, signal)
    self.stopping = signal
    say(self, signal == 2 and "stopping; every run saves first (again to stop at once)" or "stopping; every run saves first")
    for pid in pairs(self.running) do bind.kill(pid, signal == 2 and 2 or 15) end
end

local function fill(self)
    for _, task in ipairs(self.list) do
        if self.n >= self.jobs or self.stopping or self.give_up then return end
        if ready(self, task) then start(self, task) end
    end
end

local function open_ones(self)
    for _, task in ipairs(self.list) do
        if self.state[task] == "waiting" then return true end
    end
end

-- Returns the pool: what has become of every run (state, why), and stopping (the signal) or give_up (a sentence).
-- options: file (of the script), words (of the command line for each process), out, jobs, on_fail ("continue" or "stop"), retries.
function pool.run(grid, tasks, options)
    local self = setmetatable({ grid = grid, list = {}, state = {}, why = {}, later = {}, tries = {}, running = {}, n = 0, seconds = 0,
        timed = 0, alike = 0, base = options.out .. "/" .. grid.folder }, Pool)
    for k, v in pairs(options) do self[k] = v end
    for _, task in ipairs(tasks) do need(self, task) end
    bind.install_signals()
    while self.n > 0 or (open_ones(self) and not self.stopping and not self.give_up) do
        fill(self)
        if self.n == 0 then bind.nap(0.2) end -- a run that another process has is tried again a little later
        local pid, status = bind.ended(0.5)
        if pid then ended(self, pid, status) end
        block(self)
        if bind.signal() ~= 0 and not self.stopping then stop(self, bind.signal()) end
    end
    return self
end

return pool
