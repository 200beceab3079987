-- trainer: one run from its description to its result: the loop over steps, evaluation, checkpoints, the end. What comes before the first step is
-- opening.lua. All of a step happens in one compiled program; Lua feeds it, reads a few numbers and writes them down.
local archive = require "bauta.archive"
local bad = require "bauta.bad"
local bind = require "bauta.bind.run"
local card = require "bauta.card"
local checkpoint = require "bauta.checkpoint"
local errors = require "bauta.errors"
local evaluation = require "bauta.evaluation"
local ffi = require "bauta.ffi"
local inputs = require "bauta.step.inputs"
local opening = require "bauta.opening"
local pictures = require "bauta.pictures"
local progress = require "bauta.progress"
local record = require "bauta.record"
local steps = require "bauta.steps"
local watch = require "bauta.watch"

local trainer = {}
local Run = { class = "run" }
Run.__index = Run

local reserve = 64 * 1024 * 1024 -- bytes kept free on the disk for a last checkpoint

-- ---- a run ----

function Run:say(text)
    if self.bar then self.bar:say(self.e:path() .. ": " .. text) else io.stdout:write(self.e:path(), ": ", text, "\n") end
end

-- The weights of a model that does not learn, or a word about their absence. part: how messages call it.
function Run:load_weights(arch, store, part) opening.load(self, arch, store, part) end

-- The first epoch of the phase that the epoch just done belongs to: evaluation shows what was shown then.
function Run:shown_epoch() return opening.first_epoch(self, self.epoch - 1) end

local function open(e, options)
    -- before anything on the disk is changed: opening cuts the journal off behind the checkpoint. Without one there is nothing to go on from, which opening says.
    if options.mode == "resume" and archive.saved(e, options.out) then opening.judge_resume(e, options) end
    pictures.judge(e)
    local self = setmetatable({ e = e, options = options, device = options.device, epoch = 0, done = 0, best = -1, sum = 0,
        time_train = 0, time_total = 0, epoch_seconds = 0, looked = 0 }, Run)
    self.run = bind.open(options.out, e:path(), options.mode, reserve)
    self.path, self.name = self.run.path, e:path()
    if options.mode == "restart" then os.remove(archive.weights(e, options.out)) end -- of the run that was thrown away
    for line in (self.run.notice or ""):gmatch("[^\n]+") do self:say(line) end
    return self
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

-- Training has failed: which pictures it was goes into the log, then the run ends. what: "the loss is nan (loss_kd nan)".
local function diverged(self, what, batch)
    local first = {}
    for i = 0, math.min(batch.count, 8) - 1 do first[i + 1] = tostring(tonumber(batch.samples[i])) end
    self.run:event("not_finite", ("%s at step %d, seed %s, samples %s, ..."):format(what, self.done + 1,
        tostring(self.e.settings.seed), table.concat(first, " ")))
    local saved = archive.saved(self.e, self.options.out)
    errors.raise("numeric", ("%s at step %d (learning rate %.3g); %s"):format(what, self.done + 1, self.lr,
        saved and "the last checkpoint is from before" or "there is no checkpoint yet"), self.e:path())
end

local function run_program(self, batch)
    local ok, why = pcall(self.program.run, self.program)
    if ok then return end
    if errors.is(why) and why.code == "numeric" then diverged(self, why.lines[1], batch) end
    error(why, 0)
end

-- What is wrong with the numbers of a step, or nil; of a loss with the columns it is from.
local function defect(self, row)
    if finite(row.loss) then return not finite(row.grad_norm) and "the norm of the gradients is " .. errors.show(row.grad_norm) or nil end
    local from = {}
    for _, l in ipairs(self.e:losses()) do
        if not finite(row[l.column]) then from[#from + 1] = ("%s %s"):format(l.column, errors.show(row[l.column])) end
    end
    return ("the loss is %s%s"):format(errors.show(row.loss), #from > 0 and (" (%s)"):format(table.concat(from, ", ")) or "")
end

-- The step's row; it is written before its numbers are judged, so that a log holds those that ended its run.
local function write_row(self, row, batch)
    row.time_step = ffi.clock() - self.mark
    self.mark = ffi.clock()
    self.run:row("train", row)
    local what = defect(self, row)
    if what then diverged(self, what, batch) end
end

-- A signal has come: save and leave with its exit status.
local function stop(self, signal)
    if signal == 2 then self:say("stopping after this step (again to stop at once)") end
    checkpoint.save(self, false)
    self.stopped = signal == 2 and 130 or 85
    local reason = signal == 2 and "interrupted" or ("signal %d: saved, start again with --resume (requeue)"):format(signal)
    self.run:finish("stopped", self.stopped, reason)
    self:say(("saved at step %d; --resume goes on"):format(self.done))
end

-- Writes down where the run is. When the disk is full the log stands on reserved space: one checkpoint, then the end.
local function tick(self)
    local ok, why = pcall(self.run.tick, self.run, self.epoch, self.done)
    if ok then return end
    if errors.is(why) and why.code == "machine" then pcall(checkpoint.save, self, false) end
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
    bad.note(self, batch)
    feed(self, batch, batch.number)
    run_program(self, batch)
    batch = prepare_next(self, batch)
    local row = numbers(self)
    write_row(self, row, batch)
    self.done = self.done + 1
    self.epoch_seconds = self.epoch_seconds + row.time_step
    self.sum = self.sum + row.loss
    tick(self)
    self.bar:step(self.done, self.epoch, batch.count, row.time_step, row.loss)
    warn_once(self, row.loss)
end

-- One epoch from wherever it stands; false when a signal stopped it.
local function train_epoch(self)
    local first = self.done - self.epoch * self.per_epoch
    opening.program(self, self.epoch)
    self.loader:start(self.epoch, first)
    bad.begin_epoch(self, first)
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
    self.time_train, self.time_total = self.time_train + self.epoch_seconds, self.time_total + self.epoch_seconds
    bad.close_epoch(self)
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
        epochs = self.epoch, step = self.done, top1 = r.top1, top5 = r.top5, best_top1 = evaluation.best(self), ema_top1 = r.ema_top1,
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
    self.stores.student:save(self.path .. "/student.safetensors", card.of(arch, data.settings, data:split "train",
        card.judged({ run = self.e:path() }, self.last.top1, data.name, data.settings, arch)))
    result_row(self)
    self.run:finish("complete", 0, nil)
    return true
end

-- Whether the hook has put something into the log.
local function call_hook(self)
    local hook, logged = self.e.settings.after_epoch, false
    if not hook then return false end
    local view = { name = self.e:path(), path = self.path, epoch = self.epoch, step = self.done,
        top1 = self.last and self.last.top1,
        image = function(_, ...)
            self.run:image(...)
            logged = true
        end,
        note = function(_, ...)
            self.run:row("noted", record.noted(self, ...))
            logged = true
        end }
    local ok, why = pcall(watch.freely, hook, view)
    if ok then return logged end
    for i, line in ipairs(why.lines) do why.lines[i] = ("%s (in after_epoch, at step %d)"):format(line, self.done) end
    error(why, 0)
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
    local saves = last or better or self.epoch % s.checkpoint_every == 0
    if saves then checkpoint.save(self, better) end
    self.run:snapshot()
    if call_hook(self) and saves then checkpoint.save(self, better) end -- once more: going on from it keeps what the hook has logged
    return true
end

local function loop(self)
    self.columns = { "loss", "grad_norm" }
    if steps.classifies(self.e) then self.columns[3] = "top1" end
    for _, l in ipairs(self.e:losses()) do self.columns[#self.columns + 1] = l.column end
    for _, list in ipairs { steps.teacher_columns(self.e), self.notes } do
        for _, name in ipairs(list) do self.columns[#self.columns + 1] = name end
    end
    self.bar = progress.new { label = self.e:path(), total = self.steps, epochs = self.e:whole_epochs(), from = self.done,
        interval = self.options.interval }
    if self.probe and self.done == 0 then opening.look(self, self.probe.epoch, self.probe) end
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
    local self = open(e, options)
    local ok, why = xpcall(function()
        opening.prepare(self, feed)
        loop(self)
    end, function(err)
        local wrapped = opening.placed(err, e)
        wrapped.trace = wrapped.trace or debug.traceback("", 2)
        if not wrapped.where and wrapped.code == "numeric" then -- while evaluating what the last step left
            wrapped.where, wrapped.lines[1] = e:path(), ("%s, evaluating at step %d"):format(wrapped.lines[1], self.done)
        end
        return wrapped
    end)
    if not ok then
        pcall(self.run.finish, self.run, "failed", errors.status[why.code] or 70, table.concat(why.lines, "; "):sub(1, 300))
    end
    if not ok then
        pcall(close, self) -- what it says would stand in front of the reason
        error(why, 0)
    end
    close(self)
    return self.stopped or 0
end

return trainer
