-- suite: runs that belong together: in order, one may take the weights of an earlier one, and a report of all at the end.
local check = require "bauta.check"
local errors = require "bauta.errors"
local experiment = require "bauta.experiment"

local suite = {}
local Suite = { class = "suite" }
Suite.__index = Suite

local rows = {
    { name = "name", type = "any", accept = experiment.name_judge, what = "a name", optional = true,
        doc = "put in front of the runs' names" },
    { name = "runs", type = "list of experiment", doc = "in order; one may take the weights of an earlier one" },
    { name = "report", type = "function", optional = true, doc = "called with the results when all runs are complete" },
}

local function judge(s, lines)
    local seen, index = {}, {}
    for i, e in ipairs(s.runs) do
        for _, need in ipairs(e:weights_runs()) do
            if not seen[need.run] then
                lines[#lines + 1] = ("suite.runs[%d] (%s): %s takes the weights of %s, which is no earlier run of the suite")
                    :format(i, e.settings.name, need.part, need.run.settings.name)
            end
        end
        local name = e.settings.name
        if index[name] then lines[#lines + 1] = ("suite.runs[%d] and runs[%d] have one name, %s"):format(index[name], i, name) end
        seen[e], index[name] = true, index[name] or i
    end
end

function suite.new(given)
    local s, lines = check.settings(rows, given, "suite"), {}
    if #s.runs == 0 then lines[1] = "suite.runs is empty; at least one run expected" end
    if #s.runs > 100000 then lines[1] = ("suite has %d runs; at most 100000"):format(#s.runs) end
    judge(s, lines)
    if #lines > 0 then errors.raise("arg", lines) end
    if s.name then
        for _, e in ipairs(s.runs) do e.folder = s.name .. "/" .. e.settings.name end
    end
    s.where = errors.position()
    return setmetatable(s, Suite)
end

return suite
