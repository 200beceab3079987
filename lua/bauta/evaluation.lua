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

-- Runs an evaluation program over the test set. Returns percentages, the loss, and statistics of the kept patches; nil when
-- a signal came.
function evaluation.measure(e, program, loader, batch, teacher, seen)
    local s, sums, n, room = e.settings, {}, 0, {}
    local k = e:kept()
    local stats = pictures.object_statistics(s.student.grid_rows, s.student.grid_columns, s.student.image_rows)
    loader:start(0, 0)
    for b in function() return loader:next() end do
        if bind.signal() ~= 0 then return nil end
        local images, labels = pictures.filled(b, batch, room)
        program:feed("images", images)
        program:feed("labels", labels)
        program:feed("step", b.number + 1)
        program:feed("epoch", 0)
        program:run()
        for _, name in ipairs { "correct1", "correct5", "loss" } do add(sums, name, program, b.count) end
        if teacher then add(sums, "teacher1", program, b.count) end
        if k then
            local kept = program:view("kept")
            stats:add(b.boxes, kept, b.count, k)
            if seen and b.number == 0 then seen(images, labels, kept, b.count) end
        end
        n = n + b.count
    end
    local out = { top1 = 100 * sums.correct1 / n, top5 = 100 * sums.correct5 / n, loss = sums.loss / n, images = n }
    out.teacher_top1 = teacher and 100 * sums.teacher1 / n or 0 / 0
    out.on_object, out.object_share = stats:shares()
    return out
end

local function evaluator(self, store, teacher)
    local e = self.e
    local batch = math.min(e.settings.batch, e.settings.data:split("test").count)
    local names = { [self.stores.student] = "eval_student", [self.stores.ema or 0] = "eval_ema" }
    local key = teacher and "eval_last" or names[store]
    if not self[key] then self[key] = steps.evaluate(e, self.device, store, self.stores, batch, teacher) end
    return self[key], batch
end

local function mask_row(self, r)
    local k = self.e:kept()
    if not k then return end
    self.run:row("mask", {
        epoch = self.epoch, kept = k, kept_share = 100 * k / self.e.settings.teacher.patches, on_object = r.on_object,
        object_share = r.object_share, teacher_top1 = r.teacher_top1 })
end

local function draw(self, images, labels, kept, count)
    local s = self.e.settings
    local n = math.min(s.overlays, count)
    if n == 0 then return end
    local test = s.data:split("test")
    ffi.make_folder(self.path .. "/report")
    pictures.overlay(self.path .. "/report/teacher-view.png",
        ("what the teacher is shown: %s, %d of %d patches"):format(s.mask.name,
        self.e:kept(), s.teacher.patches), images, s.student.image_rows, labels, kept, self.e:kept(), s.student.grid_rows, n,
        function(label) return test:class_name(tonumber(label)) end)
end

-- Returns whether the student is better than ever before; nil when a signal came, nothing is written then.
-- again: of weights whose evaluation is in the log already.
function evaluation.epoch(self, last, again)
    local begun = ffi.clock()
    local teacher = last and self.e.settings.teacher ~= nil
    local program, batch = evaluator(self, self.stores.student, teacher)
    local r = evaluation.measure(self.e, program, self.test, batch, teacher, last and function(...) draw(self, ...) end)
    local averaged = { top1 = 0 / 0 }
    if self.stores.ema then
        averaged = evaluation.measure(self.e, evaluator(self, self.stores.ema, false), self.test, batch, false)
    end
    if not r or not averaged then return nil end
    r.ema_top1 = averaged.top1
    self.last = r
    if again then return false end
    local better = r.top1 > self.best
    self.best = math.max(self.best, r.top1)
    local seconds = ffi.clock() - begun
    local rate = self.per_epoch * self.e.settings.batch / math.max(self.epoch_seconds, 1e-9)
    self.time_total = self.time_total + self.epoch_seconds + seconds
    self.run:row("eval", {
        epoch = self.epoch, step = self.done, top1 = r.top1, top5 = r.top5, loss = r.loss, train_loss = self.sum / self.per_epoch,
        ema_top1 = r.ema_top1, best_top1 = self.best, time_train = self.epoch_seconds, time_eval = seconds, images_per_s = rate })
    mask_row(self, r)
    local on_object = r.on_object == r.on_object and ("  on object %.1f %%"):format(r.on_object) or ""
    self.bar:say(("%s: epoch %d/%d  loss %.4f  test %.2f %%%s  %.0f img/s"):format(self.e:path(), self.epoch,
        self.e.settings.epochs, self.sum / self.per_epoch, r.top1, on_object, rate))
    return better
end

return evaluation
