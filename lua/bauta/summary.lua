-- summary: the closing table of a suite: accuracy, what the teacher cost, speed, and how much of what it saw was the object.
local cost = require "bauta.cost"
local report = require "bauta.report"

local function percent(v) return report.number(v, 1) end

local function view_of(r)
    if not (r.teacher_macs > 0) then return "-" end
    return ("%d (%s %%)"):format(r.kept, percent(r.kept_share))
end

local function pictures_of(results)
    local out = {}
    for _, r in ipairs(results) do
        local path = r.path .. "/report/teacher-view.png"
        local f = io.open(path)
        if f then
            f:close()
            out[#out + 1] = path
        end
    end
    return out
end

-- results: what a suite's report function gets. Returns the table as text.
return function(results)
    local rows = { { "run", "top-1 %", "best %", "teacher sees", "teacher top-1 %", "teacher MACs", "img/s", "kept on object %",
        "train time s" } }
    local share
    for _, r in ipairs(results) do
        rows[#rows + 1] = { r.name, report.number(r.top1), report.number(r.best_top1), view_of(r), report.number(r.teacher_top1),
            r.teacher_macs > 0 and cost.si(r.teacher_macs) or "-", report.number(r.images_per_s, 0), percent(r.on_object),
                report.number(r.time_train, 0) }
        share = r.object_share == r.object_share and r.object_share or share
    end
    local out = { report.table(rows) }
    if share then
        out[#out + 1] = ("\n%s %% of all patches lie on the object: what a random choice would give"):format(percent(share))
    end
    local pictures = pictures_of(results)
    if #pictures > 0 then out[#out + 1] = "what the teacher was shown: " .. table.concat(pictures, ", ") end
    return table.concat(out, "\n")
end
