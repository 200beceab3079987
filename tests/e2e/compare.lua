-- compare: what two runs of a test left, without what the clock decides.
local bind = require "bauta.bind.run"
local shell = require "shell"
local t = require "harness"

local compare = {}

local names = { "train", "eval", "mask", "cost", "result", "probe", "shadow", "frequency", "pictures", "fp8", "agreement", "bad" }

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

-- of: the tables that are compared, otherwise all.
function compare.same_run(a, b, what, of)
    for _, name in ipairs(of or names) do t.equal(compare.numbers(a, name), compare.numbers(b, name), what .. ": table " .. name) end
    t.check(shell.same(a .. "/student.safetensors", b .. "/student.safetensors"), "%s: weights", what)
end

-- Trains the suite of tiny.lua with more options, `before` in front of the command; returns the folder of its student
-- and what was said on standard error.
function compare.student(name, more, before)
    local status, _, err = shell.sh(("%s '%s' %s"):format(before or "", shell.program, shell.tiny("--set kind=suite " .. more, name)))
    t.equal(status, 0, name .. ": " .. err)
    return name .. "/all/student", err
end

-- Whether the losses and gradients of run b are those of run a, but for the rounding of another device.
function compare.follows(a, b)
    for _, name in ipairs { "loss", "loss_ce", "loss_kd", "grad_norm" } do
        local x, y = compare.tables(a).train[name], compare.tables(b).train[name]
        t.check(#x > 5 and #x == #y, "as many steps: %d and %d", #x, #y)
        for i = 1, #x do t.near(y[i], x[i], 2e-4 * (1 + math.abs(x[i])), ("%s of step %d"):format(name, i)) end
    end
end

return compare
