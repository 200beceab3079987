-- wanted: what a grid's report is asked to show, checked where the script says it.
--
--   report = {
--     title = "...", text = "...", metrics = { "top1", "teacher_top1" }, against = { criterion = "student" },
--     curves = { { x = "epoch", y = "probe.kl", minus = { criterion = "none" }, teacher = "big" }, { x = "keep", y = "top1", by = { "criterion" }, papers = { { table = t, x = , y = , label = } } } },
--     maps = { { of = "frequency" } },
--     papers = { { table = t, column = "acc_top1_pct", metric = "top1", row = function(c) return "eccv-t6a/cls" end } },
--   }
local check = require "bauta.check"
local errors = require "bauta.errors"
local record = require "bauta.record"

local wanted = {}

local function list_of(rows, what)
    return function(v)
        if type(v) ~= "table" or check.class_of(v) then return nil, "is " .. errors.show(v) end
        local out = {}
        for i, one in ipairs(v) do out[i] = check.settings(rows, one, ("%s[%d]"):format(what, i)) end
        return out
    end
end

local function texts(v)
    if type(v) ~= "table" then return nil, "is " .. errors.show(v) end
    for i, one in ipairs(v) do
        if type(one) ~= "string" then return nil, ("has %s at place %d"):format(errors.show(one), i) end
    end
    return v
end

local function table_judge(v)
    if type(v) ~= "table" or type(v.id) ~= "string" or type(v.columns) ~= "table" or type(v.rows) ~= "table" then
        return nil, "is no table of a paper"
    end
    return v
end

local function values_judge(v)
    if type(v) ~= "table" then return nil, "is " .. errors.show(v) end
    return v
end

local function any(name, what, accept) return { name = name, type = "any", optional = true, what = what, accept = accept } end
local function text(name, default) return { name = name, type = "string", default = default, optional = default == nil } end

local paper_table = { name = "table", type = "any", accept = table_judge, what = "{ id, source, columns, rows }" }

local series_rows = { paper_table, text "x", text "y", text "label", any("only", "{ column = value }", values_judge) }

local curve_rows = {
    text("x", "epoch"), text("y", "top1"), text "title", any("minus", "{ axis = value }", values_judge),
    text "teacher", text "criterion", any("by", "a list of axes", texts), any("papers", "a list of series", list_of(series_rows, "curves.papers")),
}

local paper_rows = {
    paper_table, text "column", text("metric", "top1"), { name = "row", type = "function" },
    any("against", "the id of a row", function(v) return type(v) == "string" and v or nil, "is " .. errors.show(v) end),
}

local map_rows = { { name = "of", type = "choice", choices = { "frequency", "pictures" } }, text "title" }

local rows = {
    text "title", text "text",
    any("metrics", "a list of columns of the table `result`", texts),
    any("against", "{ axis = value }: the cells others are compared with", values_judge),
    any("curves", "a list of curves", list_of(curve_rows, "report.curves")),
    any("maps", 'a list of { of = "frequency" } or { of = "pictures" }', list_of(map_rows, "report.maps")),
    any("papers", "a list of papers' columns", list_of(paper_rows, "report.papers")),
}

-- Axis values named somewhere must be values of that axis.
local function judge_values(grid, given, what)
    for axis, value in pairs(given or {}) do
        local values, found = grid.axes[axis], false
        if not values then errors.fail("%s: %s", what, errors.unknown("axis " .. tostring(axis), tostring(axis), { unpack(grid.names) })) end
        for _, v in ipairs(values) do found = found or v == value end
        if not found then errors.fail("%s: %s is no value of the axis %s", what, errors.show(value), axis) end
    end
end

-- Columns of the table result are known before any run is.
local function judge_column(name, what)
    local names = record.results()
    for _, one in ipairs(names) do
        if one == name then return end
    end
    errors.fail("%s: %s", what, errors.unknown("column of the table result: " .. name, name, names))
end

local function judge_papers(list)
    for i, p in ipairs(list) do
        judge_column(p.metric, ("report.papers[%d].metric"):format(i))
        local known = false
        for _, column in ipairs(p.table.columns) do known = known or column == p.column end
        if not known then
            errors.fail("report.papers[%d].column: %s", i, errors.unknown("column of " .. p.table.id, tostring(p.column),
                { unpack(p.table.columns) }))
        end
    end
end

-- What goes with one kind of curve only.
local over_epochs, over_others = { "minus", "teacher", "criterion" }, { "by" }

local function judge_curve(grid, c, what)
    judge_values(grid, c.minus, what .. ".minus")
    for _, name in ipairs(c.x == "epoch" and over_others or over_epochs) do
        if c[name] ~= nil then
            errors.fail("%s.%s has no meaning for x = %s", what, name, errors.show(c.x))
        end
    end
    if c.x ~= "epoch" then
        judge_column(c.y, what .. ".y")
        if not grid.axes[c.x] then judge_column(c.x, what .. ".x") end
    end
    for _, axis in ipairs(c.by or {}) do
        if not grid.axes[axis] then errors.fail("%s.by: %s", what, errors.unknown("axis " .. axis, axis, { unpack(grid.names) })) end
    end
end

function wanted.checked(grid, given)
    local s = check.settings(rows, given or {}, "report")
    s.metrics, s.papers, s.maps = s.metrics or { "top1", "teacher_top1" }, s.papers or {}, s.maps or {}
    s.curves = s.curves or { { x = "epoch", y = "top1" } }
    for i, name in ipairs(s.metrics) do judge_column(name, ("report.metrics[%d]"):format(i)) end
    judge_values(grid, s.against, "report.against")
    for i, c in ipairs(s.curves) do judge_curve(grid, c, ("report.curves[%d]"):format(i)) end
    judge_papers(s.papers)
    return s
end

return wanted
