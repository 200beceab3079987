-- step/micro: a step in parts, for batches whose activations do not fit: the program of a part of the batch runs as often as there are parts,
-- each time adding its gradients to a mean; then one update. Stands where a program stands: feed, send, take, run, read, plan, free.
--
-- The bits are defined: parts come in order, and their gradients are averaged one after the other in fp32. They are not those of the whole
-- batch in one piece: random numbers of a part go by (step - 1) * parts + part, and what looks across a batch (mixing, queues, contrasts) sees a part.
local errors = require "bauta.errors"

local micro = {}
local Parts = { class = "program" }
Parts.__index = Parts

-- part: the program of one part, which has the input part_share; last: the update. both: inputs that the update has, too.
function micro.new(parts, part, last, both)
    return setmetatable({ parts = parts, part = part, last = last, both = both, given = {}, means = {}, fetched = {} }, Parts)
end

-- What of a value belongs to part i (from 0): rows of raw memory or of a list; scalars as they are.
local function piece(self, name, value, i)
    local shape = self.part:shape(name)
    if #shape == 0 then return value end
    local each = 1
    for _, d in ipairs(shape) do each = each * d end
    if type(value) == "cdata" then return value + i * each end
    if type(value) ~= "table" or #value ~= each * self.parts then
        errors.fail("%s: %d numbers expected, got %s", name, each * self.parts, type(value) == "table" and #value or errors.show(value))
    end
    local out = {}
    for k = 1, each do out[k] = value[i * each + k] end
    return out
end

function Parts:feed(name, value)
    if self.both[name] == "update" then self.last:feed(name, value) return end
    if self.both[name] then self.last:feed(name, value) end
    self.given[name] = value
end

-- A part is small, and the next one waits for it: only the first is sent ahead.
function Parts:send(name, value)
    self.sent = { name = name, value = value }
    self.part:send(name, piece(self, name, value, 0))
end

function Parts:take(name) self.given[name], self.taken = self.sent.value, name end

local function add(self, name, i)
    local value = self.part:read(name)
    if type(value) == "table" then
        self.means[name] = i == 0 and {} or self.means[name]
        for _, v in ipairs(value) do table.insert(self.means[name], v) end
    else
        self.means[name] = (i == 0 and 0 or self.means[name]) + value / self.parts
    end
end

function Parts:run()
    local step = self.given.step
    for i = 0, self.parts - 1 do
        for name, value in pairs(self.given) do
            if i == 0 and self.taken == name then self.part:take(name)
            elseif name ~= "step" then self.part:feed(name, piece(self, name, value, i)) end
        end
        self.part:feed("step", (step - 1) * self.parts + i + 1)
        self.part:feed("part_share", i / (i + 1))
        self.part:run()
        for name in pairs(self.fetched) do add(self, name, i) end
    end
    self.taken = nil
    self.last:run()
end

-- A number is the mean over the parts, a list what they have one after the other. A name that was not announced is that of the update.
function Parts:read(name) if self.fetched[name] then return self.means[name] end return self.last:read(name) end

-- Which names the parts fetch: they are read while a step goes.
function Parts:announce(names) for _, name in ipairs(names) do self.fetched[name] = true end end

-- Cost of the whole step; both programs lie in memory at the same time.
function Parts:plan()
    local out, update = self.part:plan(), self.last:plan()
    for _, row in ipairs(out.rows) do
        for _, k in ipairs { "macs", "nominal", "norm", "flops", "bytes", "seconds" } do row[k] = row[k] * self.parts end
    end
    for _, row in ipairs(update.rows) do out.rows[#out.rows + 1] = row end
    out.kept = out.kept + update.arena
    out.arena, out.variables = out.arena + update.arena, math.max(out.variables, update.variables)
    return out
end

function Parts:nodes()
    local out = self.part:nodes()
    for _, n in ipairs(self.last:nodes()) do out[#out + 1] = n end
    return out
end

function Parts:profile(on)
    self.part:profile(on)
    self.last:profile(on)
end

function Parts:free()
    self.part:free()
    self.last:free()
end

return micro
