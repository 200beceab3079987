-- svg: a line chart as text: curves with bands of one deviation, the papers' curves dashed. It needs no script and no font file.
local svg = {}

-- Colours that stay apart for most eyes (Okabe and Ito's set), then the same again with other marks.
local colours = { "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#444444" }
local width, left, right, top, bottom, plot = 760, 64, 16, 30, 48, 330

function svg.escape(text)
    return (tostring(text):gsub("[&<>\"]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }))
end

local function round(v) return ("%.1f"):format(v) end

-- Ticks at 1, 2 or 5 times a power of ten, about `n` of them.
local function ticks(low, high, n, least)
    local raw = math.max((high - low) / n, least or 0)
    local power = 10 ^ math.floor(math.log10(raw))
    local step = power * 10
    for _, m in ipairs { 1, 2, 5 } do
        if m * power >= raw then
            step = m * power
            break
        end
    end
    local out = {}
    for i = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) do out[#out + 1] = i == 0 and 0 or i * step end
    return out, step
end

local function label_of(v, step)
    if math.abs(v) >= 1e6 or (v ~= 0 and math.abs(v) < 1e-3) then return ("%.3g"):format(v) end
    return ("%%.%df"):format(math.max(0, -math.floor(math.log10(step) + 1e-9))):format(v)
end

local most_bands = 4 -- more of them lie over each other and hide what they show
svg.most_bands = most_bands

local function bounds(series, categories, limits, bands)
    local b = { x0 = math.huge, x1 = -math.huge, y0 = math.huge, y1 = -math.huge }
    for _, s in ipairs(series) do
        for _, p in ipairs(s.points) do
            local d = bands and p.d and p.d == p.d and p.d or 0
            b.x0, b.x1 = math.min(b.x0, p.x), math.max(b.x1, p.x)
            b.y0, b.y1 = math.min(b.y0, p.y - d), math.max(b.y1, p.y + d)
        end
    end
    if categories then b.x0, b.x1 = 0.5, #categories + 0.5 end
    if b.x1 == b.x0 then b.x0, b.x1 = b.x0 - 1, b.x1 + 1 end
    local room = (b.y1 - b.y0) * 0.06
    if room == 0 then room = math.max(1, math.abs(b.y1) * 0.05) end
    b.y0, b.y1 = b.y0 - room, b.y1 + room
    if limits then b.y0, b.y1 = math.max(b.y0, limits[1]), math.min(b.y1, limits[2]) end
    b.px = function(x) return left + (x - b.x0) / (b.x1 - b.x0) * (width - left - right) end
    b.py = function(y) return top + (b.y1 - math.max(b.y0, math.min(b.y1, y))) / (b.y1 - b.y0) * plot end
    return b
end

local function text(x, y, anchor, class, what)
    return ('<text x="%s" y="%s" text-anchor="%s" class="%s">%s</text>'):format(round(x), round(y), anchor, class, svg.escape(what))
end

local function axes(out, b, chart)
    local ys, ystep = ticks(b.y0, b.y1, 6)
    for _, y in ipairs(ys) do
        out[#out + 1] = ('<path d="M%d %sH%d" class="grid"/>'):format(left, round(b.py(y)), width - right)
        out[#out + 1] = text(left - 8, b.py(y) + 4, "end", "tick", label_of(y, ystep))
    end
    if chart.categories then
        for i, name in ipairs(chart.categories) do out[#out + 1] = text(b.px(i), top + plot + 18, "middle", "tick", name) end
    else
        local xs, xstep = ticks(b.x0, b.x1, 8, chart.whole and 1)
        for _, x in ipairs(xs) do
            out[#out + 1] = ('<path d="M%s %dv5" class="axis"/>'):format(round(b.px(x)), top + plot)
            out[#out + 1] = text(b.px(x), top + plot + 18, "middle", "tick", label_of(x, xstep))
        end
    end
    out[#out + 1] = ('<path d="M%d %dV%dH%d" class="axis"/>'):format(left, top, top + plot, width - right)
    out[#out + 1] = text((left + width - right) / 2, top + plot + 38, "middle", "name", chart.xlabel)
    out[#out + 1] = text(left - 52, 16, "start", "name", chart.ylabel)
end

local function line(points, b, y)
    local parts = {}
    for i, p in ipairs(points) do parts[i] = ("%s %s"):format(round(b.px(p.x)), round(b.py(y(p)))) end
    return parts
end

local function band(s, b, colour)
    local with = {}
    for _, p in ipairs(s.points) do
        if p.d and p.d == p.d then with[#with + 1] = p end
    end
    if #with < 2 then return "" end
    local upper = line(with, b, function(p) return p.y + p.d end)
    local lower = line(with, b, function(p) return p.y - p.d end)
    for i = 1, math.floor(#lower / 2) do lower[i], lower[#lower + 1 - i] = lower[#lower + 1 - i], lower[i] end
    return ('<path d="M%sL%sZ" fill="%s" opacity="0.16"/>'):format(table.concat(upper, "L"), table.concat(lower, "L"), colour)
end

-- The deviation of points that stand alone.
local function whiskers(s, b, colour)
    local out = {}
    for _, p in ipairs(s.points) do
        if p.d and p.d == p.d and p.d > 0 then
            out[#out + 1] = ('<path d="M%s %sV%s" stroke="%s"/>'):format(round(b.px(p.x)), round(b.py(p.y - p.d)),
                round(b.py(p.y + p.d)), colour)
        end
    end
    return table.concat(out)
end

local function marks(s, b, colour)
    local out = {}
    for i, p in ipairs(s.points) do
        out[i] = ('<circle cx="%s" cy="%s" r="3" fill="%s" stroke="%s"/>'):format(round(b.px(p.x)), round(b.py(p.y)),
            s.paper and "#fff" or colour, colour)
    end
    return table.concat(out)
end

-- The dashes of a line: long for the papers' curves, short for those that share a colour with an earlier one.
local function dashes(s, i)
    local pattern = s.paper and "6 4" or i > #colours and ("%d 2"):format(2 * math.floor((i - 1) / #colours)) or nil
    return pattern and (' stroke-dasharray="%s"'):format(pattern) or ""
end

local function draw(out, s, b, colour, categories, i, bands)
    local points = line(s.points, b, function(p) return p.y end)
    out[#out + 1] = bands and not categories and band(s, b, colour) or ""
    if not categories and #points > 1 then
        out[#out + 1] = ('<path d="M%s" fill="none" stroke="%s" stroke-width="1.8"%s/>'):format(table.concat(points, "L"), colour,
            dashes(s, i))
    end
    if #points <= 60 then out[#out + 1] = (categories or #points < 15) and (bands and whiskers(s, b, colour) or "") .. marks(s, b, colour) or "" end
end

-- Names below the chart, wrapped. Returns its height.
local function legend(out, series, colour_of)
    local x, y = left, top + plot + 62
    for i, s in ipairs(series) do
        local room = 34 + 7 * #s.label
        if x > left and x + room > width - right then x, y = left, y + 20 end
        out[#out + 1] = ('<path d="M%d %dh18" stroke="%s" stroke-width="3"%s/>'):format(x, y - 4, colour_of[i],
            dashes(s, i))
        out[#out + 1] = text(x + 24, y, "start", "tick", s.label)
        x = x + room
    end
    return y + 14
end

-- Whether a chart shows deviations: over categories always, as bands of curves only where they are few.
function svg.bands(chart)
    local measured = 0
    for _, s in ipairs(chart.series) do measured = measured + (s.paper and 0 or 1) end
    return chart.categories ~= nil or measured <= most_bands
end

-- chart: { xlabel, ylabel, series = { { label, points = { { x, y, d } }, paper } }, categories, whole (numbers on the x axis), limits (of the y axis: { least,
-- most }) }. Returns the element; d, where it is a number, is half the height of the band.
function svg.chart(chart)
    local out, colour_of, bands = {}, {}, svg.bands(chart)
    local b = bounds(chart.series, chart.categories, chart.limits, bands)
    axes(out, b, chart)
    local by_label = {}
    for i, s in ipairs(chart.series) do -- a paper's curve has the colour of the measured one it belongs to
        colour_of[i] = by_label[s.label:gsub("^paper: ", "")] or colours[(i - 1) % #colours + 1]
        by_label[s.label] = colour_of[i]
        draw(out, s, b, colour_of[i], chart.categories, i, bands)
    end
    local height = legend(out, chart.series, colour_of)
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s"><style>.grid{stroke:#ddd}' ..
        '.axis{stroke:#333;fill:none}text{font:12px system-ui,sans-serif;fill:#222}.name{font-weight:600}</style>\n%s\n</svg>')
        :format(width, height, svg.escape(chart.ylabel .. " over " .. chart.xlabel), table.concat(out, "\n"))
end

return svg
