-- summary: the latest of what a run's probe has logged, as text.
local report = require "bauta.report"

local summary = {}

local function latest(t, epoch)
    local out = {}
    for i = 1, t and t.n or 0 do
        if t.epoch[i] == epoch then out[#out + 1] = i end
    end
    return out
end

local function number(v, digits) return report.number(v, digits or 1) end

local function choices(p, s, epoch)
    local rows = { { "teacher", "criterion", "kept", "saliency %", "overlap %", "on object %", "recall %", "teacher top-1 %" } }
    for _, i in ipairs(latest(p, epoch)) do
        rows[#rows + 1] = { p.teacher[i], "(the run's)", ("%d"):format(p.kept[i]), number(p.saliency[i]),
            number(p.overlap[i]) .. " *", number(p.on_object[i]), number(p.recall[i]), number(p.teacher_top1[i]) }
    end
    for _, i in ipairs(latest(s, epoch)) do
        rows[#rows + 1] = { s.teacher[i], s.criterion[i], ("%d"):format(s.kept[i]), number(s.saliency[i]), number(s.overlap[i]),
            number(s.on_object[i]), number(s.recall[i]), number(s.teacher_top1[i]) }
    end
    return report.table(rows) .. "\n* with its own choice of the evaluation before; shadows: with the run's"
end

local function answers(p, epoch)
    local rows = { { "teacher", "shown", "teacher top-1 %", "agreement %", "KL", "cosine" } }
    for _, i in ipairs(latest(p, epoch)) do
        rows[#rows + 1] = { p.teacher[i], "kept patches", number(p.teacher_top1[i]), number(p.agreement[i]), number(p.kl[i], 4),
            number(p.cosine[i], 4) }
        rows[#rows + 1] = { p.teacher[i], "everything", number(p.teacher_top1_full[i]), number(p.agreement_full[i]),
            number(p.kl_full[i], 4), number(p.cosine_full[i], 4) }
    end
    return report.table(rows)
end

-- The text for a run's log; nil when it has no probe.
function summary.text(log)
    local p, s = log:table "probe", log:table "shadow"
    if not p or p.n == 0 then return nil end
    local epoch = p.epoch[p.n]
    return ("probe of %d test pictures after epoch %d (%.2f s)\n\n%s\n\n%s"):format(p.pictures[p.n], epoch, p.time_probe[p.n],
        choices(p, s, epoch), answers(p, epoch))
end

return summary
