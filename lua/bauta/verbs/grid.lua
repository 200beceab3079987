-- verb grid: many experiments over named axes: what they cost, running what is missing, what has become of them, the report.
local errors = require "bauta.errors"
local options = require "bauta.options"

local verb = {
    name = "grid", usage = "run|plan|status|report|slurm SCRIPT [options]", least = 1, most = 3, helps = true,
    doc = "carry out the grid a script describes, or say what it costs, where it stands, what came out",
    more = "  run     does what is missing, --jobs cells at a time; started again after any end, it goes on\n" ..
        "  plan    multiply-adds, memory and time of every cell, before anything runs\n" ..
        "  status  which cells are complete, and which changed with the script\n" ..
        "  report  mean and deviation over the seeds beside the papers' numbers: HTML, Markdown and CSV\n" ..
        "  slurm   writes one array script for Slurm\n" ..
        "bauta grid run SCRIPT --help shows the script's parameters.",
    options = options.join({
        { name = "jobs", value = "N", kind = "int", min = 1, max = 1024, default = 1,
            doc = "cells at a time; the threads are shared out among them; of slurm: tasks at a time, 1: as many as there is room for" },
        { name = "only", value = "TEXT", doc = "cells whose label holds this text" },
        { name = "on-fail", value = "WHAT", default = "continue", doc = "continue, stop, or retry:N; three equal failures in a row stop" },
        { name = "max-cells", value = "N", kind = "int", min = 1, max = 1e7, default = 100000, doc = "largest grid that is taken" },
        { name = "rate", value = "N", kind = "number", min = 1e-3, max = 1e9,
            doc = "of plan: 10^9 multiply-adds a second, instead of measuring" },
        { name = "to", value = "PATH", doc = "of report: the folder it goes to; of slurm: the script" },
        { name = "json", doc = "of plan and status: as JSON, one line a run" },
        { name = "sbatch", value = "OPTION", many = true, doc = "of slurm: a line for sbatch, as --time=12:00:00" },
        { name = "interval", value = "SECONDS", kind = "number", min = 0, max = 1e6, default = 30,
            doc = "between lines of a run's log" },
        { name = "loaders", value = "N", kind = "int", min = 0, max = 64, default = 0,
            doc = "threads that load pictures; 0: as many as a cell has threads" },
        { name = "expect", value = "DIGEST", doc = "of cell: refuse when the script means another run by now" },
    }, options.script, options.device),
}

-- ---- which runs ----

local function load(given)
    local script = require "bauta.script"
    local result, source = script.load(given, given[2])
    return script.grid(result, given[2]), source
end

-- The grid's runs that are asked for: cells whose label fits, and whatever they need.
local function chosen(grid, given)
    if not given.only then return grid.tasks end
    local out, taken = {}, {}
    local function add(task)
        if taken[task] then return end
        taken[task] = true
        for _, need in ipairs(task.needs) do add(need) end
        out[#out + 1] = task
    end
    for _, cell in ipairs(grid.cells) do
        if cell.label:find(given.only, 1, true) then add(cell.task) end
    end
    if #out == 0 then errors.raise("arg", ("--only %s: no cell's label holds it"):format(errors.show(given.only)), "command line") end
    return out
end

local function threads_of(given)
    local ffi = require "bauta.ffi"
    local all = given.threads > 0 and given.threads or ffi.processors()
    return math.max(1, math.floor(all / given.jobs))
end

local function say_twins(grid)
    for _, pair in ipairs(grid.twins) do
        io.stdout:write(("%s and %s have equal settings: one run\n"):format(pair[1], pair[2]))
    end
end

-- The words of the command line that a process for one cell needs as well.
local function passed_on(given, threads)
    local words = {}
    local function add(name, v)
        if v ~= nil and v ~= "" then words[#words + 1] = ("--%s=%s"):format(name, tostring(v)) end
    end
    for _, name in ipairs { "data", "scale", "out", "device", "tier" } do add(name, given[name]) end
    for _, v in ipairs(given.set) do add("set", v) end
    for _, v in ipairs(given.plugins) do add("plugins", v) end
    add("interval", given.interval)
    add("script-timeout", given.script_timeout)
    add("plugin-timeout", given.plugin_timeout)
    add("max-cells", ("%d"):format(given.max_cells))
    add("threads", threads)
    add("loaders", given.loaders > 0 and given.loaders or threads)
    return words
end

-- What is wrong with the weights that runs begin with, of those that are not complete: lines, and the code of the first.
local function defects(grid, given)
    local disk, list, names = require "bauta.grid.disk", {}, {}
    for _, task in ipairs(chosen(grid, given)) do
        if not disk.complete(task, given.out) then list[#list + 1], names[task.run] = task.run, task.label end
    end
    return require("bauta.fitting").defects(list, given.out, names)
end

-- Says them where nothing is run yet: the files may be on the machine that will.
local function say_defects(grid, given)
    for _, line in ipairs((defects(grid, given))) do io.stdout:write("grid run will refuse this: ", line, "\n") end
end

-- ---- run ----

-- How a cell is carried out (trainer.lua), without its mode. What its settings say to decide the numbers is in the name of its folder, so others are accepted.
local function cell_options(given, source)
    local session = require "bauta.session"
    return { out = given.out, device = session.device(), loaders = given.loaders, script = source, interval = given.interval, accept = true }
end

local function failure_policy(text)
    local retries = text:match "^retry:(%d+)$"
    if retries then return "continue", tonumber(retries) end
    if text ~= "continue" and text ~= "stop" then
        errors.raise("arg", ("--on-fail = %s; continue, stop or retry:N expected"):format(errors.show(text)), "command line")
    end
    return text, 0
end

local function make_folders(path)
    local ffi = require "bauta.ffi"
    local so_far = path:sub(1, 1) == "/" and "" or "."
    for part in path:gmatch "[^/]+" do
        so_far = so_far .. "/" .. part
        ffi.make_folder(so_far)
    end
end

local function summary(p)
    local n = {}
    for _, s in pairs(p.state) do n[s] = (n[s] or 0) + 1 end
    local parts = {}
    for _, s in ipairs { "complete", "failed", "blocked", "stopped", "waiting" } do
        if n[s] then parts[#parts + 1] = ("%d %s"):format(n[s], s == "waiting" and "not begun" or s) end
    end
    io.stdout:write(("%s: %s\n"):format(p.grid.name, table.concat(parts, ", ")))
    for _, task in ipairs(p.list) do
        if p.why[task] and p.state[task] ~= "complete" then
            io.stdout:write(("  %s: %s: %s\n"):format(task.label, p.state[task], p.why[task]))
        end
    end
    if p.give_up then io.stdout:write("stopped early: ", p.give_up, "\n") end
    if p.stopping then return p.stopping == 2 and 130 or 85 end
    if (n.stopped or 0) > 0 then return 85 end
    return ((n.failed or 0) > 0 or p.give_up) and 1 or 0
end

-- Raises the first mistake of runs that are to be made, before any begins. Returns 0, or the exit status of a stop by a signal.
local function foreseen(grid, given, source)
    local disk, list, modes = require "bauta.grid.disk", {}, {}
    for _, task in ipairs(chosen(grid, given)) do
        if not disk.complete(task, given.out) then list[#list + 1], modes[task.run] = task.run, disk.mode(task, given.out) end
    end
    return require("bauta.foresight").judge(list, modes, cell_options(given, source), true)
end

local function run(given)
    local pool, disk = require "bauta.grid.pool", require "bauta.grid.disk"
    local on_fail, retries = failure_policy(given.on_fail)
    local grid, source = load(given)
    local bad, code = defects(grid, given)
    if code then errors.raise(code, bad, given[2]) end
    local stopped = foreseen(grid, given, source)
    if stopped ~= 0 then return stopped end
    say_twins(grid)
    for _, line in ipairs(disk.stale_lines(grid, given.out)) do io.stdout:write(line, "\n") end
    make_folders(("%s/%s/log"):format(given.out, grid.folder))
    return summary(pool.run(grid, chosen(grid, given), { file = given[2], words = passed_on(given, threads_of(given)), out = given.out,
        jobs = given.jobs, on_fail = on_fail, retries = retries }))
end

local function cell(given)
    local one = require "bauta.grid.cell"
    local number = tonumber(given[3])
    local grid, source = load(given)
    local task = number and grid.tasks[number]
    if not task then
        errors.raise("arg", ("cell %s; a number 1..%d expected"):format(errors.show(given[3]), #grid.tasks), given[2])
    end
    if given.expect and given.expect ~= task.id then
        errors.raise("resume", ("cell %d, %s, is another run since the script has changed"):format(number, task.label), given[2])
    end
    return one.run(task, cell_options(given, source))
end

-- ---- plan and status ----

-- The runs that are asked for, each with its cost, or with the error that says why it cannot be planned.
local function costed(grid, given)
    local disk, estimate, session = require "bauta.grid.disk", require "bauta.grid.estimate", require "bauta.session"
    local known, list = {}, {}
    for i, task in ipairs(chosen(grid, given)) do
        local ok, got = pcall(estimate.cost, grid, task, session.device(), known)
        list[i] = { task = task, state = disk.state(task, given.out), cost = ok and got or nil, broken = not ok and errors.wrap(got) or nil }
        if not ok and list[i].broken.code == "bug" then error(got, 0) end
    end
    return list
end

-- Sentences about runs, each once, as "a1_s0 and 3 more: sentence". said: function(one) that returns the sentences of one run.
local function together(list, said)
    local lines, found = {}, {}
    for _, one in ipairs(list) do
        for _, text in ipairs(said(one)) do
            if not found[text] then
                found[text] = { label = one.task.label, n = 0 }
                lines[#lines + 1] = text
            end
            found[text].n = found[text].n + 1
        end
    end
    for i, text in ipairs(lines) do
        local one = found[text]
        lines[i] = ("%s%s: %s"):format(one.label, one.n > 1 and (" and %d more"):format(one.n - 1) or "", text)
    end
    return lines
end

-- Why a run cannot be planned, with the line of the script.
local function why_broken(one) return errors.text(errors.named(one.broken, nil, one.task.run.where)) end

-- The exit status that the first run has which cannot be planned, or 0; and how many there are.
local function broken(list)
    local status, n = 0, 0
    for _, one in ipairs(list) do
        if one.broken then
            n = n + 1
            status = status == 0 and errors.status[one.broken.code] or status
        end
    end
    return status, n
end

-- Models that do not learn and have no weights to begin with, and runs that cannot be planned.
local function say_broken(list)
    local fitting, _, n = require "bauta.fitting", broken(list)
    for _, line in ipairs(together(list, function(one) return fitting.bare(one.task.run) end)) do io.stdout:write(line, "\n") end
    if n == 0 then return end
    io.stdout:write(("%d of %d runs cannot be planned:\n"):format(n, #list))
    for _, line in ipairs(together(list, function(one) return one.broken and { why_broken(one) } or {} end)) do io.stdout:write(line, "\n") end
end

local function duration(seconds)
    local progress = require "bauta.progress"
    if not seconds then return "-" end
    if seconds > 1e5 then return ("%.3g days"):format(seconds / 86400) end
    return progress.duration(seconds)
end

-- Multiply-adds of a run as time: as long as its minutes, where they bound it.
local function own_time(c, rate) return c.seconds or rate and c.total / rate end

local function plan_json(list, rate)
    local json = require "bauta.json"
    for _, one in ipairs(list) do
        local c = one.cost
        local row = { cell = one.task.label, id = one.task.id, state = one.state, folder = one.task.run.folder }
        if c then
            row.macs, row.teacher_papers, row.images, row.total, row.memory = c.macs, c.teacher_papers, c.images, c.total, c.memory
            row.seconds = own_time(c, rate) or 0 / 0
        else row.error = why_broken(one) end
        io.stdout:write(json.encode(row), "\n")
    end
end

local function plan_lines(grid, list, rate, from, given)
    local cost, report = require "bauta.cost", require "bauta.report"
    local rows, all, left, teachers = { { "run", "state", "MACs/image", "teacher, papers' count", "images", "MACs", "memory", "time" } },
        0, 0, 0
    local bound = 0 -- seconds of the runs that minutes bound
    for _, one in ipairs(list) do
        local c = one.cost
        rows[#rows + 1] = c and { one.task.label, one.state, cost.si(c.macs), c.teacher_papers > 0 and cost.si(c.teacher_papers) or "-",
            c.seconds and "-" or cost.si(c.images), c.seconds and "-" or cost.si(c.total), cost.iec(c.memory), duration(own_time(c, rate)) }
            or { one.task.label, one.state, "broken", "-", "-", "-", "-", "-" }
        if c and not c.seconds then all, teachers = all + c.total, teachers + c.teacher_papers * c.images end
        if c and one.state ~= "complete" then
            left = left + (c.seconds and 0 or c.total)
            bound = bound + (c.seconds or 0)
        end
    end
    io.stdout:write(report.table(rows), "\n\n")
    io.stdout:write(("%s: %d cells, %d runs with what they share; %s MACs in all, %s to do; teachers, papers' count: %s\n"):format(
        grid.name, #grid.cells, #list, cost.si(all), cost.si(left), cost.si(teachers)))
    if rate then
        io.stdout:write(("time: %s to do, at %.4g GMAC/s (%s), %d at a time\n"):format(duration(left / rate + bound / given.jobs), rate / 1e9,
            from, given.jobs))
    else io.stdout:write(("time: not estimated: %s\n"):format(from)) end
end

local function plan(given)
    local estimate, disk, session = require "bauta.grid.estimate", require "bauta.grid.disk", require "bauta.session"
    local grid = load(given)
    local list = costed(grid, given)
    local rate, from = given.rate and given.rate * 1e9, "--rate"
    if not rate then rate, from = estimate.rate(list, given.out, session.device()) end
    if given.json then
        plan_json(list, rate)
        return (broken(list))
    end
    say_twins(grid)
    plan_lines(grid, list, rate, from, given)
    say_defects(grid, given)
    for _, line in ipairs(disk.stale_lines(grid, given.out)) do io.stdout:write(line, "\n") end
    say_broken(list)
    return (broken(list))
end

local function status(given)
    local disk, report, json = require "bauta.grid.disk", require "bauta.report", require "bauta.json"
    local grid = load(given)
    local rows, n = { { "run", "state", "epoch", "folder", "why" } }, {}
    for _, task in ipairs(chosen(grid, given)) do
        local state, s = disk.state(task, given.out)
        n[state] = (n[state] or 0) + 1
        if given.json then
            io.stdout:write(json.encode { cell = task.label, id = task.id, state = state, epoch = s and s.epoch or 0,
                folder = task.run.folder, reason = s and s.reason or "" }, "\n")
        else
            local epochs = task.run:minutes() and "?" or task.run:whole_epochs()
            rows[#rows + 1] = { task.label, state, s and ("%s/%s"):format(state == "complete" and epochs or s.epoch, epochs) or "-",
                given.out .. "/" .. task.run.folder, s and s.reason:sub(1, 70) or "" }
        end
    end
    if given.json then return 0 end
    say_twins(grid)
    local parts = {}
    for state, count in pairs(n) do parts[#parts + 1] = ("%d %s"):format(count, state) end
    table.sort(parts)
    io.stdout:write(report.table(rows), "\n\n", ("%s: %s\n"):format(grid.name, table.concat(parts, ", ")))
    for _, line in ipairs(disk.stale_lines(grid, given.out)) do io.stdout:write(line, "\n") end
    return 0
end

local function report(given)
    local page = require "bauta.grid.page"
    local grid = load(given)
    make_folders(given.to or ("%s/%s/report"):format(given.out, grid.name))
    return page.write(grid, given.out, given.to or ("%s/%s/report"):format(given.out, grid.name))
end

local function slurm(given)
    local grid = load(given)
    make_folders(("%s/%s/log"):format(given.out, grid.folder))
    make_folders(("%s/%s"):format(given.out, grid.name))
    return require("bauta.grid.slurm").write(grid, chosen(grid, given), given, passed_on(given, given.threads))
end

-- Options that some of the verbs take only.
local belongs = { rate = { plan = true }, to = { report = true, slurm = true }, json = { plan = true, status = true }, sbatch = { slurm = true },
    expect = { cell = true } }

local function refuse_others(given)
    for name, takers in pairs(belongs) do
        local v = given[name]
        if v ~= nil and (type(v) ~= "table" or #v > 0) and not takers[given[1]] then
            errors.raise("arg", ("--%s has no effect on grid %s; bauta grid --help says where it has one"):format(name, given[1]), "command line")
        end
    end
end

local verbs = { run = run, cell = cell, plan = plan, status = status, report = report, slurm = slurm }

function verb.run(given)
    local help, script = require "bauta.help", require "bauta.script"
    if given.help then
        io.stdout:write(given[2] and script.help(given, given[2]) or help.of(verb))
        return 0
    end
    local f = verbs[given[1]]
    if not f then
        errors.raise("arg", ("%s: run, plan, status, report or slurm expected"):format(errors.show(given[1])), "command line")
    end
    refuse_others(given)
    if not given[2] then errors.raise("arg", ("a script expected: bauta grid %s SCRIPT"):format(given[1]), "command line") end
    if (given[3] ~= nil) ~= (given[1] == "cell") then
        errors.raise("arg", given[3] and ("%s: one script only"):format(errors.show(given[3])) or "cell: a number expected", "command line")
    end
    return f(given)
end

return verb
