-- opening: everything of a run before its first step: weights, programs, loaders, the probe, where a checkpoint left it, what is written down
-- about it. `self` is the run of trainer.lua.
local archive = require "bauta.archive"
local bad = require "bauta.bad"
local calibration = require "bauta.calibration"
local checkpoint = require "bauta.checkpoint"
local cost = require "bauta.cost"
local errors = require "bauta.errors"
local ffi = require "bauta.ffi"
local fitting = require "bauta.fitting"
local graph = require "bauta.bind.graph"
local inputs = require "bauta.step.inputs"
local pictures = require "bauta.pictures"
local preflight = require "bauta.preflight"
local probe = require "bauta.probe"
local record = require "bauta.record"
local rehearsal = require "bauta.rehearsal"
local session = require "bauta.session"
local statistics = require "bauta.protocol.statistics"
local steps = require "bauta.steps"

local opening = {}

-- ---- weights ----

-- part: how messages call the model.
local function given(self, arch, store, part)
    local s = arch and arch.settings
    if not (s and s.weights) then return false end
    local path = archive.weights(s.weights, self.options.out)
    local ok, told = pcall(arch.load, arch, store, path)
    if not ok then error(fitting.named(told, self.e, part, arch.where), 0) end
    if told then self:say(("%s: names of %s"):format(path, told)) end
    return true
end

-- The weights of a model that does not learn, or a word about their absence. part: how messages call it.
function opening.load(self, arch, store, part)
    if given(self, arch, store, part) then return end
    self:say(fitting.no_weights(part))
end

-- What architectures call the layer that gives the class logits.
local class_heads = { ["head"] = true, ["head.fc"] = true, ["mlp_head.1"] = true }

-- The class head of the student, drawn anew with the run's seed.
local function renew_head(self)
    local student, drawn, deviation = self.stores.student, graph.store(self.device, self.e.settings.seed), self.e.settings.head_deviation
    for _, w in ipairs(student:list()) do
        local layer, part = w.name:match "^(.*)%.([^.]*)$"
        if class_heads[layer] then
            drawn:add(w.name, w.shape, part == "weight" and "normal" or "zero", deviation)
            student:write(w.name, drawn:read(w.name))
        end
    end
    if drawn:count() == 0 then
        errors.raise("arg", ("head_deviation = %s: arch %s has no class head"):format(errors.show(deviation), self.e.settings.student.name), self.e.where)
    end
end

-- What the models begin with, when the stores hold all tensors.
local function load_all(self)
    given(self, self.e.settings.student, self.stores.student, "student")
    if self.e.settings.head_deviation then renew_head(self) end
    for _, m in ipairs(self.e:frozen()) do opening.load(self, m.arch, self.stores[m.who], m.part) end
end

-- What losses know of their teacher before training begins.
local function load_statistics(self)
    for _, l in ipairs(self.e:losses()) do
        local path = l.loss.settings.statistics
        if path == "auto" then
            path = statistics.own(self, l) or errors.raise("machine", "stopped by a signal before the first step, at the teacher's embeddings", self.e:path())
        end
        if path and path ~= "" then statistics.load(self.device, self.stores.state, l.label, path) end
    end
end

-- Reads what there is already of that, and forgets it: students of other runs are made yet, and statistics are taken when it is time. self: e, options,
-- device, stores that hold all tensors, say; made: the files that other runs will leave.
function opening.try(self)
    local models = self.e:frozen()
    table.insert(models, 1, { who = "student", part = "student", arch = self.e.settings.student })
    for _, m in ipairs(models) do
        local w = m.arch.settings.weights
        if type(w) == "string" and not self.made[w] then given(self, m.arch, self.stores[m.who], m.part) end
    end
    if self.e.settings.head_deviation then renew_head(self) end
    for _, l in ipairs(self.e:losses()) do
        local path = l.loss.settings.statistics
        if path and path ~= "" and path ~= "auto" then statistics.load(self.device, self.stores.state, l.label, path) end
    end
end

-- An averaged teacher begins as the student does.
local function load_average(self)
    if self.stores.average then self.stores.average:take(self.stores.student) end
end

-- ---- programs ----

-- The phase of the run that an epoch belongs to: epochs with equal numbers of kept patches share a program.
local function phase_of(self, epoch)
    for i = #self.phases, 1, -1 do
        if self.phases[i].first <= epoch then return i end
    end
    return 1
end

-- The first epoch of the phase that an epoch belongs to.
function opening.first_epoch(self, epoch) return self.phases[phase_of(self, epoch)].first end

-- Compiles the step of a phase, unless it is there. Programs are made one after the other, so that their memory is that of the
-- largest.
local function compile(self, phase, load)
    if phase == self.phase then return end
    if self.program then self.program:free() end
    self.phase, self.program = phase, nil
    local before = self.notes and table.concat(self.notes, " ")
    self.program, self.notes = steps.train(self.e, self.device, self.stores, load, self.phases[phase].first)
    local now = table.concat(self.notes, " ")
    if before and before ~= now then
        errors.raise("arg", ("epoch %d notes other numbers (%s) than those before it (%s); a log has the same columns in all epochs"):format(
            self.phases[phase].first, now, before), self.e.where)
    end
end

-- The program of an epoch.
function opening.program(self, epoch) compile(self, phase_of(self, epoch)) end

-- Compiles the steps of all phases, the first one with the weights that they begin with. Returns the mean cost.
local function all_phases(self)
    local costs = {}
    for i, phase in ipairs(self.phases) do
        compile(self, i, i == 1 and function()
            load_all(self)
            load_average(self)
            load_statistics(self)
        end or nil)
        costs[i] = { summary = cost.summary(self.program:plan(), self.e.settings.batch), epochs = phase.epochs }
    end
    self.costs = costs
    return cost.mean(costs)
end

-- Once it is known how many steps the minutes hold, so are the epochs of each phase.
local function settle(self, steps)
    self.e:settle(steps)
    self.phases = self.e:phases()
    for i, phase in ipairs(self.phases) do self.costs[i].epochs = phase.epochs end
    self.cost = cost.mean(self.costs)
end

-- What went wrong in a run, as one of our errors, with the place in the script where nothing else says one.
function opening.placed(why, e)
    if why == "not enough memory" then return errors.new("arg", why, e:path()) end
    local out = errors.wrap(why)
    if not out.where and (out.code == "arg" or out.code == "plugin") then out.where = e.where end
    return out
end

-- What went wrong while programs were made; where memory was short, with who says what would fit.
function opening.short(why, e)
    if not (errors.is(why) and why.code == "machine" and why.lines[1]:find "^no memory") then return why end
    return errors.new("machine", why.lines[1] .. "; bauta plan says what would fit", e:path())
end

-- Raises where the buffers of the training step are more than there is. stores: hold all its tensors; summary: of its cost.
function opening.judge_room(e, device, stores, summary)
    local s, free = e.settings, device:has "host" and ffi.memory_free() -- another device says so itself
    if free and summary.arena > free then
        errors.raise("machine", cost.too_much(summary, free, s.batch, s.micro, steps.recomputed(e, device, stores)), e:path())
    end
end

local function first_program(self)
    local e = self.e
    self.stores, self.phases, self.wants_samples = steps.stores(e, self.device), e:phases(), inputs.wants_samples(e)
    local ok, got = pcall(all_phases, self)
    if not ok then error(opening.short(got, e), 0) end
    self.cost = got
    opening.judge_room(e, self.device, self.stores, self.cost)
end

-- Settles in which precision a run computes. Returns sentences about what this device does not do as it is asked to.
function opening.precision(e, device)
    local precision, why = session.precision(e.settings.precision, device)
    e.precision = precision
    if #calibration.teachers(e) == 0 or device:has "fp8" then return { why } end
    if not device:has "host" then
        errors.raise("machine", "a teacher in fp8: this device multiplies no FP8; compute capability 8.9 or later is needed", e:path())
    end
    local here = "fp8 on this device: its numbers, at no gain in speed"
    return why and { why, here } or { here }
end

-- ---- all of it ----

-- A run that is gone on with has to be what it was. Returns lines that say what differs, where that is accepted.
function opening.judge_resume(e, options)
    return archive.judge(e, options.out .. "/" .. e:path(), options.accept, "--accept-changes goes on all the same")
end

-- The log says from now on what the run is now.
local function note_changes(self)
    local old = archive.documents(self.path)
    local lines = old.configuration and record.differences(old.configuration, self.e, true) or { "the log had no settings" }
    local n = record.renew(self.run, self.e, self.device, self.options.script, old)
    if not n then return end
    self:say(("goes on with other settings; those until now are settings_%d in its log"):format(n))
    self.run:event("changed", ("until here settings_%d; %s"):format(n, table.concat(lines, "; ")):sub(1, 900))
end

-- Calls f and counts the time it takes as spent on looking at models before the first step.
function opening.look(self, f, ...)
    local start = ffi.clock()
    local out = f(...)
    self.looked = self.looked + ffi.clock() - start
    return out
end

-- Raises where data, models and protocol do not go together.
function opening.judge_pictures(e)
    pictures.judge(e)
    local k, train = e.settings.knn, e.settings.data:split("train").count
    if k and k > train then errors.raise("arg", ("knn = %d neighbours of %d training pictures; at most as many expected"):format(k, train), e.where) end
end

-- feed(run, batch, place): feeds its program with a batch.
function opening.prepare(self, feed)
    local e = self.e
    if self.options.mode == "resume" then opening.judge_resume(e, self.options) end -- once more, now that nobody else has it
    for _, line in ipairs(opening.precision(e, self.device)) do self:say(line) end
    self.loader, self.test = pictures.loaders(e, self.options.loaders)
    self.per_epoch = self.loader.batches
    opening.judge_pictures(e)
    first_program(self)
    record.declare(self.run, e, self.notes)
    self.probe = probe.new(self)
    checkpoint.restore(self)
    if self.options.mode == "resume" then note_changes(self) end -- now that all of it stands: what fails before leaves the log's settings alone
    if self.done == 0 then opening.look(self, calibration.run, self) end
    bad.opened(self)
    self.steps = e.total or e:epochs() * self.per_epoch
    if e:minutes() and not e.total then
        self.steps = rehearsal.steps(self, 60 * e:minutes(), feed)
        settle(self, self.steps)
    end
    if self.done == 0 then
        record.documents(self.run, e, self.device, self.options.script)
        record.cost(self.run, self.cost)
        for _, line in ipairs(self.options.no_preflight and {} or opening.look(self, preflight.run, self)) do
            self.run:event("preflight", line)
            self:say(line)
        end
        for _, line in ipairs(opening.look(self, calibration.test, self)) do -- the condition of FP8: --no-preflight does not skip it
            self.run:event("agreement", line)
            self:say(line)
        end
    end
end

return opening
