-- csv: the numbers behind a report: every cell with every column of its result, and the means of the groups.
local results = require "bauta.grid.results"

local csv = {}

-- A number in ten digits; exact: in as many as it needs to be read back as it is. NaN is an empty field.
local function number(v, exact)
    if v ~= v then return "" end
    if v == math.floor(v) and math.abs(v) < 2 ^ 53 then return ("%d"):format(v) end
    local short = ("%.15g"):format(v)
    return not exact and ("%.10g"):format(v) or tonumber(short) == v and short or ("%.17g"):format(v)
end

local function field(v, exact)
    if type(v) == "number" then return number(v, exact) end
    local text = tostring(v)
    return text:find '[",\n\r]' and '"' .. text:gsub('"', '""') .. '"' or text
end

-- A row as a line.
function csv.line(row, exact)
    local cells = {}
    for k, v in ipairs(row) do cells[k] = field(v, exact) end
    return table.concat(cells, ",") .. "\n"
end

local function lines(rows)
    local out = {}
    for i, row in ipairs(rows) do out[i] = csv.line(row) end
    return table.concat(out)
end

-- The columns of the results, in the order of the log.
local function columns(all)
    for _, group in ipairs(all.groups) do
        for _, one in ipairs(group.cells) do
            if one.result then return one.tables.result.names end
        end
    end
    return {}
end

function csv.cells(all)
    local names, head = columns(all), { "cell" }
    for _, axis in ipairs(all.grid.names) do head[#head + 1] = axis end
    head[#head + 1] = "state"
    for _, name in ipairs(names) do head[#head + 1] = name end
    local rows = { head }
    for _, group in ipairs(all.groups) do
        for _, one in ipairs(group.cells) do
            local row = { one.cell.label }
            for _, axis in ipairs(all.grid.names) do row[#row + 1] = one.cell.values[axis] end
            row[#row + 1] = one.state
            for _, name in ipairs(names) do row[#row + 1] = one.result and one.result[name] or "" end
            rows[#rows + 1] = row
        end
    end
    return lines(rows)
end

function csv.means(all)
    local rows = { { "group", "column", "n", "mean", "deviation" } }
    for _, group in ipairs(all.groups) do
        for _, name in ipairs(columns(all)) do
            local s = results.metric(group, name)
            if s.n > 0 then rows[#rows + 1] = { group.label, name, s.n, s.mean, s.deviation } end
        end
    end
    return lines(rows)
end

function csv.papers(all)
    local rows = { { "table", "row", "column", "cells", "paper", "measured", "deviation", "n", "difference" } }
    for _, paper in ipairs(all.grid.report.papers) do
        for _, row in ipairs((results.paper(all, paper))) do
            rows[#rows + 1] = { paper.table.id, row.id, paper.column, row.label, row.paper, row.measured.mean, row.measured.deviation,
                row.measured.n, row.difference }
        end
    end
    return #rows > 1 and lines(rows) or nil
end

return csv
