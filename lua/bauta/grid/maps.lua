-- maps: where kept patches lie, drawn as grids of squares: how often each place is kept over the probe's pictures at several moments
-- of the training, or over the training in a few single pictures. A row for each group, from its first complete cell.
local svg = require "bauta.grid.svg"

local maps = {}
local side, gap, left, top, most = 84, 14, 130, 14, 6

local function first_complete(group)
    for _, one in ipairs(group.cells) do
        if one.result then return one end
    end
end

-- At most `most` of a sorted list, the first and the last among them.
local function chosen(list)
    if #list <= most then return list end
    local out = {}
    for i = 0, most - 1 do out[i + 1] = list[1 + math.floor(i * (#list - 1) / (most - 1) + 0.5)] end
    return out
end

-- Values by a key of the rows of a table, and the keys in order.
local function by_key(t, key, f)
    local at, keys = {}, {}
    for i = 1, t and t.n or 0 do
        local k = t[key][i]
        if t.teacher[i] == t.teacher[1] then
            if not at[k] then
                at[k] = {}
                keys[#keys + 1] = k
            end
            f(at[k], i)
        end
    end
    table.sort(keys)
    return at, keys
end

local reader = {}

-- Share of the probe's pictures in which each patch is kept, by epoch.
function reader.frequency(tables)
    local t, panels = tables.frequency, {}
    local at, epochs = by_key(t, "epoch", function(values, i) values[t.patch[i] + 1] = t.share[i] end)
    for i, epoch in ipairs(chosen(epochs)) do
        panels[i] = { caption = epoch == 0 and "untrained" or ("epoch %d"):format(epoch), values = at[epoch] }
    end
    return panels
end

-- Share of the evaluations at which each patch of a picture was kept, by picture.
function reader.pictures(tables)
    local t, panels = tables.pictures, {}
    local at, numbers = by_key(t, "picture", function(values, i)
        if t.epoch[i] == 0 then return end
        values.n = (values.n or 0) + 1
        for p = 1, #t.kept[i] do values[p] = (values[p] or 0) + (t.kept[i]:sub(p, p) == "1" and 1 or 0) end
    end)
    for i, number in ipairs(chosen(numbers)) do
        local values = {}
        for p, v in ipairs(at[number]) do values[p] = 100 * v / at[number].n end
        panels[i] = { caption = ("picture %d"):format(number), values = values }
    end
    return panels
end

-- Patches in a row of what is masked for a teacher of a run.
local function columns_of(run, name)
    for _, t in ipairs(run.settings.teachers) do
        if t:called() == name then return run:masked(t).grid_columns end
    end
end

-- List of { label, columns (of a panel), panels = { { caption, values (percent, row by row) } } }.
function maps.rows(all, of)
    local rows = {}
    for _, group in ipairs(all.groups) do
        local one = first_complete(group)
        local panels = one and reader[of](one.tables) or {}
        if #panels > 0 then
            rows[#rows + 1] = { label = group.label, panels = panels, columns = columns_of(one.cell.run, one.tables[of].teacher[1]) }
        end
    end
    return rows
end

-- White for never, dark blue for always.
local function colour(v)
    local x = math.max(0, math.min(1, v / 100))
    return ("#%02x%02x%02x"):format(math.floor(247 - 239 * x + 0.5), math.floor(251 - 203 * x + 0.5), math.floor(255 - 148 * x + 0.5))
end

local function panel(out, x, y, p, columns)
    local rows = math.ceil(#p.values / columns)
    local cell = side / math.max(rows, columns)
    for i, v in ipairs(p.values) do
        out[#out + 1] = ('<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s"/>'):format(x + (i - 1) % columns * cell,
            y + math.floor((i - 1) / columns) * cell, cell, cell, colour(v))
    end
    out[#out + 1] = ('<rect x="%d" y="%d" width="%.2f" height="%.2f" fill="none" stroke="#888"/>'):format(x, y, columns * cell, rows * cell)
    out[#out + 1] = ('<text x="%d" y="%d" text-anchor="middle">%s</text>'):format(x + side / 2, y + side + 14, svg.escape(p.caption))
end

function maps.draw(rows, title)
    local out, columns = {}, 0
    for r, row in ipairs(rows) do
        local y = top + (r - 1) * (side + 30)
        out[#out + 1] = ('<text x="0" y="%d">%s</text>'):format(y + side / 2, svg.escape(row.label))
        for c, p in ipairs(row.panels) do panel(out, left + (c - 1) * (side + gap), y, p, row.columns) end
        columns = math.max(columns, #row.panels)
    end
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s"><style>text{font:12px ' ..
        'system-ui,sans-serif;fill:#222}</style>\n%s\n</svg>'):format(left + columns * (side + gap), top + #rows * (side + 30),
        svg.escape(title), table.concat(out, "\n"))
end

return maps
