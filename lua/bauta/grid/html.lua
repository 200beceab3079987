-- html: a report's sections as one page that holds everything it shows and needs no script, at any width.
local base64 = require "bauta.grid.base64"
local session = require "bauta.session"
local svg = require "bauta.grid.svg"

local escape = svg.escape

local style = [[
:root{color-scheme:light}
body{font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:60rem;margin:0 auto;padding:1rem}
h1{font-size:1.6rem;line-height:1.2}h2{font-size:1.15rem;margin:2rem 0 .4rem}
p{margin:.3rem 0;max-width:46rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;margin:.6rem 0;font-size:.92rem}
th,td{padding:.25rem .7rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
th{border-bottom:2px solid #888;font-weight:600}
td.n,th.n{text-align:right}
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}
td.why,td.path{overflow-wrap:anywhere;min-width:10rem}
svg{width:100%;min-width:32rem;height:auto;display:block}
figure{margin:.8rem 0}figure img{max-width:100%;height:auto}
figcaption{font-size:.9rem;color:#555}
summary{cursor:pointer;font-weight:600;margin:2rem 0 .4rem}
]]

local function cell(tag, class, text) return ("<%s%s>%s</%s>"):format(tag, class and (' class="%s"'):format(class) or "", escape(text), tag) end

-- How each column is set: numbers to the right when there is nothing else in it.
local function classes_of(t)
    local out = {}
    for i, head in ipairs(t.head) do
        local numbers = #t.rows > 0
        for _, row in ipairs(t.rows) do numbers = numbers and (row[i] == "-" or row[i]:find "^[<+-]? ?%.?%d" ~= nil) end
        out[i] = head == "why" and "why" or head == "folder" and "path" or numbers and "n" or nil
    end
    return out
end

local function table_of(t)
    local out, classes = { '<div class="wide"><table><thead><tr>' }, classes_of(t)
    for i, name in ipairs(t.head) do out[#out + 1] = cell("th", classes[i] == "n" and "n" or nil, name) end
    out[#out + 1] = "</tr></thead><tbody>\n"
    for _, row in ipairs(t.rows) do
        local cells = {}
        for i, text in ipairs(row) do cells[i] = cell("td", classes[i], text) end
        out[#out + 1] = "<tr>" .. table.concat(cells) .. "</tr>\n"
    end
    out[#out + 1] = "</tbody></table></div>\n"
    return table.concat(out)
end

local function picture(p)
    return ('<figure><img alt="%s" src="data:image/png;base64,%s"><figcaption>%s</figcaption></figure>\n'):format(escape(p.caption),
        base64(session.read(p.path) or ""), escape(p.caption))
end

local function section(s, first)
    local out = {}
    for _, note in ipairs(s.notes or {}) do out[#out + 1] = "<p>" .. escape(note) .. "</p>\n" end
    if s.table then out[#out + 1] = table_of(s.table) end
    if s.drawing then out[#out + 1] = '<div class="wide">' .. s.drawing .. "</div>\n" end
    for _, p in ipairs(s.pictures or {}) do out[#out + 1] = picture(p) end
    local body, title = table.concat(out), escape(s.title)
    if s.folded then return ("<details><summary>%s</summary>\n%s</details>\n"):format(title, body) end
    local level = first and "h1" or "h2"
    return ("<section><%s>%s</%s>\n%s</section>\n"):format(level, title, level, body)
end

-- list: of grid/sections.lua; foot: a line at the end.
return function(list, foot)
    local out = { ('<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, ' ..
        'initial-scale=1">\n<title>%s</title>\n<style>%s</style></head>\n<body>\n'):format(escape(list[1].title), style) }
    for i, s in ipairs(list) do out[#out + 1] = section(s, i == 1) end
    out[#out + 1] = ("<p><small>%s</small></p>\n</body></html>\n"):format(escape(foot))
    return table.concat(out)
end
