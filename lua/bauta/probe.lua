-- probe: what a run's criteria choose, watched on the same few test pictures after each evaluation: how often each patch is kept, how
-- much that changes, what it does to the teacher, how alike teacher and student answer, and what other criteria would have chosen.
-- It changes nothing of the run; what it remembers from one evaluation to the next is a part of the checkpoints.
local evaluation = require "bauta.evaluation"
local ffi = require "bauta.ffi"
local heat = require "bauta.seeing.heat"
local graph = require "bauta.bind.graph"
local masks = require "bauta.masks"
local pictures = require "bauta.pictures"
local program = require "bauta.probe.program"
local steps = require "bauta.steps"
local tables = require "bauta.probe.tables"

local probe = {}
local Probe = {}
Probe.__index = Probe

local function wanted(e) return e.kind == "distill" and e.settings.probe > 0 end

-- The probe of a run, or nil when it has none. Declares its tables.
function probe.new(self)
    local e = self.e
    if not wanted(e) then return nil end
    tables.declare(self.run)
    local p = setmetatable({ run = self, e = e, sets = {}, shadow_stores = {} }, Probe)
    p.batch = math.min(e.settings.batch, e.settings.probe, e.settings.data:split("test").count)
    p.loader, p.count = pictures.probe_loader(e, self.options.loaders, e.settings.probe, p.batch)
    p.memory = graph.store(self.device, 0)
    for i, mask in ipairs(e.settings.shadow) do
        if mask.settings.model then p.shadow_stores[i] = graph.store(self.device, e.settings.seed) end
    end
    for _, t in ipairs(e.settings.teachers) do
        p.memory:add(t:called(), { p.count, masks.words(e:masked(t).patches) }, "zero")
    end
    return p
end

-- ---- what is remembered ----

-- The part of a checkpoint that it is; nil when there is nothing yet.
function Probe:part() return next(self.sets) and { "probe", self.memory } or nil end

function Probe:restore(checkpoint)
    if checkpoint.value "probe" ~= self.count then return end
    checkpoint.load("probe", self.memory)
    for _, t in ipairs(self.e.settings.teachers) do
        self.sets[t:called()] = masks.unpack(self.memory:read(t:called()), self.e:masked(t).patches)
    end
end

local function remember(self, view, sets)
    local name = view.teacher:called()
    self.sets[name] = sets
    self.memory:write(name, masks.pack(sets, view.N))
end

-- ---- running it ----

local function counts(views)
    local out = {}
    for _, v in ipairs(views) do
        out[#out + 1] = v.k or 0
        for _, one in ipairs(v.shadows) do out[#out + 1] = one.k end
    end
    return table.concat(out, " ")
end

-- The program for an epoch's numbers of kept patches; the weights of shadows' models are read when it is first made.
local function compiled(self, epoch)
    local views = program.views(self.e, epoch, self.shadow_stores)
    local key = counts(views)
    if self.key ~= key then
        if self.program then self.program:free() end
        local first = not self.key
        self.views, self.key = views, key
        self.program = program.build(self.e, self.run.device, self.run.stores, views, self.batch, epoch)
        for i, store in pairs(first and self.shadow_stores or {}) do
            self.run:load_weights(self.e.settings.shadow[i].settings.model, store, "the model of shadow " .. views[1].shadows[i].label)
        end
    end
    return self.program
end

local function feed(self, batch, room)
    local images, labels = pictures.filled(batch, self.batch, room)
    local now = evaluation.moment(self.run.epoch, self.e:epochs(), self.loader.batches)
    evaluation.feed(self.program, images, labels, batch.number, now)
    self.program:run()
end

local function empty(view, student)
    local one = { sets = {}, mass = view.salient and 0 or 0 / 0, sums = {} }
    one.object = pictures.object_statistics(view.masked, student)
    return one
end

local function add_sum(sums, p, name, column, count)
    local v, sum = p:view(column), 0
    for i = 0, count - 1 do sum = sum + v[i] end
    sums[name] = (sums[name] or 0) + sum
end

-- A choice of patches in one batch.
local function add_choice(into, p, column, k, view, batch, saliency)
    local kept, from = p:view(column), #into.sets
    masks.collect(kept, batch.count, k, into.sets)
    into.object:add(batch.boxes, kept, batch.count, k)
    for b = 0, saliency and batch.count - 1 or -1 do
        into.mass = into.mass + masks.mass(saliency, b * view.N, view.N, into.sets[from + b + 1])
    end
end

local compared = { "full1", "shown1", "kl", "cosine", "same", "kl_full", "cosine_full", "same_full" }

local function add_view(found, p, view, batch)
    local t = view.teacher
    local saliency = view.salient and p:view(t:column "saliency")
    if view.k then add_choice(found.own, p, t:column "kept", view.k, view, batch, saliency) end
    for _, name in ipairs(view.judged and compared or {}) do add_sum(found.own.sums, p, name, t:column(name), batch.count) end
    for i, one in ipairs(view.shadows) do
        add_choice(found.shadows[i], p, one.column .. "_kept", one.k, view, batch, saliency)
        if one.answer and view.judged then add_sum(found.shadows[i].sums, p, "1", one.column .. "_1", batch.count) end
    end
end

local function measure(self)
    local found, room, student, arch = {}, {}, {}, self.e.settings.student
    for i, view in ipairs(self.views) do
        found[i] = { own = empty(view, arch), shadows = {} }
        for j in ipairs(view.shadows) do found[i].shadows[j] = empty(view, arch) end
    end
    self.samples, self.labels = {}, {}
    self.loader:start(0, 0)
    for batch in function() return self.loader:next() end do
        feed(self, batch, room)
        add_sum(student, self.program, "top1", "student1", batch.count)
        for i, view in ipairs(self.views) do add_view(found[i], self.program, view, batch) end
        for b = 0, batch.count - 1 do
            self.samples[#self.samples + 1], self.labels[#self.labels + 1] = tonumber(batch.samples[b]), tonumber(batch.labels[b])
        end
    end
    return found, steps.classifies(self.e) and 100 * student.top1 / self.count or 0 / 0
end

-- ---- writing it down ----

local function share(sums, name, n) return sums[name] and 100 * sums[name] / n or 0 / 0 end
local function mean(sums, name, n) return sums[name] and sums[name] / n or 0 / 0 end

local function probe_row(self, view, own, student)
    local n, sums, before = self.count, own.sums, self.sets[view.teacher:called()]
    local on_object, object_share, recall = own.object:shares()
    return { epoch = self.run.epoch, teacher = view.teacher:called(), pictures = n, kept = view.k or view.N,
        saliency = view.k and own.mass / n or 100, overlap = view.k and before and masks.mean_overlap(own.sets, before) or 0 / 0,
        on_object = on_object, object_share = object_share, recall = recall, student_top1 = student,
        teacher_top1 = share(sums, "shown1", n), teacher_top1_full = share(sums, "full1", n), agreement = share(sums, "same", n),
        agreement_full = share(sums, "same_full", n), kl = mean(sums, "kl", n), kl_full = mean(sums, "kl_full", n),
        cosine = mean(sums, "cosine", n), cosine_full = mean(sums, "cosine_full", n) }
end

local function shadow_row(self, view, i, own, other)
    local on_object, _, recall = other.object:shares()
    return { epoch = self.run.epoch, teacher = view.teacher:called(), criterion = view.shadows[i].label, kept = view.shadows[i].k,
        overlap = masks.mean_overlap(other.sets, own.sets), saliency = other.mass / self.count, on_object = on_object, recall = recall,
        teacher_top1 = share(other.sums, "1", self.count) }
end

local function choice_rows(self, view, sets)
    local log, name, epoch = self.run.run, view.teacher:called(), self.run.epoch
    for p, percent in ipairs(masks.frequency(sets, view.N)) do
        log:row("frequency", { epoch = epoch, teacher = name, patch = p - 1, share = percent })
    end
    if view.N > tables.most_patches then return end
    local shown = math.min(self.e.settings.overlays, self.count)
    for s = 0, shown - 1 do
        local i = math.floor(s * self.count / shown) + 1
        log:row("pictures", { epoch = epoch, teacher = name, picture = self.samples[i], label = self.labels[i],
            kept = masks.text(sets[i], view.N) })
    end
end

-- Watches the weights as they are now and writes the rows of `run.epoch`. It is short, and no signal ends it half-way.
function Probe:epoch()
    local begun, log = ffi.clock(), self.run.run
    compiled(self, self.run:shown_epoch())
    local found, student = measure(self)
    local rows = {}
    for i, view in ipairs(self.views) do
        rows[i] = probe_row(self, view, found[i].own, student)
        for j in ipairs(view.shadows) do log:row("shadow", shadow_row(self, view, j, found[i].own, found[i].shadows[j])) end
        if view.k then
            choice_rows(self, view, found[i].own.sets)
            remember(self, view, found[i].own.sets)
        end
    end
    local seconds = ffi.clock() - begun
    for _, row in ipairs(rows) do
        row.time_probe = seconds
        log:row("probe", row)
    end
    self.run.time_total = self.run.time_total + seconds
    if self.run.epoch == self.e:whole_epochs() then self:report() end
end

-- Draws report/selection.png.
function Probe:report()
    local shapes = {}
    for _, view in ipairs(self.views) do shapes[view.teacher:called()] = { view.rows, view.columns } end
    pictures.attempt(self.run.run, heat.write, self.run.path, shapes)
end

function Probe:free()
    if self.program then self.program:free() end
    self.loader:free()
    self.memory:free()
    for _, store in pairs(self.shadow_stores) do store:free() end
end

return probe
