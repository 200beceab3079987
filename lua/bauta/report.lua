-- report: tables as text.
local report = {}

local function width(text)
    local _, n = text:gsub("[^\128-\191]", "")
    return n
end

-- rows: list of lists; the first is the head. Numbers (texts that begin with a digit) stand to the right.
function report.table(rows)
    local widths, right, out = {}, {}, {}
    for r, row in ipairs(rows) do
        for c, cell in ipairs(row) do
            cell = tostring(cell)
            widths[c] = math.max(widths[c] or 0, width(cell))
            if r > 1 and cell ~= "" and cell ~= "-" then right[c] = right[c] ~= false and cell:find("^[%d.+-]") ~= nil end
        end
    end
    for r, row in ipairs(rows) do
        local cells = {}
        for c, cell in ipairs(row) do
            cell = tostring(cell)
            local pad = (" "):rep(widths[c] - width(cell))
            cells[c] = right[c] and pad .. cell or cell .. pad
        end
        out[#out + 1] = (table.concat(cells, "  "):gsub("%s+$", ""))
        if r == 1 then
            local rule = {}
            for c in ipairs(row) do rule[c] = ("-"):rep(widths[c]) end
            out[#out + 1] = table.concat(rule, "  ")
        end
    end
    return table.concat(out, "\n")
end

-- A number with so many digits after the point, "-" for NaN and nil.
function report.number(v, digits)
    if v == nil or v ~= v then return "-" end
    return ("%." .. (digits or 2) .. "f"):format(v)
end

-- What a result says of the accuracy on the test set. best: whether to say the highest of all evaluations as well.
function report.accuracy(r, best)
    if r.top1 ~= r.top1 then return r.knn_top1 and r.knn_top1 == r.knn_top1 and ("no classifier, %.2f %% by neighbours"):format(r.knn_top1) or "no classifier" end
    return ("%.2f %% of the test set"):format(r.top1) .. (best and (" (best %.2f %%)"):format(r.best_top1) or "")
end

return report
