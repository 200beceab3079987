-- bad: training pictures (or clips) that cannot be read: what becomes of them, as data.bad says, and what of it stands in the log.
--
--   stop      the run ends at the first of them, with its name
--   replace   another one takes its place when its turn comes: a function of seed, epoch and sample (core/data/loader.c)
--   skip      all are read before the first step; those that cannot be are left out, as if they were not there
--
-- Test pictures are never replaced nor left out: an accuracy on fewer of them would be another figure.
local bind = require "bauta.bind.run"
local errors = require "bauta.errors"
local ffi = require "bauta.ffi"

local bad = {}

local part = 4096 -- pictures read between two looks at signals
local shown = 3 -- names in a line

local function policy(e) return e.settings.data.settings.bad end

-- Numbers of the samples that cannot be read.
local function unreadable(e, set, threads)
    local list, marks = {}, ffi.array("uint8_t", part)
    for first = 0, set.count - 1, part do
        local n = math.min(part, set.count - first)
        if set:judge(first, n, threads or 0, marks) > 0 then
            for i = 0, n - 1 do
                if marks[i] == 1 then list[#list + 1] = first + i end
            end
        end
        if bind.signal() ~= 0 then
            errors.raise("machine", "stopped by a signal before the first step, while reading all training pictures (bad = skip)", e:path())
        end
    end
    return list
end

-- Why a sample cannot be read.
local function reason(set, i)
    local ok, why = pcall(set.read, set, i)
    return ok and "it could not be read, and now it can" or errors.text(why)
end

-- The training split of an experiment, without what cannot be read where that is to be skipped.
function bad.train(e, threads)
    local data = e.settings.data
    local set = data:split "train"
    if policy(e) ~= "skip" or set.left_out then return set end
    local list, out = unreadable(e, set, threads), {}
    if #list == set.count then
        errors.raise("data", ("data %s.bad = skip: none of %d training samples can be read; the first: %s"):format(data.name, set.count,
            reason(set, list[1])), e.where)
    end
    for k, i in ipairs(list) do out[k] = { sample = i, why = reason(set, i) } end
    set:leave_out(list)
    set.left_out = out
    return set
end

-- Whether a loader of training pictures replaces.
function bad.replaces(e) return policy(e) == "replace" end

-- ---- the log ----

local fields = { { "epoch", "i64", nil, "from 0; 0 where it was left out" }, { "step", "i64", nil, "0: before the first one" },
    { "sample", "i64", nil, "number in the training split" }, { "instead", "i64", nil, "the sample in its place; -1: left out" },
    { "why", "text", nil, "what was wrong with it", size = 256 } }

function bad.declare(run, e)
    if policy(e) ~= "stop" then run:stream("bad", "training samples that could not be read", fields) end
end

local function first_ones(list)
    return table.concat(list, ", ", 1, math.min(#list, shown)) .. (#list > shown and ", ..." or "")
end

-- Rows of the table so far.
local function rows(run)
    local log = bind.log(run.path)
    local t = log:table "bad"
    log:free()
    return t
end

-- A run that goes on must have left out what it left out at first: the order of an epoch depends on it.
local function same_as_before(run, list)
    local t = rows(run)
    local same = (t and t.n or 0) == #list
    for k, one in ipairs(list) do same = same and t.sample[k] == one.sample end
    if not same then
        local before = t and t.n or 0
        errors.raise("resume", ("bad = skip: %d training samples cannot be read, and it was %s when the run began; with others the order of an epoch is "
            .. "another one (--restart begins anew)"):format(#list, before == #list and "as many others" or tostring(before)), run.e:path())
    end
end

-- What was left out, before the first step.
function bad.opened(run)
    local list = run.e.settings.data:split("train").left_out
    if policy(run.e) ~= "skip" then return end
    if run.done > 0 then return same_as_before(run, list) end
    local names = {}
    for k, one in ipairs(list) do
        run.run:row("bad", { epoch = 0, step = 0, sample = one.sample, instead = -1, why = one.why:sub(1, 255) })
        names[k] = one.why
    end
    if #list == 0 then return end
    local text = ("unreadable training samples, left out: %d (%s)"):format(#list, first_ones(names))
    run.run:event("bad", text:sub(1, 900))
    run:say(text)
end

-- Before an epoch's step of this number (from 0): what the epoch has replaced so far.
function bad.begin_epoch(run, first)
    if policy(run.e) ~= "replace" then return end
    run.replaced = {}
    if first == 0 then return end
    local t = rows(run)
    for k = 1, t and t.n or 0 do
        if t.epoch[k] == run.epoch then table.insert(run.replaced, t.why[k]) end
    end
end

-- What of a batch was replaced.
function bad.note(run, batch)
    if batch.replaced == 0 then return end
    run.reasons = run.reasons or {}
    local set = run.e.settings.data:split "train"
    for k = 0, batch.count - 1 do
        local i, instead = tonumber(batch.wanted[k]), tonumber(batch.samples[k])
        if i ~= instead then
            run.reasons[i] = run.reasons[i] or reason(set, i):sub(1, 255)
            run.run:row("bad", { epoch = run.epoch, step = run.done + 1, sample = i, instead = instead, why = run.reasons[i] })
            table.insert(run.replaced, run.reasons[i])
        end
    end
end

-- At the end of an epoch (run.epoch is the next one already).
function bad.close_epoch(run)
    if not run.replaced or #run.replaced == 0 then return end
    local text = ("epoch %d: unreadable training samples, replaced: %d (%s)"):format(run.epoch - 1, #run.replaced, first_ones(run.replaced))
    run.run:event("bad", text:sub(1, 900))
    if not run.said_bad then run:say(text) end
    run.said_bad = true
end

return bad
