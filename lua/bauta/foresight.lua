-- foresight: whatever plan would find in a run, found before anything on the disk is changed and before the first run of a suite trains. Every program
-- of a run is described once and let go; the files that it begins with are read.
local archive = require "bauta.archive"
local bind = require "bauta.bind.run"
local errors = require "bauta.errors"
local fitting = require "bauta.fitting"
local footprint = require "bauta.footprint"
local forecast = require "bauta.forecast"
local json = require "bauta.json"
local opening = require "bauta.opening"
local stores = require "bauta.step.stores"

local foresight = {}

local naming = { arg = true, data = true, plugin = true } -- codes of messages that may not name their run

-- Raises where a run that goes on with other settings has other tensors than its checkpoint. One that is damaged is the business of who opens the run.
local function judge_checkpoint(e, options, own)
    local ok, c = pcall(bind.checkpoint, options.out .. "/" .. e:path() .. "/checkpoints/last")
    if not ok then return end
    for _, name in ipairs(stores.changing) do
        if own[name] and own[name]:count() > 0 and name ~= "fp8" then c:load(name, own[name]) end -- scales are found anew or taken as they are
    end
    c:free()
end

-- One run. A forecast that was continued from smaller batches says that memory is short: opening says so in the same words.
local function look(e, mode, options, made)
    opening.judge_pictures(e)
    opening.precision(e, options.device)
    local f = forecast.of(e, options.device, footprint.base(), "counted") -- what to do with a picture that cannot be read is the run's own setting
    local ok, why = pcall(function()
        if f.refused then error(opening.short(f.refused, e), 0) end
        opening.judge_room(e, options.device, f.stores, f.summary)
        opening.try({ e = e, options = options, device = options.device, stores = f.stores, made = made, say = function() end })
        if mode == "resume" and options.accept then judge_checkpoint(e, options, f.stores) end
    end)
    forecast.free(f)
    if not ok then error(why, 0) end
end

-- What a run is but for what only draws other random numbers.
local function kind_of(e)
    local record = e:record()
    record.seed = nil
    return json.encode(record)
end

-- Raises the first mistake. list: the runs that are to be made, in their order; modes: how each begins; named: whether messages name the run. options:
-- out, device, accept.
-- Runs that differ in their seed only are looked at once. Returns 0, or the exit status of a stop by a signal.
function foresight.judge(list, modes, options, named)
    local seen, made = {}, {}
    bind.install_signals()
    for _, e in ipairs(list) do
        local kind, ok, why = kind_of(e), true, nil
        if modes[e] == "resume" or not seen[kind] then ok, why = pcall(look, e, modes[e], options, made) end
        seen[kind] = true
        if not ok and named and errors.is(why) and naming[why.code] then error(errors.named(why, e:path(), e.where), 0) end
        if not ok then error(opening.placed(why, e), 0) end
        made[archive.weights(e, options.out)] = true
        collectgarbage()
        local signal = bind.signal()
        if signal ~= 0 then
            io.stdout:write(e:path(), ": stopped before anything has begun\n")
            return signal == 2 and 130 or 85
        end
    end
    return 0
end

return foresight
