-- sdk/report: what a trial says, line by line, to the process that started it. A step that raises an error has failed, with its sentence.
local errors = require "bauta.errors"

local report = { mark = "\1" }

local function say(kind, text)
    io.stdout:write(report.mark, kind, " ", (text:gsub("[%c]+", function(c) return c == "\t" and c or " " end)), "\n")
    io.stdout:flush()
end

-- Runs one step; it returns true and a text, false and what is wrong, or "skip" or "note" and a text.
function report.try(what, step)
    say("try", what)
    collectgarbage() -- what the step before has left
    local ran, verdict, text = pcall(step)
    if not ran then verdict, text = false, errors.is(verdict) and table.concat(verdict.lines, "; ") or tostring(verdict) end
    local kind = type(verdict) == "string" and verdict or verdict and "ok" or "BAD"
    say(kind, what .. "\t" .. (text or ""))
    return kind == "ok"
end

-- A step says how far it is, for the case that it never ends.
function report.doing(text) say("try", text) end

function report.done() say("done", "") end

return report
