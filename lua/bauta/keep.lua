-- keep: how many patches the teacher sees. A share ("0.5", rounded half up), a count (98), the papers' labels ("75%") or "all".
local errors = require "bauta.errors"

local keep = {}

-- The counts behind the papers' percentages are not their rounded shares (75 % of 196 is 144, not 147).
local labels = {
    [196] = { ["75%"] = 144, ["50%"] = 98, ["40%"] = 80, ["25%"] = 49 },
    [256] = { ["75%"] = 192, ["50%"] = 128 },
    [576] = { ["75%"] = 432, ["50%"] = 288, ["34%"] = 196 },
}

local function bad(name, v, rest) return nil, ("%s = %s; %s"):format(name, errors.show(v), rest) end

-- What can be said before the number of patches is known. Returns v, or nil and a sentence.
function keep.judge(v, name)
    name = name or "keep"
    if type(v) == "string" then
        if v == "all" then return v end
        local percent = tonumber(v:match("^(%d+%.?%d*)%%$"))
        if percent and percent > 0 and percent <= 100 then return v end
        return bad(name, v, 'a share as "50%", "all", a number 0 < keep < 1 or a count >= 2 expected')
    elseif type(v) ~= "number" then
        return bad(name, v, 'a number or a text as "50%" expected')
    elseif v == 1 then
        return bad(name, v, 'ambiguous: write "all" (or "100%") for every patch; one single patch is no teacher\'s view; ' ..
            'expected 0 < keep < 1 or a count >= 2')
    elseif v ~= v or v == math.huge or v <= 0 then
        return bad(name, v, "expected 0 < keep <= 1")
    elseif v > 1 and v ~= math.floor(v) then
        return bad(name, v, "a count is a whole number; expected 0 < keep < 1 or a whole number of patches")
    end
    return v
end

-- The number of patches kept of n = rows * columns. Returns it, or nil and a sentence.
function keep.count(v, rows, columns, name)
    name = name or "keep"
    local judged, why = keep.judge(v, name)
    if judged == nil then return nil, why end
    local n = rows * columns
    if v == "all" then return n end
    local share = v
    if type(v) == "string" then
        local label = labels[n] and labels[n][v]
        if label then return label end
        share = tonumber((v:gsub("%%", ""))) / 100
    elseif v >= 2 then
        if v > n then return nil, ("%s = %d; the model has %d patches (%dx%d)"):format(name, v, n, rows, columns) end
        return v
    end
    local k = math.floor(share * n + 0.5)
    if k < 1 then
        return nil, ("%s = %s of %d patches keeps 0; smallest is %.4f"):format(name, errors.show(v), n,
            math.ceil(5000 / n) / 10000)
    end
    return k
end

return keep
