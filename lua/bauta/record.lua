-- record: what a run writes about itself: tables of the journal, settings, versions, hardware. The names of columns are part of
-- the public face: plots and pandas scripts rely on them.
local bad = require "bauta.bad"
local calibration = require "bauta.calibration"
local errors = require "bauta.errors"
local ffi = require "bauta.ffi"
local json = require "bauta.json"
local session = require "bauta.session"
local steps = require "bauta.steps"

local record = {}

local function f(name, unit, doc) return { name, "f64", unit, doc } end
local function i(name, unit, doc) return { name, "i64", unit, doc } end

local function train_fields(e, notes)
    local out = { i("step", "steps", "optimiser steps done"), i("epoch", "epochs", "from 0"),
        f("loss", "nats", "sum of the losses") }
    for _, l in ipairs(e:losses()) do out[#out + 1] = f(l.column, "nats", l.loss.name .. ", weighted") end
    out[#out + 1] = f("top1", "%", "of the training batch, before the step; NaN without a classifier of the data's classes")
    for _, name in ipairs(steps.teacher_columns(e)) do out[#out + 1] = f(name, "%", "the teacher's, on what it was shown") end
    for _, name in ipairs(notes) do out[#out + 1] = f(name, nil, "noted by a criterion or a loss") end
    out[#out + 1] = f("grad_norm", nil, "of all gradients together, before clipping")
    out[#out + 1] = f("lr", nil, "learning rate of the step")
    out[#out + 1] = f("time_step", "s", "duration of the step, waiting for data included")
    return out
end

local eval_fields = {
    i("epoch", "epochs", "epochs done"), i("step", "steps", "optimiser steps done"), f("top1", "%", "test accuracy; NaN without a classifier"),
    f("top5", "%", "label among the five highest"), f("loss", "nats", "cross-entropy of the test set"),
        f("train_loss", "nats", "mean of the epoch"),
    f("ema_top1", "%", "test accuracy of the averaged weights; NaN without"), f("best_top1", "%", "highest so far"),
    f("time_train", "s", "training of the epoch"), f("time_eval", "s", "evaluation"), f("images_per_s", "1/s", "training images"),
}

local mask_fields = {
    i("epoch", "epochs", "epochs done"), { "teacher", "text", nil, "whose criterion it is", size = 24 },
    i("kept", "patches", "patches the teacher sees"), f("kept_share", "%", "of all patches"),
    f("on_object", "%", "kept patches whose centre lies on the object; NaN when the data knows no boxes"),
    f("object_share", "%", "the same of all patches: what a random choice would give"),
    f("teacher_top1", "%", "test accuracy of the teacher on what it is shown; after the last epoch only, else NaN"),
}

local cost_fields = {
    { "role", "text", nil, "whose nodes; .backward: their gradients", size = 64 },
        f("macs", nil, "multiply-adds an image, executed"),
    f("papers", nil, "as the papers count: all patches embedded, 5 for each element of a LayerNorm"),
        f("flops", nil, "an image, executed"),
    f("bytes", "B", "moved in a step"), f("peak_memory", "B", "at the moment of the overall peak"),
}

local noted_fields = { i("epoch", "epochs", "epochs done"), i("step", "steps", "optimiser steps done"),
    { "name", "text", nil, "as the script's after_epoch calls it", size = 32 }, f("value", nil, "what it is") }

local result_fields = {
    i("epochs", "epochs", "done"), i("step", "steps", "done"), f("top1", "%", "test accuracy after the last epoch"),
        f("top5", "%", nil),
    f("best_top1", "%", "highest of all evaluations"), f("ema_top1", "%", "of the averaged weights; NaN without"),
    f("knn_top1", "%", "by the nearest training pictures; NaN where the run does not ask"),
    i("weights", nil, "of the student"), f("teacher_macs", nil, "an image, executed"),
        f("teacher_papers", nil, "an image, as the papers count"),
    f("total_macs", nil, "of a training step, an image"), i("kept", "patches", nil), f("kept_share", "%", nil),
        f("on_object", "%", nil),
    f("object_share", "%", nil), f("teacher_top1", "%", "on what it was shown, test set"),
        f("images_per_s", "1/s", "while training"),
    f("time_train", "s", "all training steps"), f("time_total", "s", "with evaluation"),
        f("memory_peak", "B", "largest memory of the process"),
}

-- The names of the columns of the table result, which all runs have.
function record.results()
    local out = {}
    for i, field in ipairs(result_fields) do out[i] = field[1] end
    return out
end

-- notes: columns of what criteria and losses note.
function record.declare(run, e, notes)
    run:stream("train", "every training step", train_fields(e, notes))
    run:stream("eval", "every evaluation of the student on the test set", eval_fields)
    run:stream("mask", "what the criterion shows the teacher, on the test set", mask_fields)
    run:stream("cost", "what a training step costs, by role", cost_fields)
    run:stream("result", "what came out, when the run is complete", result_fields)
    if e.settings.after_epoch then run:stream("noted", "what the script's after_epoch notes", noted_fields) end
    calibration.declare(run, e)
    bad.declare(run, e)
end

-- The row of a number that after_epoch notes.
function record.noted(run, name, value)
    if type(name) ~= "string" or not name:find "^[%w_./-]+$" or #name > 32 then
        errors.fail("note %s: 1 to 32 letters, digits, _, -, . and / expected", errors.show(name))
    end
    if type(value) ~= "number" then errors.fail("note %s: a number expected, got %s", name, errors.show(value)) end
    return { epoch = run.epoch, step = run.done, name = name, value = value }
end

function record.cost(run, summary)
    for _, p in ipairs(summary.parts) do
        run:row("cost", { role = p.role, macs = p.macs, papers = p.papers, flops = p.flops, bytes = p.bytes,
            peak_memory = p.peak })
    end
end

-- Settings as lines "student.settings.depth = 3", sorted: for people, and for comparing two runs.
function record.flat(t, prefix, out)
    out = out or {}
    local keys = {}
    for k in pairs(t) do keys[#keys + 1] = k end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for _, k in ipairs(keys) do
        local name = prefix and prefix .. "." .. tostring(k) or tostring(k)
        if type(t[k]) == "table" then record.flat(t[k], name, out)
        else out[#out + 1] = name .. " = " .. json.encode(t[k]) end
    end
    return out
end

-- The way from one folder to another, both named from the same place.
local function way(from, to)
    local a, b, i = {}, {}, 1
    for name in from:gmatch "[^/]+" do a[#a + 1] = name end
    for name in to:gmatch "[^/]+" do b[#b + 1] = name end
    while a[i] and a[i] == b[i] do i = i + 1 end
    return ("../"):rep(#a - i + 1) .. table.concat(b, "/", i)
end

-- The runs whose weights a run takes, as lines "teacher = ../teacher-5617cb384fd1": their folders, seen from its own.
local function origins(e)
    local lines = {}
    for _, need in ipairs(e:weights_runs()) do lines[#lines + 1] = ("%s = %s"):format(need.part, way(e:path(), need.run:path())) end
    return #lines > 0 and table.concat(lines, "\n") or nil
end

-- What a run says about itself, { name, text }, in order.
local function texts(e, device, script)
    local settings, from, out = e:record(), origins(e), {}
    local function add(name, text) out[#out + 1] = { name, text } end
    add("settings", json.encode(settings, true))
    add("configuration", table.concat(record.flat(settings), "\n"))
    if from then add("origins", from) end
    if script then add("script", script.text) end
    add("versions", json.encode({ bauta = ffi.version(), luajit = jit.version, abi = 1 }, true))
    add("command", session.command)
    add("hardware", json.encode({ device = device:describe(), processors = ffi.processors(), host = ffi.hostname() }, true))
    return out
end

function record.documents(run, e, device, script)
    for _, one in ipairs(texts(e, device, script)) do run:document(one[1], one[2]) end
end

-- Of a run that goes on with other settings: what it says about itself from now on. Each text that is another stays under a name with a number, the
-- first time settings_1, configuration_1, ... old: the documents by name. Returns that number, or nil where the settings are those that it had.
function record.renew(run, e, device, script, old)
    local list, n = texts(e, device, script), 1
    for _, one in ipairs(list) do
        if one[1] == "configuration" and one[2] == old.configuration then return nil end
    end
    while old["configuration_" .. n] do n = n + 1 end
    for _, one in ipairs(list) do
        local before = old[one[1]]
        if before and before ~= one[2] then run:document(one[1] .. "_" .. n, before) end
        if before ~= one[2] then run:document(one[1], one[2]) end
    end
    return n
end

local function by_key(text)
    local out = {}
    for line in text:gmatch("[^\n]+") do
        local k, v = line:match("^(.-) = (.*)$")
        if k then out[k] = v end
    end
    return out
end

-- What differs between the configuration in a run's log and an experiment, but for what changes no number (all: that, too): lines "epochs: 2 -> 3".
function record.differences(old, e, all)
    local before, now, out = by_key(old), by_key(table.concat(record.flat(e:record()), "\n")), {}
    for _, name in ipairs(all and {} or e:harmless()) do before[name], now[name] = nil, nil end
    for k, v in pairs(now) do
        if before[k] ~= v and not k:find("sha256$") then out[#out + 1] = ("%s: %s -> %s"):format(k, before[k] or "(not set)",
            v) end
    end
    for k, v in pairs(before) do
        if now[k] == nil and not k:find("sha256$") then out[#out + 1] = ("%s: %s -> (not set)"):format(k, v) end
    end
    for k, v in pairs(now) do
        if k:find("sha256$") and before[k] ~= v then out[#out + 1] = ("%s: the plugin's file, or the criterion's text, has changed"):format(k) end
    end
    table.sort(out)
    return out
end

return record
