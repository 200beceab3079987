-- verb log: the journal of a run: its latest rows, or run.h5 made anew from it.
local errors = require "bauta.errors"

local verb = {
    name = "log", usage = "tail|repair RUN [options]", least = 2, most = 2,
    doc = "tail: the latest rows of a table of a run, also while it goes; repair: make run.h5 anew from the journal",
    options = {
        { name = "table", value = "NAME", default = "train", doc = "train, eval, mask, cost, result or events" },
        { name = "rows", value = "N", kind = "int", min = 1, max = 1e9, default = 10, doc = "how many" },
        { name = "to", value = "FILE", doc = "of repair; RUN/run.h5 when left out" },
    },
}

local function cell(v)
    if type(v) == "string" then return v end
    return v == math.floor(v) and math.abs(v) < 1e15 and ("%d"):format(v) or ("%.6g"):format(v)
end

local function tail(log, path, given)
    local report = require "bauta.report"
    local t = log:table(given.table) or errors.raise("data", errors.unknown("table " .. given.table, given.table, log:streams()),
        path)
    local rows = { t.names }
    for i = math.max(1, t.n - given.rows + 1), t.n do
        local row = {}
        for c, name in ipairs(t.names) do row[c] = cell(t[name][i]) end
        rows[#rows + 1] = row
    end
    io.stdout:write(report.table(rows), "\n")
end

function verb.run(given)
    local bind = require "bauta.bind.run"
    local what, path = given[1], given[2]:gsub("/+$", "")
    if what ~= "tail" and what ~= "repair" then errors.raise("arg", errors.show(what) .. ": tail or repair expected",
        "command line") end
    local log = bind.log(path)
    if what == "tail" then tail(log, path, given) else
        local to = given.to or path .. "/run.h5"
        log:hdf5(to)
        io.stdout:write(("%s: written; %d damaged records left out, %d bytes at the end were no record\n"):format(to,
            log:damaged(), log:torn()))
    end
    log:free()
    return 0
end

return verb
