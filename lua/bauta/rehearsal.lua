-- rehearsal: how many steps fit into a time. The compiled step runs on the first batches as it will, and everything that it changed is put back, so
-- that what comes after is what would have come without: the number of steps is all that a run takes from the clock.
local errors = require "bauta.errors"
local ffi = require "bauta.ffi"
local graph = require "bauta.bind.graph"
local stores = require "bauta.step.stores"

local rehearsal = {}

local first, share, least = 2, 0.02, 1 -- steps that are not timed; of the time, and seconds, that the others take at least

-- Copies of the stores that a step changes, as { store, copy }.
local function copies(run)
    local out = {}
    for _, name in ipairs(stores.changing) do
        local store = run.stores[name]
        if store and store:count() > 0 then
            local copy = graph.store(run.device, 0)
            copy:take(store)
            out[#out + 1] = { store, copy }
        end
    end
    return out
end

-- Seconds of a step of the run's last phase, whose program is there when all have been compiled; where weights rested at first it is the one in which
-- they are trained, as from their first step. feed(run, batch, place) gives the program a batch.
local function pace(run, seconds, feed)
    local timed, begun = 0, nil
    run.loader:start(0, 0)
    for n = 1, run.per_epoch do
        local batch = run.loader:next() or errors.raise("bug", "the loader ended early", run.e:path())
        feed(run, batch, batch.number)
        if run.e:resting() then run.program:feed("step_freed", n) end
        run.program:run()
        run.program:read "loss"
        if n == math.min(first, run.per_epoch - 1) then begun = ffi.clock() end
        if begun and n > first then timed = timed + 1 end
        if timed > 2 and ffi.clock() - begun > math.max(least, share * seconds) then break end
    end
    return timed > 0 and (ffi.clock() - begun) / timed
end

-- Steps of a run that fit into so many seconds.
function rehearsal.steps(run, seconds, feed)
    local kept = copies(run)
    local each = pace(run, seconds, feed)
    for _, pair in ipairs(kept) do
        pair[1]:take(pair[2])
        pair[2]:free()
    end
    if not each then errors.raise("arg", ("minutes: an epoch of %d steps is too short to be timed; steps expected"):format(run.per_epoch), run.e.where) end
    local steps = math.max(1, math.floor(seconds / each))
    run:say(("%d steps fit into %g minutes (%.1f ms each); steps = %d repeats this run to the bit"):format(steps, seconds / 60, 1000 * each, steps))
    run.run:event("length", ("%d steps, of %.6g ms in a rehearsal"):format(steps, 1000 * each))
    return steps
end

return rehearsal
