-- compare: what two runs of a test left, without what the clock decides.
local bind = require "bauta.bind.run"
local shell = require "shell"
local t = require "harness"

local compare = {}

local names = { "train", "eval", "mask", "cost", "result", "probe", "shadow", "frequency", "pictures" }

function compare.path(name) return shell.folder .. "/" .. name end

function compare.tables(run)
    local log, out = bind.log(compare.path(run)), {}
    for _, name in ipairs(names) do out[name] = log:table(name) end
    out.documents = log:documents()
    log:free()
    return out
end

-- Rows of a table as text, without what is measured by the clock and what depends on the number of threads (memory).
function compare.numbers(run, name)
    local tab, lines = compare.tables(run)[name], {}
    for i = 1, tab and tab.n or 0 do
        local cells = {}
        for _, column in ipairs(tab.names) do
            if not column:find "^time" and column ~= "images_per_s" and not column:find "memory" then
                cells[#cells + 1] = type(tab[column][i]) == "string" and tab[column][i] or ("%.17g"):format(tab[column][i])
            end
        end
        lines[i] = table.concat(cells, " ")
    end
    return table.concat(lines, "\n")
end

function compare.same_run(a, b, what)
    for _, name in ipairs(names) do t.equal(compare.numbers(a, name), compare.numbers(b, name), what .. ": table " .. name) end
    t.check(shell.same(a .. "/student.safetensors", b .. "/student.safetensors"), "%s: weights", what)
end

return compare
