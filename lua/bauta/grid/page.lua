-- page: writes a grid's report: index.html (whole), report.md with its pictures, and the numbers as CSV.
local bind = require "bauta.bind.run"
local csv = require "bauta.grid.csv"
local ffi = require "bauta.ffi"
local html = require "bauta.grid.html"
local markdown = require "bauta.grid.markdown"
local report = require "bauta.report"
local results = require "bauta.grid.results"
local sections = require "bauta.grid.sections"
local session = require "bauta.session"

local page = {}

-- Puts what a section shows beside report.md. Returns { { name, caption } }.
local function put_files(folder, s, number)
    local out = {}
    if s.drawing then
        out[1] = { name = ("chart-%d.svg"):format(number), caption = s.title }
        bind.put(folder .. "/" .. out[1].name, s.drawing)
    end
    for _, p in ipairs(s.pictures or {}) do
        local name = ("view-%s.png"):format(p.caption)
        bind.put(folder .. "/" .. name, session.read(p.path))
        out[#out + 1] = { name = name, caption = p.caption }
    end
    return out
end

-- What came out, for the terminal: the tables of results and differences.
local function print_tables(list)
    for _, s in ipairs(list) do
        if s.table and (s.title == "Results" or s.title:find "^Differences") then
            local rows = { s.table.head }
            for _, row in ipairs(s.table.rows) do rows[#rows + 1] = row end
            io.stdout:write(s.title, "\n\n", report.table(rows), "\n\n")
        end
    end
end

-- Returns the exit status.
function page.write(grid, out, folder)
    local all = results.collect(grid, out)
    local list, files = sections.of(all), {}
    for i, s in ipairs(list) do files[i] = put_files(folder, s, i) end
    local foot = ("Made by bauta %s from %s."):format(ffi.version(), session.script.path:match "[^/]+$")
    bind.put(folder .. "/index.html", html(list, foot))
    bind.put(folder .. "/report.md", markdown(list, files, foot))
    bind.put(folder .. "/cells.csv", csv.cells(all))
    bind.put(folder .. "/means.csv", csv.means(all))
    local papers = csv.papers(all)
    if papers then bind.put(folder .. "/papers.csv", papers) end
    print_tables(list)
    io.stdout:write(("%s: %d of %d cells complete; %s/index.html, report.md, cells.csv, means.csv%s\n"):format(grid.name, all.complete,
        all.all, folder, papers and ", papers.csv" or ""))
    return 0
end

return page
