-- verb show: a run from outside, also while it goes; or all runs of a folder as a table.
local errors = require "bauta.errors"

local verb = {
    name = "show", usage = "RUN|FOLDER [options]", least = 0, most = 1,
    doc = "show a run (state, accuracy by epoch, cost, results), or a folder of runs as a table",
    options = {
        { name = "rows", value = "N", kind = "int", min = 1, max = 1e6, default = 12, doc = "latest evaluations shown" },
        { name = "settings", doc = "all settings, with defaults" },
    },
}

local function state_text(s)
    if s.state == "running" and not s.alive then return "ended without a word (killed?)" end
    return s.state .. (s.reason ~= "" and ": " .. s.reason or "")
end

local function evaluations(log, most)
    local report = require "bauta.report"
    local t = log:table("eval")
    if not t or t.n == 0 then return nil end
    local rows = { { "epoch", "step", "train loss", "test loss", "top-1 %", "top-5 %", "best %", "img/s" } }
    for i = math.max(1, t.n - most + 1), t.n do
        rows[#rows + 1] = { ("%d"):format(t.epoch[i]), ("%d"):format(t.step[i]), report.number(t.train_loss[i], 4),
            report.number(t.loss[i], 4),
            report.number(t.top1[i]), report.number(t.top5[i]), report.number(t.best_top1[i]),
                report.number(t.images_per_s[i], 0) }
    end
    return report.table(rows)
end

local function costs(log)
    local report, cost = require "bauta.report", require "bauta.cost"
    local t = log:table("cost")
    if not t or t.n == 0 then return nil end
    local rows = { { "role", "MACs/image", "papers' count", "FLOPs/image", "peak memory" } }
    for i = 1, t.n do
        rows[#rows + 1] = { t.role[i], cost.si(t.macs[i]), cost.si(t.papers[i]), cost.si(t.flops[i]), cost.iec(t.peak_memory[i]) }
    end
    return report.table(rows)
end

local function show_run(path, given)
    local bind = require "bauta.bind.run"
    local s = bind.state(path)
    local log = bind.log(path)
    io.stdout:write(("%s: %s; epoch %d, step %d\n"):format(path, state_text(s), s.epoch, s.step))
    if log:damaged() > 0 then io.stdout:write(("%d records of the journal are damaged and left out\n"):format(log:damaged())) end
    if given.settings then
        io.stdout:write("\n", log:documents().configuration or "", "\n")
    end
    local probe = require("bauta.seeing.summary").text(log)
    for _, text in ipairs { evaluations(log, given.rows) or "no evaluation yet", probe or "", costs(log) } do
        if text ~= "" then io.stdout:write("\n", text, "\n") end
    end
    log:free()
    return 0
end

local function show_folder(path)
    local bind, report, cost = require "bauta.bind.run", require "bauta.report", require "bauta.cost"
    local rows = { { "run", "state", "epochs", "top-1 %", "best %", "teacher MACs", "img/s" } }
    for _, below in ipairs(bind.runs_below(path, 3)) do
        local ok, s = pcall(bind.state, below)
        local fine, log = pcall(bind.log, below)
        if ok and fine then
            local r, e = log:table("result"), log:table("eval")
            local last = e and e.n > 0 and e.n
            local done = r and r.n > 0 and r.n
            rows[#rows + 1] = { below, state_text(s):sub(1, 40), ("%d"):format(s.epoch),
                last and report.number(e.top1[last]) or "-",
                last and report.number(e.best_top1[last]) or "-", done and cost.si(r.teacher_macs[done]) or "-",
                last and report.number(e.images_per_s[last], 0) or "-" }
            log:free()
        end
    end
    if #rows == 1 then errors.raise("data", "no run here: no folder with a state.json", path) end
    io.stdout:write(report.table(rows), "\n")
    return 0
end

function verb.run(given)
    local session = require "bauta.session"
    local path = (given[1] or "runs"):gsub("/+$", "")
    if session.exists(path .. "/state.json") then return show_run(path, given) end
    if not session.exists(path .. "/.") then errors.raise("data", "no such run", path) end
    return show_folder(path)
end

return verb
