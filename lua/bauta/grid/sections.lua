-- sections: a grid's report as a list of sections, before it is HTML or Markdown: { title, notes, table, drawing
-- (SVG), pictures }.
local cost = require "bauta.cost"
local maps = require "bauta.grid.maps"
local report = require "bauta.report"
local results = require "bauta.grid.results"
local session = require "bauta.session"
local statistics = require "bauta.grid.statistics"
local svg = require "bauta.grid.svg"

local sections = {}

-- What columns are called for people; costs are shown with a unit.
local names = { top1 = "top-1 %", top5 = "top-5 %", best_top1 = "best top-1 % (chosen on the test set)", ema_top1 = "averaged weights, top-1 %",
    teacher_top1 = "teacher top-1 % on what it is shown", teacher_papers = "teacher, papers' count", teacher_macs = "teacher MACs",
    total_macs = "MACs of a step, an image", images_per_s = "images/s", kept = "kept patches", on_object = "kept on the object %",
    time_train = "training s", loss = "test loss", knn_top1 = "k-NN top-1 %", memory_peak = "peak memory", step = "steps", kept_share = "kept patches %", object_share = "patches on the object %",
    saliency = "attention that the kept patches hold %", overlap = "kept patches that stay from evaluation to evaluation %",
    recall = "object that is kept %", student_top1 = "student top-1 % on the probe", teacher_top1_full = "teacher top-1 % on whole pictures",
    agreement = "student and teacher agree %", agreement_full = "student and teacher agree, on whole pictures %", kl = "KL of teacher to student, nats",
    kl_full = "KL of teacher to student, on whole pictures, nats", cosine = "cosine of the answers", cosine_full = "cosine of the answers, on whole pictures",
    train_loss = "training loss", grad_norm = "norm of the gradient", lr = "learning rate", share = "pictures in which it is kept %" }
local costs = { teacher_papers = true, teacher_macs = true, total_macs = true, memory_peak = true }
local most_pictures = 24

function sections.name(column) return names[column:match "[^.]+$"] or column end

local function shown(column, v)
    if v ~= v then return "-" end
    return costs[column] and cost.si(v) or report.number(v)
end

-- "71.20 ± 0.13 (3)"
local function with_deviation(column, s)
    if s.n == 0 then return "-" end
    if costs[column] or s.deviation ~= s.deviation then return ("%s (%d)"):format(shown(column, s.mean), s.n) end
    return ("%s ± %s (%d)"):format(shown(column, s.mean), shown(column, s.deviation), s.n)
end

local function axis_cells(grid, group)
    local out = {}
    for _, axis in ipairs(grid:grouping()) do out[#out + 1] = tostring(group.values[axis]) end
    if #out == 0 then out[1] = group.label end
    return out
end

local function axis_names(grid)
    local out = grid:grouping()
    return #out > 0 and out or { "cells" }
end

-- ---- the sections ----

local function means(all)
    local wanted, head = all.grid.report, axis_names(all.grid)
    for _, column in ipairs(wanted.metrics) do head[#head + 1] = sections.name(column) end
    local rows = {}
    for _, group in ipairs(all.groups) do
        local row = axis_cells(all.grid, group)
        for _, column in ipairs(wanted.metrics) do row[#row + 1] = with_deviation(column, results.metric(group, column)) end
        rows[#rows + 1] = row
    end
    return { title = "Results", table = { head = head, rows = rows }, notes = { ("After the last epoch: mean ± deviation over %s (n - 1 in " ..
        "the denominator), in brackets how many."):format(all.grid.over) } }
end

local function verdict(d)
    if d.exceeds == nil then return "one seed only" end
    return d.exceeds and "yes" or "no"
end

local function p_value(p) return p ~= p and "-" or p < 0.001 and "< 0.001" or ("%.3f"):format(p) end

local function differences(all)
    local against = all.grid.report.against
    if not against then return nil end
    local head, rows = axis_names(all.grid), {}
    for _, name in ipairs { "difference of top-1", "± standard error", "deviation of the seeds", "exceeds it", "p (Welch)" } do head[#head + 1] = name end
    for _, group in ipairs(all.groups) do
        local other = results.reference(all, group, against)
        local a = results.metric(group, "top1")
        local b = other and results.metric(other, "top1")
        if b and a.n > 0 and b.n > 0 then
            local d, row = statistics.difference(a, b), axis_cells(all.grid, group)
            for _, cell in ipairs { ("%+.2f"):format(d.gap), report.number(d.error), report.number(d.pooled), verdict(d), p_value(d.p) } do
                row[#row + 1] = cell
            end
            rows[#rows + 1] = row
        end
    end
    if #rows == 0 then return nil end
    local parts = {}
    for axis, v in pairs(against) do parts[#parts + 1] = axis .. " = " .. tostring(v) end
    table.sort(parts)
    return { title = "Differences to " .. table.concat(parts, ", "), table = { head = head, rows = rows }, notes = {
        "A difference exceeds the deviation of the seeds when it is larger than the pooled deviation of both groups; p is Welch's test, " ..
        "two-sided. With three seeds only large differences can be told from chance." } }
end

local function paper_notes(paper, reference)
    local notes = { ("%s: %s (%s). The paper: %s."):format(paper.table.id, paper.table.title, paper.table.source, paper.table.setup or "-") }
    if reference then
        notes[2] = ("Gaps are to the row %s. The last column says whether the measured gap has the paper's sign."):format(reference.label)
    end
    return notes
end

local function sign_of(row)
    if not row.gap or row.gap.gap ~= row.gap.gap or row.paper_gap ~= row.paper_gap then return "-" end
    if row.paper_gap == 0 or row.gap.gap == 0 then return row.paper_gap == row.gap.gap and "same" or "differs" end
    local word = row.paper_gap * row.gap.gap > 0 and "same" or "opposite"
    return row.gap.exceeds == false and word .. ", within the deviation" or word
end

local function signed(v) return v and v == v and ("%+.2f"):format(v) or "-" end

local function against_paper(all, paper)
    local rows, reference = results.paper(all, paper)
    if #rows == 0 then return nil end
    local head = { "row", "cells", "paper", "measured", "difference" }
    if reference then
        for _, name in ipairs { "paper's gap", "measured gap", "sign" } do head[#head + 1] = name end
    end
    local cells = {}
    for i, row in ipairs(rows) do
        cells[i] = { row.name, row.label, report.number(row.paper), with_deviation(paper.metric, row.measured), signed(row.difference) }
        if reference then
            for _, v in ipairs { signed(row.paper_gap), row.gap and signed(row.gap.gap) or "-", sign_of(row) } do table.insert(cells[i], v) end
        end
    end
    return { title = ("Paper | measured | difference: %s, %s"):format(paper.table.id, sections.name(paper.metric)),
        table = { head = head, rows = cells }, notes = paper_notes(paper, reference) }
end

local function chart(all, wanted)
    local c = results.curve(all, wanted)
    if c.measured == 0 then return nil end
    local y = sections.name(c.y) .. (c.minus and ", gain" or "")
    local title = c.title or ("%s over %s"):format(y, sections.name(c.x))
    local drawn = { xlabel = sections.name(c.x), ylabel = y, series = c.series, categories = c.categories, whole = c.x == "epoch",
        limits = y:find "%%" and not c.minus and { 0, 100 } or nil }
    local notes = { svg.bands(drawn) and "Bands and bars: one deviation over the seeds." or
        ("Means over the seeds; deviations are drawn for at most %d groups, the table has them."):format(svg.most_bands) }
    if c.minus then
        local parts = {}
        for axis, v in pairs(c.minus) do parts[#parts + 1] = axis .. " = " .. tostring(v) end
        notes[1] = ("Less the mean of %s at the same epoch. "):format(table.concat(parts, ", ")) .. notes[1]
    end
    return { title = title, notes = notes, drawing = svg.chart(drawn) }
end

local map_texts = {
    frequency = { "Where the kept patches lie", "How often each place is kept over the pictures of the probe: white never, dark always." },
    pictures = { "Patches of single pictures", "At how many evaluations of the training each patch is kept: white never, dark always." },
}

local function map(all, wanted)
    local rows, text = maps.rows(all, wanted.of), map_texts[wanted.of]
    if #rows == 0 then return nil end
    return { title = wanted.title or text[1], notes = { text[2] .. " The first complete cell of each group." }, drawing = maps.draw(rows, text[1]) }
end

-- One picture of each group: of its first complete cell.
local function pictures(all)
    local list, left_out = {}, 0
    for _, group in ipairs(all.groups) do
        for _, one in ipairs(group.cells) do
            local path = one.path .. "/report/teacher-view.png"
            if one.result and session.exists(path) then
                if #list < most_pictures then list[#list + 1] = { path = path, caption = one.cell.label } else left_out = left_out + 1 end
                break
            end
        end
    end
    if #list == 0 then return nil end
    return { title = "What the teacher is shown", pictures = list, notes = { "Test pictures above, what is left of them below, after the " ..
        "last epoch; the first seed of each group." .. (left_out > 0 and (" %d more are left out."):format(left_out) or "") } }
end

local function cells(all)
    local rows = {}
    for _, group in ipairs(all.groups) do
        for _, one in ipairs(group.cells) do
            rows[#rows + 1] = { one.cell.label, one.state, one.result and report.number(one.result.top1) or "-",
                one.state ~= "complete" and one.reason or "", one.path }
        end
    end
    return { title = "Cells", folded = true, table = { head = { "cell", "state", "top-1 %", "why", "folder" }, rows = rows } }
end

local function opening(all)
    local grid, notes = all.grid, {}
    if grid.report.text then notes[1] = grid.report.text end
    notes[#notes + 1] = ("%d of %d cells are complete."):format(all.complete, all.all)
    local failed = 0
    for _, group in ipairs(all.groups) do
        for _, one in ipairs(group.cells) do failed = failed + (one.state == "failed" and 1 or 0) end
    end
    if failed > 0 then notes[#notes + 1] = ("%d have failed; the list at the end says why."):format(failed) end
    return { title = grid.report.title or grid.name, notes = notes }
end

-- The whole report.
function sections.of(all)
    local out = { opening(all) }
    local function add(s) out[#out + 1] = s end
    if all.complete > 0 then
        add(means(all))
        for _, paper in ipairs(all.grid.report.papers) do add(against_paper(all, paper)) end
        add(differences(all))
        for _, wanted in ipairs(all.grid.report.curves) do add(chart(all, wanted)) end
        for _, wanted in ipairs(all.grid.report.maps) do add(map(all, wanted)) end
        add(pictures(all))
    end
    add(cells(all))
    return out
end

return sections
