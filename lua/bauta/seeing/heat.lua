-- heat: what a run's probe has logged, drawn: how often each patch is kept on the whole probe (dataset level), and how often in the
-- course of training for single pictures, as one sheet per teacher: a column for each of several stages, a row for each picture.
local bind = require "bauta.bind.run"
local ffi = require "bauta.ffi"
local masks = require "bauta.masks"

local heat = {}

local stages, side = 6, 112

-- From never (dark blue) over green to always (yellow).
local colours = { { 20, 20, 80 }, { 30, 95, 140 }, { 40, 150, 125 }, { 130, 200, 80 }, { 250, 230, 40 } }

local function colour(percent)
    local x = math.max(0, math.min(percent, 100)) / 100 * (#colours - 1)
    local i = math.min(math.floor(x), #colours - 2)
    local low, high, out = colours[i + 1], colours[i + 2], {}
    for c = 1, 3 do out[c] = math.floor(low[c] + (high[c] - low[c]) * (x - i) + 0.5) end
    return out
end

-- How a map fits into a cell: patches to a pixel along rows and columns, the pixels that makes, and how often each is drawn.
local function fitted(rows, columns)
    local f = { down = math.ceil(rows / side), across = math.ceil(columns / side) }
    f.rows, f.columns = math.ceil(rows / f.down), math.ceil(columns / f.across)
    f.scale = math.floor(side / math.max(f.rows, f.columns))
    return f
end

-- The means of a map's percentages over the patches of each pixel.
local function pooled(map, columns, f)
    local sums, counts = {}, {}
    for p, percent in ipairs(map) do
        local y, x = math.floor((p - 1) / columns / f.down), math.floor((p - 1) % columns / f.across)
        local i = y * f.columns + x + 1
        sums[i], counts[i] = (sums[i] or 0) + percent, (counts[i] or 0) + 1
    end
    for i in ipairs(sums) do sums[i] = sums[i] / counts[i] end
    return sums
end

-- A map of percentages into a cell.
local function paint(sheet, column, row, map, columns, f)
    local pixels = ffi.array("uint8_t", f.rows * f.columns * 3)
    for p, percent in ipairs(pooled(map, columns, f)) do
        local rgb = colour(percent)
        for c = 1, 3 do pixels[(p - 1) * 3 + c - 1] = rgb[c] end
    end
    sheet:picture(column, row, pixels, f.columns, f.rows, f.scale)
end

-- ---- from the log ----

-- Frequencies by teacher: { epochs (ascending), maps[epoch] = list of percentages }.
local function frequencies(t)
    local out = {}
    for i = 1, t and t.n or 0 do
        local name, epoch = t.teacher[i], t.epoch[i]
        out[name] = out[name] or { epochs = {}, maps = {} }
        local one = out[name]
        if not one.maps[epoch] then
            one.maps[epoch] = {}
            one.epochs[#one.epochs + 1] = epoch
        end
        one.maps[epoch][t.patch[i] + 1] = t.share[i]
    end
    return out
end

-- Of single pictures by teacher: list of { picture, sets[epoch] } in the order of the log.
local function choices(t)
    local out, places = {}, {}
    for i = 1, t and t.n or 0 do
        local name, picture = t.teacher[i], t.picture[i]
        out[name] = out[name] or {}
        local key = name .. " " .. picture
        if not places[key] then
            places[key] = { picture = picture, sets = {} }
            table.insert(out[name], places[key])
        end
        places[key].sets[t.epoch[i]] = masks.from_text(t.kept[i])
    end
    return out
end

-- At most `stages` epochs, the first and the last among them.
local function chosen(epochs)
    local n, out = math.min(stages, #epochs), {}
    for i = 1, n do out[i] = epochs[n == 1 and 1 or math.floor((i - 1) * (#epochs - 1) / (n - 1) + 0.5) + 1] end
    return out
end

-- How often each patch of one picture was kept in the evaluations up to an epoch.
local function utilisation(one, epochs, until_epoch, N)
    local sets = {}
    for _, epoch in ipairs(epochs) do
        if epoch <= until_epoch and one.sets[epoch] then sets[#sets + 1] = one.sets[epoch] end
    end
    return masks.frequency(sets, N)
end

local function grid_of(N, shape)
    if shape then return shape[1], shape[2] end
    local rows = math.floor(math.sqrt(N) + 0.5)
    if rows * rows == N then return rows, rows end
    return 1, N
end

local function draw(path, title, found, pictures, shape)
    local columns = chosen(found.epochs)
    local N = #found.maps[columns[1]]
    local rows, across = grid_of(N, shape)
    local f = fitted(rows, across)
    local sheet = bind.sheet(#columns, 1 + #pictures, side, f.rows * f.scale, true, title)
    for c, epoch in ipairs(columns) do
        paint(sheet, c - 1, 0, found.maps[epoch], across, f)
        sheet:caption(c - 1, 0, ("all, epoch %d"):format(epoch))
        for r, one in ipairs(pictures) do
            paint(sheet, c - 1, r, utilisation(one, found.epochs, epoch, N), across, f)
            sheet:caption(c - 1, r, ("sample %d, to %d"):format(one.picture, epoch))
        end
    end
    sheet:write(path)
    sheet:free()
end

-- Writes report/selection.png (selection-NAME.png with several teachers) of a run. shapes: { NAME = { rows, columns } } where grids
-- are not square. Returns the paths.
function heat.write(folder, shapes)
    local log = bind.log(folder)
    local all, single = frequencies(log:table "frequency"), choices(log:table "pictures")
    log:free()
    local names, out = {}, {}
    for name in pairs(all) do names[#names + 1] = name end
    table.sort(names)
    if #names > 0 then ffi.make_folder(folder .. "/report") end
    for i, name in ipairs(names) do
        out[i] = ("%s/report/selection%s.png"):format(folder, #names > 1 and "-" .. name or "")
        draw(out[i], ("how often a patch is kept, %s: never (dark) to always (bright)"):format(name), all[name], single[name] or {},
            shapes and shapes[name])
    end
    return out
end

return heat
