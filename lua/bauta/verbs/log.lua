-- verb log: the journal of a run: its tables, the latest rows of one, all rows as CSV, or run.h5 made anew from it.
local errors = require "bauta.errors"

local verb = {
    name = "log", usage = "tables|tail|csv|repair RUN [TABLE] [options]", least = 2, most = 3,
    doc = "tables: which tables a run has; tail: the latest rows of a table of a run, also while it goes; csv: all rows of it as CSV; repair: make run.h5 " ..
        "anew from the journal",
    options = {
        { name = "table", value = "NAME", default = "train", doc = "TABLE: train, eval, mask, cost, result, events or another that log tables names" },
        { name = "rows", value = "N", kind = "int", min = 1, max = 1e9, default = 10, doc = "of tail: how many" },
        { name = "to", value = "FILE", doc = "of repair; RUN/run.h5 when left out" },
    },
}

-- Moments are kept as seconds since 1970; people are shown the date, in UTC.
local function cell(v, moment)
    if type(v) == "string" then return v end
    if moment then return os.date("!%Y-%m-%d %H:%M:%SZ", v) end
    return v == math.floor(v) and math.abs(v) < 1e15 and ("%d"):format(v) or ("%.6g"):format(v)
end

local function asked(log, path, given)
    return log:table(given.table) or errors.raise("data", errors.unknown("table " .. given.table, given.table, log:streams()), path)
end

local function tail(log, path, given)
    local report, t = require "bauta.report", asked(log, path, given)
    local rows = { t.names }
    for i = math.max(1, t.n - given.rows + 1), t.n do
        local row = {}
        for c, name in ipairs(t.names) do row[c] = cell(t[name][i], given.table == "events" and name == "time") end
        rows[#rows + 1] = row
    end
    io.stdout:write(report.table(rows), "\n")
end

-- Numbers as they are: moments in seconds since 1970, NaN as an empty field.
local function csv(log, path, given)
    local line, t = require("bauta.grid.csv").line, asked(log, path, given)
    io.stdout:write(line(t.names))
    for i = 1, t.n do
        local row = {}
        for c, name in ipairs(t.names) do row[c] = t[name][i] end
        io.stdout:write(line(row, true))
    end
end

local function tables(log)
    local rows = { { "table", "rows", "columns" } }
    for _, name in ipairs(log:streams()) do
        local t = log:table(name)
        rows[#rows + 1] = { name, ("%d"):format(t.n), table.concat(t.names, ", ") }
    end
    io.stdout:write(require("bauta.report").table(rows), "\n")
end

local function repair(log, path, given)
    local to = given.to or path .. "/run.h5"
    log:hdf5(to)
    io.stdout:write(("%s: written; %d damaged records left out, %d bytes at the end were no record\n"):format(to,
        log:damaged(), log:torn()))
end

verb.actions = { tables = tables, tail = tail, csv = csv, repair = repair }

function verb.run(given)
    if given[3] and given[1] ~= "tail" and given[1] ~= "csv" then
        errors.raise("arg", ("%s: log %s takes a run only"):format(errors.show(given[3]), given[1]), "command line")
    end
    given.table = given[3] or given.table
    local path = given[2]:gsub("/+$", "")
    local log = require("bauta.bind.run").log(path)
    verb.actions[given[1]](log, path, given)
    log:free()
    return 0
end

return verb
