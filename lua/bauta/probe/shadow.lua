-- shadow: criteria that are evaluated on the probe beside the run's own ones and train nothing: what would they have kept, and how
-- often is the teacher right about that?
local errors = require "bauta.errors"
local keep = require "bauta.keep"

local shadow = {}

shadow.rows = {
    { name = "probe", type = "int", default = 512, min = 0, max = 1e6, unit = "pictures",
        doc = "test pictures, evenly spaced over the split, on which criteria are watched after each evaluation; 0: none" },
    { name = "shadow", type = "list of mask", default = {},
        doc = "criteria evaluated on the probe without training; keep left out: as many patches as the run's own criterion" },
}

-- How many patches a shadow keeps in an epoch where the run's own criterion keeps `own` (nil: all). nil and why when it cannot.
function shadow.count(mask, whom, own, epoch, epochs)
    local v = keep.at(mask.settings.keep, epoch, epochs)
    if v == "all" then return own end
    return keep.count(v, whom.grid_rows, whom.grid_columns, ("shadow %s.keep"):format(mask.name))
end

local function judge_one(e, mask, lines)
    if mask.name == "none" then lines[#lines + 1] = "shadow: mask none keeps every patch; there is nothing to compare" end
    if mask.settings.who ~= "teacher" then
        lines[#lines + 1] = ("shadow %s.who = %s: a shadow shows its choice to the teacher only"):format(mask.name,
            errors.show(mask.settings.who))
    end
    lines[#lines + 1] = keep.unreached(mask.settings.keep, e:epochs(), ("shadow %s.keep"):format(mask.name))
    for _, t in ipairs(e.settings.teachers) do
        local n, why = shadow.count(mask, e:masked(t), e:kept(t, 0), 0, e:epochs())
        if why then lines[#lines + 1] = why
        elseif not n then
            lines[#lines + 1] = ("shadow %s.keep is missing, and %s sees every patch; how many patches?"):format(mask.name,
                t.settings.name)
        end
    end
end

-- What is wrong with the shadows of an experiment: a list of sentences.
function shadow.defects(e)
    local lines = {}
    if e.settings.probe == 0 and #e.settings.shadow > 0 then
        lines[1] = "shadow criteria are evaluated on the probe, and probe = 0"
    end
    for _, mask in ipairs(e.settings.shadow) do judge_one(e, mask, lines) end
    return lines
end

-- What each shadow is called in tables: its name, with a number when there are several of a name.
function shadow.labels(list)
    local seen, out = {}, {}
    for i, mask in ipairs(list) do
        seen[mask.name] = (seen[mask.name] or 0) + 1
        out[i] = seen[mask.name] > 1 and ("%s-%d"):format(mask.name, seen[mask.name]) or mask.name
    end
    return out
end

return shadow
