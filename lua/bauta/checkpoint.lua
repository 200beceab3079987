-- checkpoint: what a run keeps to go on from: its stores, the probe's part, and the few numbers that are no tensors.
local stores = require "bauta.step.stores"

local checkpoint = {}

local function parts_of(self)
    local list = {}
    for _, name in ipairs(stores.changing) do
        local store = self.stores[name]
        if store and store:count() > 0 then list[#list + 1] = { name, store } end
    end
    list[#list + 1] = self.probe and self.probe:part()
    return list
end

-- best: whether it is the best so far as well.
function checkpoint.save(self, best)
    self.run:checkpoint(self.epoch, self.done, best, parts_of(self), {
        best = self.best, sum_loss = self.sum, time_train = self.time_train, time_total = self.time_total, steps = self.steps,
        epoch_seconds = self.epoch_seconds, unjudged = self.unjudged and 1 or 0, probe = self.probe and self.probe:part() and self.probe.count or 0 })
end

-- Puts a run that is gone on with where its checkpoint was made.
function checkpoint.restore(self)
    local c, e = self.run:resumed(), self.e
    if not c then return end
    for _, part in ipairs(parts_of(self)) do c.load(part[1], part[2]) end
    self.epoch, self.done = c.epoch, c.step
    self.best, self.sum = c.value("best") or -1, c.value("sum_loss") or 0
    self.time_train, self.time_total = c.value("time_train") or 0, c.value("time_total") or 0
    self.epoch_seconds = c.value("epoch_seconds") or 0
    self.unjudged = c.value("unjudged") == 1
    if e:minutes() and c.value("steps") then e:settle(c.value("steps")) end
    if self.probe then self.probe:restore(c) end
    self:say(("going on from epoch %d, step %d"):format(c.epoch, c.step))
end

return checkpoint
