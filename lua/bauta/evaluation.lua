-- evaluation: the accuracy of a student on the test set, what its criterion would show the teacher, and the pictures of that.
local bind = require "bauta.bind.run"
local ffi = require "bauta.ffi"
local pictures = require "bauta.pictures"
local steps = require "bauta.steps"

local evaluation = {}

local function add(sums, name, program, count)
    local v, sum = program:view(name), 0
    for i = 0, count - 1 do sum = sum + v[i] end
    sums[name] = (sums[name] or 0) + sum
end

-- The teachers whose criterion chooses patches: { teacher, column, k, statistics }.
local function masked(e, epoch)
    local out = {}
    for _, t in ipairs(e.settings.teachers) do
        local k, whom = e:kept(t, epoch), e:masked(t)
        if k then
            out[#out + 1] = { teacher = t, column = t:column "kept", k = k, stats = pictures.object_statistics(whom, e.settings.student) }
        end
    end
    return out
end

-- When an evaluation takes place, as criteria that change over the epochs see it: in the middle of the epoch that has just ended, and what
-- they draw is new each time. epoch: how many are done; epochs: of the run, whole or not; batches: of an evaluation.
function evaluation.moment(epoch, epochs, batches)
    return { epoch = math.max(epoch - 1, 0), progress = math.min((math.max(epoch, 1) - 0.5) / epochs, 1), before = epoch * batches }
end

-- Feeds batch `number` (from 0) of an evaluation.
function evaluation.feed(program, images, labels, number, now)
    program:feed("images", images)
    program:feed("labels", labels)
    program:feed("step", now.before + number + 1)
    program:feed("epoch", now.epoch)
    program:feed("progress", now.progress)
end

-- Runs an evaluation program over the test set. options: teacher (whether it tells how often teachers are right), epoch (whose
-- number of kept patches it was compiled for), now (of evaluation.moment), seen (called with the first batch and the masked teachers). Returns percentages,
-- the loss (NaN of a student without a classifier), and `views`, a list of what each masked teacher is shown; nil when a signal came.
function evaluation.measure(e, program, loader, batch, options)
    local sums, n, room, views = {}, 0, {}, masked(e, options.epoch)
    local names = { "correct1", "correct5", "loss" }
    for _, name in ipairs(options.teacher and steps.judged(e) or {}) do names[#names + 1] = name end
    loader:start(0, 0)
    for b in function() return loader:next() end do
        if bind.signal() ~= 0 then return nil end
        local images, labels = pictures.filled(b, batch, room)
        evaluation.feed(program, images, labels, b.number, options.now)
        program:run()
        for _, name in ipairs(names) do add(sums, name, program, b.count) end
        for _, v in ipairs(views) do v.stats:add(b.boxes, program:view(v.column), b.count, v.k) end
        if options.seen and b.number == 0 then options.seen(program, images, labels, b.count, views) end
        n = n + b.count
    end
    local out = { top1 = 100 * sums.correct1 / n, top5 = 100 * sums.correct5 / n, loss = sums.loss / n, images = n, views = views }
    if not steps.classifies(e) then out.top1, out.top5, out.loss = 0 / 0, 0 / 0, 0 / 0 end
    for _, v in ipairs(views) do
        local right = sums[v.teacher:column "teacher1"]
        v.teacher_top1 = right and 100 * right / n or 0 / 0
        v.on_object, v.object_share = v.stats:shares()
    end
    local first, right = views[1] or {}, e.settings.teachers[1] and sums[e.settings.teachers[1]:column "teacher1"]
    out.on_object, out.object_share = first.on_object or 0 / 0, first.object_share or 0 / 0
    out.teacher_top1 = right and 100 * right / n or 0 / 0
    return out
end

local evaluators = { "eval_student", "eval_ema", "eval_last" }

local function evaluator(self, store, teacher)
    local e = self.e
    local batch, epoch = math.min(e.settings.batch, e.settings.data:split("test").count), self:shown_epoch()
    local names = { [self.stores.student] = "eval_student", [self.stores.ema or 0] = "eval_ema" }
    local key = teacher and "eval_last" or names[store]
    if self.eval_epoch ~= epoch then evaluation.free(self) end -- other counts of kept patches
    self.eval_epoch = epoch
    if not self[key] then self[key] = steps.evaluate(e, self.device, store, self.stores, batch, teacher, epoch) end
    return self[key], batch
end

-- Lets go of the programs of a run.
function evaluation.free(self)
    for _, name in ipairs(evaluators) do
        if self[name] then self[name]:free() end
        self[name] = nil
    end
end

local function mask_rows(self, r)
    for _, v in ipairs(r.views) do
        self.run:row("mask", {
            epoch = self.epoch, teacher = v.teacher:called(), kept = v.k, kept_share = 100 * v.k / self.e:masked(v.teacher).patches,
            on_object = v.on_object, object_share = v.object_share, teacher_top1 = v.teacher_top1 })
    end
end

local function draw(self, program, images, labels, count, views)
    local s = self.e.settings
    local n = math.min(s.overlays, count)
    if n == 0 then return end
    local test = s.data:split("test")
    pictures.attempt(self.run, ffi.make_folder, self.path .. "/report")
    for _, v in ipairs(views) do
        local t, whom = v.teacher, self.e:masked(v.teacher)
        local called = t.alone and "teacher" or t:called()
        pictures.attempt(self.run, pictures.overlay, ("%s/report/%s-view.png"):format(self.path, called),
            ("what the %s is shown: %s, %d of %d patches"):format(t.alone and t:who() == "student" and "student" or called,
            t.settings.mask.name, v.k, whom.patches), images, s.student, labels, program:view(v.column), v.k, whom, n, function(label) return test:class_name(tonumber(label)) end)
    end
end

-- The best accuracy so far; NaN of a student without a classifier.
function evaluation.best(self) return steps.classifies(self.e) and self.best or 0 / 0 end

-- Returns whether the student is better than ever before; nil when a signal came, nothing is written then.
-- again: of weights whose evaluation is in the log already.
function evaluation.epoch(self, last, again)
    local begun = ffi.clock()
    local teacher = last and #self.e.settings.teachers > 0
    local program, batch = evaluator(self, self.stores.student, teacher)
    local now = evaluation.moment(self.epoch, self.e:epochs(), self.test.batches)
    local r = evaluation.measure(self.e, program, self.test, batch, { teacher = teacher, epoch = self.eval_epoch, now = now,
        seen = last and function(...) draw(self, ...) end })
    local averaged = { top1 = 0 / 0 }
    if self.stores.ema then
        averaged = evaluation.measure(self.e, evaluator(self, self.stores.ema, false), self.test, batch,
            { epoch = self.eval_epoch, now = now })
    end
    if not r or not averaged then return nil end
    r.ema_top1 = averaged.top1
    self.last = r
    if again then return false end
    local better = r.top1 > self.best -- never of a student without a classifier
    self.best = better and r.top1 or self.best
    local seconds = ffi.clock() - begun
    local trained = self.done - (self.epoch - 1) * self.per_epoch -- steps of the epoch; of the last one perhaps not all
    local rate, loss = trained * self.e.settings.batch / math.max(self.epoch_seconds, 1e-9), self.sum / trained
    self.time_total = self.time_total + seconds
    self.run:row("eval", {
        epoch = self.epoch, step = self.done, top1 = r.top1, top5 = r.top5, loss = r.loss, train_loss = loss,
        ema_top1 = r.ema_top1, best_top1 = evaluation.best(self), time_train = self.epoch_seconds, time_eval = seconds, images_per_s = rate })
    mask_rows(self, r)
    local on_object = r.on_object == r.on_object and ("  on object %.1f %%"):format(r.on_object) or ""
    self.bar:say(("%s: epoch %d/%d  loss %.4f  %s%s  %.0f img/s"):format(self.e:path(), self.epoch, self.e:whole_epochs(), loss,
        steps.classifies(self.e) and ("test %.2f %%"):format(r.top1) or "no classifier", on_object, rate))
    return better
end

-- Percent of the test pictures whose class most of the k nearest training pictures have, by the student's class tokens; nil when a signal came.
function evaluation.neighbours(self, k)
    local features, knn = require "bauta.protocol.features", require "bauta.protocol.knn"
    local how = { kind = "class", store = self.stores.student, batch = 256, unit = true, load = function() end, threads = self.options.loaders }
    local gallery = features.all(self.e, self.device, "train", how)
    local queries = gallery and features.all(self.e, self.device, "test", how)
    return queries and knn.run(self.device, gallery, queries, { neighbours = { k }, temperature = 0.07, classes = self.e.settings.data.classes })[1].top1
end

return evaluation
