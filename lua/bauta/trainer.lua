-- trainer: one run from its description to its result: opening, the loop over steps, evaluation, checkpoints, the end.
-- All of a step happens in one compiled program; Lua feeds it, reads a few numbers and writes them down.
local archive = require "bauta.archive"
local bind = require "bauta.bind.run"
local card = require "bauta.card"
local cost = require "bauta.cost"
local errors = require "bauta.errors"
local evaluation = require "bauta.evaluation"
local inputs = require "bauta.step.inputs"
local ffi = require "bauta.ffi"
local pictures = require "bauta.pictures"
local probe = require "bauta.probe"
local preflight = require "bauta.preflight"
local progress = require "bauta.progress"
local rehearsal = require "bauta.rehearsal"
local record = require "bauta.record"
local session = require "bauta.session"
local statistics = require "bauta.protocol.statistics"
local steps = require "bauta.steps"
local stores = require "bauta.step.stores"

local trainer = {}
local Run = { class = "run" }
Run.__index = Run

local reserve = 64 * 1024 * 1024 -- bytes kept free on the disk for a last checkpoint

-- ---- opening ----

local function judge_resume(self, old)
    local lines = old and record.differences(old, self.e) or {}
    if #lines == 0 then return end
    if not self.options.accept then
        for i, line in ipairs(lines) do lines[i] = line .. " (--accept-changes goes on all the same)" end
        errors.raise("resume", lines, self.e.where)
    end
    self.run:event("changed", table.concat(lines, "; "):sub(1, 900))
end

local function weights_path(w, out)
    if type(w) == "string" then return w end
    return out .. "/" .. w:path() .. "/student.safetensors"
end

local function load_weights(self, arch, store)
    local s = arch and arch.settings
    if not (s and s.weights) then return false end
    local path = weights_path(s.weights, self.options.out)
    local told = arch:load(store, path)
    if told then self:say(("%s: names of %s"):format(path, told)) end
    return true
end

-- The weights of a model that does not learn, or a word about their absence. part: how messages call it.
function Run:load_weights(arch, store, part)
    if load_weights(self, arch, store) then return end
    self:say(("%s has no weights: it keeps what it was initialised with"):format(part == "teacher" and "the teacher" or part))
end

-- What the models begin with, when the stores hold all tensors.
local function load_all(self)
    load_weights(self, self.e.settings.student, self.stores.student)
    for _, m in ipairs(self.e:frozen()) do self:load_weights(m.arch, self.stores[m.who], m.part) end
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

-- An averaged teacher begins as the student does.
local function load_average(self)
    if self.stores.average then self.stores.average:take(self.stores.student) end
end

-- The phase of the run that an epoch belongs to: epochs with equal numbers of kept patches share a program.
local function phase_of(self, epoch)
    for i = #self.phases, 1, -1 do
        if self.phases[i].first <= epoch then return i end
    end
    return 1
end

-- The first epoch of the phase that the epoch just done belongs to: evaluation shows what was shown then.
function Run:shown_epoch() return self.phases[phase_of(self, self.epoch - 1)].first end

-- Compiles the step of a phase, unless it is there. Programs are made one after the other, so that their memory is that of the
-- largest.
local function compile(self, phase, load)
    if phase == self.phase then return end
    if self.program then self.program:free() end
    self.phase, self.program = phase, nil
    self.program = steps.train(self.e, self.device, self.stores, load, self.phases[phase].first)
end

local function first_program(self)
    local e, s = self.e, self.e.settings
    self.stores, self.phases, self.wants_samples = steps.stores(e, self.device), e:phases(), inputs.wants_samples(e)
    local costs = {}
    for i, phase in ipairs(self.phases) do
        compile(self, i, i == 1 and function()
            load_all(self)
            load_average(self)
            load_statistics(self)
        end or nil)
        costs[i] = { summary = cost.summary(self.program:plan(), s.batch), epochs = phase.epochs }
    end
    self.cost = cost.mean(costs)
    local free = self.device:describe():find "^cpu:" and ffi.memory_free() -- another device says so itself
    if free and self.cost.arena > free then
        errors.raise("machine", cost.too_much(self.cost, free, s.batch, s.micro), e:path())
    end
end

local function choose_precision(self)
    local precision, why = session.precision(self.e.settings.precision, self.device)
    self.e.precision = precision
    if why then self:say(why) end
end

local function parts_of(self)
    local list = {}
    for _, name in ipairs(stores.changing) do
        local store = self.stores[name]
        if store and store:count() > 0 then list[#list + 1] = { name, store } end
    end
    list[#list + 1] = self.probe and self.probe:part()
    return list
end

local function restore(self)
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

-- ---- a run ----

function Run:say(text)
    if self.bar then self.bar:say(self.e:path() .. ": " .. text) else io.stdout:write(self.e:path(), ": ", text, "\n") end
end

local function open(e, options)
    local self = setmetatable({ e = e, options = options, device = options.device, epoch = 0, done = 0, best = -1, sum = 0,
        time_train = 0, time_total = 0, epoch_seconds = 0, looked = 0 }, Run)
    local path, old = options.out .. "/" .. e:path(), nil
    if options.mode == "resume" then
        local ok, found = pcall(archive.documents, path)
        old = ok and found.configuration or nil
    end
    self.run = bind.open(options.out, e:path(), options.mode, reserve)
    self.path, self.name = self.run.path, e:path()
    for line in (self.run.notice or ""):gmatch("[^\n]+") do self:say(line) end
    return self, old
end

-- What the step after the last one reads. place: its batch in the epoch, from 0.
local function feed(self, batch, place)
    local p, numbers = self.program, inputs.numbers(self.e, self.done, self.epoch, place, self.per_epoch, self.steps)
    if self.sent then p:take "images" else p:feed("images", batch.images) end
    self.sent = false
    if batch.local_images then p:feed("local_images", batch.local_images) end
    p:feed("labels", batch.labels)
    for name, v in pairs(numbers) do p:feed(name, v) end
    self.lr = numbers.lr
    if self.wants_samples then
        local list = {}
        for i = 1, self.e.settings.batch do list[i] = tonumber(batch.samples[i - 1]) end
        p:feed("samples", list)
    end
end

-- Calls f and counts the time it takes as spent on looking at models before the first step.
local function look(self, f, ...)
    local start = ffi.clock()
    local out = f(...)
    self.looked = self.looked + ffi.clock() - start
    return out
end

local function prepare(self, old)
    local e = self.e
    if self.options.mode == "resume" then judge_resume(self, old) end
    choose_precision(self)
    self.loader, self.test = pictures.loaders(e, self.options.loaders)
    self.per_epoch = self.loader.batches
    local train = e.settings.data:split("train").count
    if e.settings.knn and e.settings.knn > train then
        errors.raise("arg", ("knn = %d neighbours of %d training pictures; at most as many expected"):format(e.settings.knn, train), e.where)
    end
    first_program(self)
    record.declare(self.run, e)
    self.probe = probe.new(self)
    restore(self)
    self.steps = e.total or e:epochs() * self.per_epoch
    if e:minutes() and not e.total then
        self.steps = rehearsal.steps(self, 60 * e:minutes(), feed)
        e:settle(self.steps)
    end
    if self.done == 0 then
        record.documents(self.run, e, self.device, self.options.script)
        record.cost(self.run, self.cost)
        for _, line in ipairs(self.options.no_preflight and {} or look(self, preflight.run, self)) do
            self.run:event("preflight", line)
            self:say(line)
        end
    end
end

function Run:checkpoint(best)
    self.run:checkpoint(self.epoch, self.done, best, parts_of(self), {
        best = self.best, sum_loss = self.sum, time_train = self.time_train,
        time_total = self.time_total, steps = self.steps, epoch_seconds = self.epoch_seconds, unjudged = self.unjudged and 1 or 0, probe = self.probe and self.probe:part() and self.probe.count or 0 })
end

-- ---- steps ----

local function finite(v) return v == v and v > -math.huge and v < math.huge end

local function numbers(self)
    local row = { step = self.done + 1, epoch = self.epoch, lr = self.lr }
    for _, name in ipairs(self.columns) do row[name] = self.program:read(name) end
    return row
end

-- While the device works: the next batch comes from the loader, and its pictures are sent on their way. What went wrong there is
-- said when its turn comes. The loader takes back the batch before, so what is said of that one is kept.
local function prepare_next(self, batch)
    local seen = { count = batch.count, samples = {} }
    for i = 0, math.min(batch.count, 8) - 1 do seen.samples[i] = tonumber(batch.samples[i]) end
    local ok, coming = pcall(self.loader.next, self.loader)
    self.coming, self.failed = ok and coming or nil, not ok and coming or nil
    if self.coming then
        self.program:send("images", self.coming.images)
        self.sent = true
    end
    return seen
end

-- The batch that was prepared, or the first one.
local function next_batch(self)
    local failed, coming = self.failed, self.coming
    self.failed, self.coming = nil, nil
    if failed then error(failed, 0) end
    return coming or self.loader:next() or errors.raise("bug", "the loader ended early", self.e:path())
end

-- Training has failed: which pictures it was goes into the log, then the run ends. what: "the loss is nan".
local function diverged(self, what, batch)
    local first = {}
    for i = 0, math.min(batch.count, 8) - 1 do first[i + 1] = tostring(tonumber(batch.samples[i])) end
    self.run:event("not_finite", ("%s at step %d, seed %s, samples %s, ..."):format(what, self.done + 1,
        tostring(self.e.settings.seed), table.concat(first, " ")))
    errors.raise("numeric", ("%s at step %d (learning rate %.3g); the last checkpoint is from before"):format(what, self.done + 1,
        self.lr), self.e:path())
end

local function run_program(self, batch)
    local ok, why = pcall(self.program.run, self.program)
    if ok then return end
    if errors.is(why) and why.code == "numeric" then diverged(self, why.lines[1], batch) end
    error(why, 0)
end

local function judge_numbers(self, row, batch)
    if not finite(row.loss) then diverged(self, "the loss is " .. errors.show(row.loss), batch) end
    if not finite(row.grad_norm) then diverged(self, "the norm of the gradients is " .. errors.show(row.grad_norm), batch) end
end

-- A signal has come: save and leave with its exit status.
local function stop(self, signal)
    if signal == 2 then self:say("stopping after this step (again to stop at once)") end
    self:checkpoint(false)
    self.stopped = signal == 2 and 130 or 85
    local reason = signal == 2 and "interrupted" or ("signal %d: saved, start again with --resume (requeue)"):format(signal)
    self.run:finish("stopped", self.stopped, reason)
    self:say(("saved at step %d; --resume goes on"):format(self.done))
end

-- Writes down where the run is. When the disk is full the log stands on reserved space: one checkpoint, then the end.
local function tick(self)
    local ok, why = pcall(self.run.tick, self.run, self.epoch, self.done)
    if ok then return end
    if errors.is(why) and why.code == "machine" then pcall(self.checkpoint, self, false) end
    error(why, 0)
end

local function warn_once(self, loss)
    if self.warned or self.done < 100 or loss <= 10 * self.bar.average then return end
    self.warned = true
    self:say(("the loss is %.3g at step %d, more than ten times its average"):format(loss, self.done))
    self.run:event("diverging", ("loss %.6g at step %d"):format(loss, self.done))
end

-- How long it took until the first step: to make the run ready, and what it measured before it, of its own will.
local function note_start(self)
    if self.started then return end
    self.started = ffi.clock()
    self.run:event("first_step", ("begins %.3f s after the program started, %.3f s of that preflight and probe"):format(
        self.started - ffi.started, self.looked))
end

local function one_step(self, batch)
    note_start(self)
    feed(self, batch, batch.number)
    run_program(self, batch)
    batch = prepare_next(self, batch)
    local row = numbers(self)
    judge_numbers(self, row, batch)
    self.done = self.done + 1
    row.time_step = ffi.clock() - self.mark
    self.mark = ffi.clock()
    self.epoch_seconds = self.epoch_seconds + row.time_step
    self.run:row("train", row)
    self.sum = self.sum + row.loss
    tick(self)
    self.bar:step(self.done, self.epoch, batch.count, row.time_step, row.loss)
    warn_once(self, row.loss)
end

-- One epoch from wherever it stands; false when a signal stopped it.
local function train_epoch(self)
    local first = self.done - self.epoch * self.per_epoch
    compile(self, phase_of(self, self.epoch))
    self.loader:start(self.epoch, first)
    self.sent, self.coming, self.failed = false, nil, nil
    self.mark = ffi.clock()
    for _ = first, math.min(self.per_epoch, self.steps - self.epoch * self.per_epoch) - 1 do
        one_step(self, next_batch(self))
        local signal = bind.signal()
        if signal ~= 0 then
            stop(self, signal)
            return false
        end
    end
    self.epoch = self.epoch + 1
    self.time_train = self.time_train + self.epoch_seconds
    tick(self)
    return true
end

-- ---- the end ----

local function result_row(self)
    local r, e = self.last, self.e
    local teacher, first = self.cost.teachers, e.settings.teachers[1]
    local patches = first and e:masked(first).patches
    local k = first and (e:kept(first, e:whole_epochs() - 1) or patches) or 0
    self.run:row("result", {
        epochs = self.epoch, step = self.done, top1 = r.top1, top5 = r.top5, best_top1 = self.best, ema_top1 = r.ema_top1,
        knn_top1 = self.knn or 0 / 0,
        weights = self.stores.student:size(), teacher_macs = teacher.macs, teacher_papers = teacher.papers,
        total_macs = self.cost.total.macs,
        kept = k, kept_share = first and 100 * k / patches or 0 / 0, on_object = r.on_object,
        object_share = r.object_share, teacher_top1 = r.teacher_top1,
        images_per_s = self.done * e.settings.batch / math.max(self.time_train, 1e-9),
        time_train = self.time_train, time_total = self.time_total, memory_peak = self.memory_peak })
end

-- False when a signal came.
local function complete(self)
    local arch, data, k = self.e.settings.student, self.e.settings.data, self.e.settings.knn
    self.memory_peak = ffi.peak_memory() -- of training: neighbours need their own
    if k then
        self.knn = evaluation.neighbours(self, k)
        if not self.knn then return false end
        self:say(("by %d neighbours %.2f %%"):format(k, self.knn))
    end
    self.stores.student:save(self.path .. "/student.safetensors", card.of(arch, data.settings.normalise, data:split "train", { run = self.e:path() }))
    result_row(self)
    self.run:finish("complete", 0, nil)
    return true
end

local function call_hook(self)
    local hook = self.e.settings.after_epoch
    if not hook then return end
    local view = { name = self.e:path(), path = self.path, epoch = self.epoch, step = self.done,
        top1 = self.last and self.last.top1 }
    local ok, why = pcall(hook, view)
    if not ok then
        errors.raise("arg", ("%s (in after_epoch, at step %d)"):format(errors.text(why), self.done),
            errors.is(why) and why.where or "script")
    end
end

-- What follows an epoch: evaluation, checkpoint, run.h5, the hook. False when a signal came.
local function close_epoch(self)
    local s = self.e.settings
    local last, better = self.done >= self.steps, false
    if last or self.epoch % s.evaluate_every == 0 then
        better = evaluation.epoch(self, last)
        if better == nil then
            stop(self, bind.signal())
            return false
        end
        if self.probe then self.probe:epoch() end
    end
    self.sum, self.epoch_seconds, self.unjudged = 0, 0, false
    if last or better or self.epoch % s.checkpoint_every == 0 then self:checkpoint(better) end
    self.run:snapshot()
    call_hook(self)
    return true
end

local function loop(self)
    self.columns = { "loss", "top1", "grad_norm" }
    for _, l in ipairs(self.e:losses()) do self.columns[#self.columns + 1] = l.column end
    for _, name in ipairs(steps.teacher_columns(self.e)) do self.columns[#self.columns + 1] = name end
    self.bar = progress.new { label = self.e:path(), total = self.steps, epochs = self.e:whole_epochs(), from = self.done,
        interval = self.options.interval }
    if self.probe and self.done == 0 then look(self, self.probe.epoch, self.probe) end
    while self.epoch < self.e:whole_epochs() or self.unjudged do -- not by steps: a run stopped at its last one has its epoch to end
        if not self.unjudged and not train_epoch(self) then return end
        self.unjudged = true
        if not close_epoch(self) then return end
    end
    if not self.last and evaluation.epoch(self, true, true) == nil then return stop(self, bind.signal()) end -- resumed after the last epoch
    if not complete(self) then stop(self, bind.signal()) end
end

local function close(self)
    if self.bar then self.bar:finish() end
    evaluation.free(self)
    for _, name in ipairs { "probe", "program", "loader", "test", "run" } do
        if self[name] then self[name]:free() end
    end
    for _, store in pairs(self.stores or {}) do store:free() end
end

-- Carries a run out. options: out, mode ("new", "resume", "restart"), device, loaders (threads), script, interval, accept.
-- Returns 0, or the exit status of a stop by a signal. Errors are written into the run before they go on.
function trainer.run(e, options)
    bind.install_signals()
    local self, old = open(e, options)
    local ok, why = xpcall(function()
        prepare(self, old)
        loop(self)
    end, function(err)
        if err == "not enough memory" then return errors.new("arg", err, e:path()) end
        local wrapped = errors.wrap(err)
        wrapped.trace = wrapped.trace or debug.traceback("", 2)
        if not wrapped.where and wrapped.code == "numeric" then -- while evaluating what the last step left
            wrapped.where, wrapped.lines[1] = e:path(), ("%s, evaluating at step %d"):format(wrapped.lines[1], self.done)
        end
        if not wrapped.where and (wrapped.code == "arg" or wrapped.code == "plugin") then wrapped.where = e.where end
        return wrapped
    end)
    if not ok then
        pcall(self.run.finish, self.run, "failed", errors.status[why.code] or 70, table.concat(why.lines, "; "):sub(1, 300))
    end
    close(self)
    if not ok then error(why, 0) end
    return self.stopped or 0
end

return trainer
