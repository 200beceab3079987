-- results: what came out of a grid's cells, read from their logs: results by group, curves over epochs or over an axis, and the
-- rows of the papers' tables with what was measured.
local bind = require "bauta.bind.run"
local disk = require "bauta.grid.disk"
local errors = require "bauta.errors"
local statistics = require "bauta.grid.statistics"
local watch = require "bauta.watch"

local results = {}

local function tables_of(path)
    local log, out = bind.log(path), {}
    for _, name in ipairs(log:streams()) do out[name] = name ~= "train" and log:table(name) or nil end
    log:free()
    return out
end

local function read_cell(cell, out)
    local state, s = disk.state(cell.task, out)
    local one = { cell = cell, state = state, reason = s and s.reason or "", path = out .. "/" .. cell.task.run.folder, tables = {} }
    if state ~= "complete" then return one end
    one.tables = tables_of(one.path)
    local t = one.tables.result
    one.result = {}
    for _, name in ipairs(t and t.names or {}) do one.result[name] = t[name][t.n] end
    return one
end

-- { groups = { { label, values, cells = { { cell, state, result, tables, path, reason } } } }, complete, all }
function results.collect(grid, out)
    local all = { groups = grid:groups(), complete = 0, all = #grid.cells, grid = grid }
    for _, group in ipairs(all.groups) do
        for i, cell in ipairs(group.cells) do
            group.cells[i] = read_cell(cell, out)
            if group.cells[i].state == "complete" then all.complete = all.complete + 1 end
        end
    end
    return all
end

-- Mean and deviation of a column of the results over the complete cells of a group.
function results.metric(group, name)
    local list = {}
    for _, one in ipairs(group.cells) do
        local v = one.result and one.result[name]
        if one.result and type(v) ~= "number" then
            errors.raise("arg", errors.unknown("column of the table result: " .. name, name, one.tables.result.names), "report")
        end
        if v then list[#list + 1] = v end
    end
    return statistics.of(list)
end

local function fits(group, values)
    for axis, v in pairs(values or {}) do
        if group.values[axis] ~= v then return false end
    end
    return true
end

-- The group that others are compared with for a given one: with the named values and otherwise its own, or, where there is none such, the
-- only one that has the named values. nil when there is none, or when it is that group itself.
function results.reference(all, group, against)
    local only, n = nil, 0
    for _, other in ipairs(all.groups) do
        local named, same = fits(other, against), true
        for axis, v in pairs(group.values) do
            if axis ~= all.grid.over and against[axis] == nil and other.values[axis] ~= v then same = false end
        end
        if named and same then return other ~= group and other or nil end
        if named then only, n = other, n + 1 end
    end
    return n == 1 and only ~= group and only or nil
end

-- ---- curves ----

-- Tables by epoch in which a column is looked for, the first of them first.
local by_epoch_tables = { "eval", "mask", "probe", "shadow", "frequency", "pictures" }

-- Where a column by epoch is found: "table.column", or the first table with an epoch that has it. Returns the table and the column.
local function column_of(one, y)
    local from, name = y:match "^(%w+)%.(.+)$"
    for _, table_name in ipairs(from and { from } or by_epoch_tables) do
        local t = one.tables[table_name]
        if t and t.epoch and t[name or y] then return t, name or y end
    end
end

-- Whether a row is one of those that are asked for: of a teacher (the first one when none is named) and a shadow's criterion.
local function is_wanted(t, i, curve)
    return (not t.teacher or t.teacher[i] == (curve.teacher or t.teacher[1]))
        and (not t.criterion or t.criterion[i] == (curve.criterion or t.criterion[1]))
end

-- Mean and deviation over the cells of a group, epoch by epoch. curve: y, and teacher and criterion where tables tell these apart.
local function by_epoch(group, curve)
    local at, epochs = {}, {}
    for _, one in ipairs(group.cells) do
        local t, name = column_of(one, curve.y)
        for i = 1, t and t.n or 0 do
            local epoch, v = t.epoch[i], t[name][i]
            if type(v) == "number" and v == v and is_wanted(t, i, curve) then
                if not at[epoch] then
                    at[epoch] = {}
                    epochs[#epochs + 1] = epoch
                end
                table.insert(at[epoch], v)
            end
        end
    end
    table.sort(epochs)
    local points = {}
    for i, epoch in ipairs(epochs) do
        local s = statistics.of(at[epoch])
        points[i] = { x = epoch, y = s.mean, d = s.deviation, n = s.n }
    end
    return points
end

local function minus(points, other)
    local at, out = {}, {}
    for _, p in ipairs(other) do at[p.x] = p.y end
    for _, p in ipairs(points) do
        if at[p.x] then out[#out + 1] = { x = p.x, y = p.y - at[p.x], d = p.d, n = p.n } end
    end
    return out
end

-- A curve that no complete cell can have: which columns, teachers and criteria there are.
local function judge_epoch_curve(all, curve)
    local names, found, rows = {}, false, {}
    for _, group in ipairs(all.groups) do
        for _, one in ipairs(group.cells) do
            local t = column_of(one, curve.y)
            found = found or t ~= nil
            for i = 1, t and t.n or 0 do
                if is_wanted(t, i, curve) then return end
                rows[("%s%s"):format(t.teacher[i], t.criterion and ", " .. t.criterion[i] or "")] = true
            end
            for table_name, other in pairs(one.tables) do
                for _, column in ipairs(other.epoch and other.names or {}) do names[("%s.%s"):format(table_name, column)] = true end
            end
        end
    end
    local list = {}
    for name in pairs(found and rows or names) do list[#list + 1] = name end
    if #list == 0 then return end
    if not found then errors.raise("arg", errors.unknown("column of a table by epoch: " .. curve.y, curve.y, list), "report") end
    local asked = {}
    for _, name in ipairs { "teacher", "criterion" } do
        if curve[name] then asked[#asked + 1] = name .. " " .. curve[name] end
    end
    errors.raise("arg", errors.unknown(("row of %s for %s"):format(curve.y, table.concat(asked, ", ")), curve.teacher or curve.criterion, list),
        "report")
end

-- With `minus`, each group less the one with the values named there; that one itself is the zero line.
local function epoch_series(all, curve)
    local out = {}
    for _, group in ipairs(all.groups) do
        local points = by_epoch(group, curve)
        if curve.minus then
            local other = fits(group, curve.minus) and group or results.reference(all, group, curve.minus)
            points = other and minus(points, by_epoch(other, curve)) or {}
        end
        if #points > 0 then out[#out + 1] = { label = group.label, points = points } end
    end
    if #out == 0 then judge_epoch_curve(all, curve) end
    return out
end

local function number_of(v, place)
    if type(v) == "number" then return v end
    return tonumber((tostring(v):match "^([%d.]+)%%?$")) or place
end

-- Series over an axis, or over another column of the results, one for each value of the axes in `by`.
local function point_series(all, curve, axes, by)
    local out, index = {}, {}
    local values = axes[curve.x]
    for _, group in ipairs(all.groups) do
        local names = {}
        for i, axis in ipairs(by) do names[i] = tostring(group.values[axis]) end
        local label = #names > 0 and table.concat(names, ", ") or "measured"
        local y, x = results.metric(group, curve.y), nil
        if values then
            for place, v in ipairs(values) do
                if v == group.values[curve.x] then x = number_of(v, place) end
            end
        else x = results.metric(group, curve.x).mean end
        if y.n > 0 and x == x then
            if not index[label] then
                index[label] = { label = label, points = {} }
                out[#out + 1] = index[label]
            end
            table.insert(index[label].points, { x = x, y = y.mean, d = y.deviation, n = y.n })
        end
    end
    for _, s in ipairs(out) do table.sort(s.points, function(a, b) return a.x < b.x end) end
    return out
end

local function categories(values)
    for i, v in ipairs(values or {}) do
        if number_of(v, nil) == nil then return values end
    end
end

local function paper_series(s)
    local column, points = {}, {}
    for i, name in ipairs(s.table.columns) do column[name] = i end
    for _, name in ipairs { s.x, s.y } do
        if not column[name] then
            errors.raise("arg", errors.unknown("column of " .. s.table.id .. ": " .. name, name, { unpack(s.table.columns) }), "report")
        end
    end
    for _, row in ipairs(s.table.rows) do
        local x, y, wanted = row[column[s.x]], row[column[s.y]], true
        for name, v in pairs(s.only or {}) do wanted = wanted and row[column[name]] == v end
        if wanted and x and y then points[#points + 1] = { x = x, y = y } end
    end
    table.sort(points, function(a, b) return a.x < b.x end)
    return { label = "paper: " .. (s.label or s.table.id), points = points, paper = true }
end

-- What a curve of the report shows: { title, x, y, series, categories }.
function results.curve(all, curve)
    local grid, by = all.grid, {}
    for _, name in ipairs(grid:grouping()) do
        if name ~= curve.x and (grid.axes[curve.x] or #by == 0) then by[#by + 1] = name end
    end
    local series = curve.x == "epoch" and epoch_series(all, curve) or point_series(all, curve, grid.axes, curve.by or by)
    local measured = #series
    for _, s in ipairs(curve.papers or {}) do series[#series + 1] = paper_series(s) end
    return { title = curve.title, x = curve.x, y = curve.y, minus = curve.minus, series = series, measured = measured,
        categories = categories(grid.axes[curve.x]) }
end

-- ---- the papers' rows ----

-- The number of a row, and what its table calls it.
local function value_of(paper, id)
    local c
    for i, name in ipairs(paper.table.columns) do c = name == paper.column and i or c end
    for _, row in ipairs(paper.table.rows) do
        if row.id == id then return row[c] or 0 / 0, tostring(row[1]) end
    end
    errors.raise("arg", ("report.papers: %s has no row %s"):format(paper.table.id, errors.show(id)), "report")
end

-- Rows { id, label, paper, measured = { n, mean, deviation }, difference } of one of the report's papers, and the row others are
-- compared with: each then has paper_gap and gap (grid/statistics.lua).
function results.paper(all, paper)
    local rows, reference = {}, nil
    for _, group in ipairs(all.groups) do
        local id = watch.call("report.papers.row", paper.row, group.values)
        if id ~= nil then
            local printed, name = value_of(paper, id)
            local row = { id = id, name = name, label = group.label, paper = printed, measured = results.metric(group, paper.metric) }
            row.difference = row.measured.mean - row.paper
            rows[#rows + 1] = row
            if id == paper.against then reference = reference or row end
        end
    end
    for _, row in ipairs(reference and rows or {}) do
        if row ~= reference then
            row.paper_gap = row.paper - reference.paper
            row.gap = statistics.difference(row.measured, reference.measured)
        end
    end
    return rows, reference
end

return results
