-- keep: how many patches the teacher sees. A share ("0.5", rounded half up), a count (98), the papers' labels ("75%") or "all";
-- or a schedule of these over the epochs: { [0] = "all", [10] = 0.5 }, the same as a text "0: all, 10: 0.5", or bauta.keep {...}.
local check = require "bauta.check"
local errors = require "bauta.errors"

local keep = {}

-- The counts behind the papers' percentages are not always their rounded shares (75 % of 196 is 144, not 147): the published costs tell them.
-- 87 to 61 % of 196 are DINO's rows, 600 patches AST's.
local labels = {
    [196] = { ["87%"] = 170, ["77%"] = 150, ["75%"] = 144, ["66%"] = 130, ["61%"] = 120, ["50%"] = 98, ["40%"] = 80, ["25%"] = 49 },
    [256] = { ["75%"] = 192, ["50%"] = 128 },
    [576] = { ["75%"] = 432, ["50%"] = 288, ["34%"] = 196 },
    [600] = { ["83%"] = 500, ["50%"] = 300 },
}

local function bad(name, v, rest) return nil, ("%s = %s; %s"):format(name, errors.show(v), rest) end

local form = '{ [0] = "all", [10] = 0.5 }'
local one_value = 'a share 0 < keep < 1, a count >= 2, a label as "50%" or "all" expected'
local any_value = 'a share 0 < keep < 1, a count >= 2, a label as "50%", "all" or a schedule as ' .. form .. " expected"

-- One value, without a schedule: what can be said before the number of patches is known. allowed: what is. Returns v, or nil and a sentence.
local function judge_one(v, name, allowed)
    if type(v) == "string" then
        if v == "all" then return v end
        local percent = tonumber(v:match("^(%d+%.?%d*)%%$"))
        if percent and percent > 0 and percent <= 100 then return v end
        return bad(name, v, allowed)
    elseif type(v) ~= "number" then
        return bad(name, v, allowed)
    elseif v == 1 then
        return bad(name, v, 'ambiguous: write "all" (or "100%") for every patch; one single patch is no teacher\'s view; ' .. allowed)
    elseif v ~= v or v == math.huge or v <= 0 then
        return bad(name, v, allowed)
    elseif v > 1 and v ~= math.floor(v) then
        return bad(name, v, "a count is a whole number; " .. allowed)
    end
    return v
end

-- ---- schedules ----

local Schedule = { class = "keep" }
Schedule.__index = Schedule

-- The value of an epoch, from 0, of a run of so many.
function Schedule:at(epoch, epochs)
    if self.list then
        local v
        for _, one in ipairs(self.list) do
            if one.epoch <= epoch then v = one.keep end
        end
        return v
    end
    local part = math.min(math.floor(epoch * self.parts / epochs), self.parts - 1)
    local x = self.parts > 1 and part / (self.parts - 1) or 0
    if self.shape == "cosine" then x = (1 - math.cos(math.pi * x)) / 2 end
    local share = self.from + (self.to - self.from) * x
    return share >= 1 and "all" or share
end

function Schedule:text()
    if not self.list then
        return ("%s from %s to %s in %d parts"):format(self.shape, errors.show(self.from), errors.show(self.to), self.parts)
    end
    local out = {}
    for i, one in ipairs(self.list) do out[i] = ("%d: %s"):format(one.epoch, tostring(one.keep)) end
    return table.concat(out, ", ")
end

local function share(name, doc) return { name = name, type = "float", above = 0, max = 1, doc = doc } end

local range_rows = {
    share("from", "share of the first part"), share("to", "share of the last part"),
    { name = "shape", type = "choice", choices = { "linear", "cosine" }, default = "linear", doc = "of the way between them" },
    { name = "parts", type = "int", default = 5, min = 2, max = 100,
        doc = "equal parts of the run; the step is compiled anew for each" },
}

-- bauta.keep { from = 1, to = 0.25, parts = 4 }
function keep.range(given) return setmetatable(check.settings(range_rows, given, "keep"), Schedule) end

local function judge_list(entries, name)
    local list = {}
    for epoch, v in pairs(entries) do
        if type(epoch) ~= "number" or epoch < 0 or epoch ~= math.floor(epoch) then
            return bad(name, epoch, "epochs from 0 expected as keys: " .. form)
        end
        local ok, why = judge_one(v, ("%s[%d]"):format(name, epoch), one_value)
        if ok == nil then return nil, why end
        list[#list + 1] = { epoch = epoch, keep = v }
    end
    table.sort(list, function(a, b) return a.epoch < b.epoch end)
    if not list[1] or list[1].epoch ~= 0 then return nil, ("%s: no value for epoch 0; epochs from 0 expected as keys: %s"):format(name, form) end
    return setmetatable({ list = list }, Schedule)
end

local function judge_text(text, name)
    local entries = {}
    for part in (text .. ","):gmatch "([^,]*)," do
        local epoch, v = part:match "^%s*(%d+)%s*:%s*(%S+)%s*$"
        if not epoch then return bad(name, text, 'a schedule as "0: all, 10: 0.5" expected') end
        if entries[tonumber(epoch)] then return bad(name, text, ("epoch %s is there twice; each epoch once expected"):format(epoch)) end
        entries[tonumber(epoch)] = tonumber(v) or v
    end
    return judge_list(entries, name)
end

-- What can be said before the number of patches is known. single: nothing that changes over the epochs. Returns v in its own form, or nil and a sentence.
function keep.judge(v, name, single)
    name = name or "keep"
    if single then return judge_one(v, name, one_value) end
    if check.class_of(v) == "keep" then return v end
    if type(v) == "table" and not check.class_of(v) then return judge_list(v, name) end
    if type(v) == "string" and v:find(":", 1, true) then return judge_text(v, name) end
    return judge_one(v, name, any_value)
end

-- A sentence about an epoch of a schedule that a run of so many never reaches, or nil.
function keep.unreached(v, epochs, name)
    for _, one in ipairs(check.class_of(v) == "keep" and v.list or {}) do
        if one.epoch >= epochs then
            return ("%s: epoch %d is never reached, the run has %s (from 0)"):format(name, one.epoch, errors.show(epochs))
        end
    end
end

-- The plain value of an epoch.
function keep.at(v, epoch, epochs) return check.class_of(v) == "keep" and v:at(epoch, epochs) or v end

-- The number of patches kept of n = rows * columns, in an epoch (from 0) of a run. Returns it, or nil and a sentence.
function keep.count(v, rows, columns, name, epoch, epochs)
    name = name or "keep"
    local judged, why = keep.judge(v, name)
    if judged == nil then return nil, why end
    v = keep.at(judged, epoch or 0, epochs or 1)
    local n = rows * columns
    if v == "all" then return n end
    local part = v
    if type(v) == "string" then
        local label = labels[n] and labels[n][v]
        if label then return label end
        part = tonumber((v:gsub("%%", ""))) / 100
    elseif v >= 2 then
        if v > n then return nil, ("%s = %d; the model has %d patches (%dx%d)"):format(name, v, n, rows, columns) end
        return v
    end
    local k = math.floor(part * n + 0.5)
    if k < 1 then
        return nil, ("%s = %s of %d patches keeps 0; smallest is %.4f"):format(name, errors.show(v), n,
            math.ceil(5000 / n) / 10000)
    end
    return k
end

return keep
