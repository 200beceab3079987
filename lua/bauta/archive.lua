-- archive: runs that are on disk already: their state, whether they can be taken or gone on with, and their results.
local bind = require "bauta.bind.run"
local errors = require "bauta.errors"
local record = require "bauta.record"

local archive = {}

-- The state of a run's folder, or nil when there is none.
function archive.state(e, out)
    local ok, state = pcall(bind.state, out .. "/" .. e:path())
    return ok and state or nil
end

function archive.complete(e, out)
    local state = archive.state(e, out)
    return state ~= nil and state.state == "complete"
end

-- Whether a run has a checkpoint to go on from.
function archive.saved(e, out)
    local f = io.open(out .. "/" .. e:path() .. "/checkpoints/last", "rb")
    if f then f:close() end
    return f ~= nil
end

-- The file that a setting `weights` means: its path, or what an earlier run has left.
function archive.weights(w, out)
    if type(w) == "string" then return w end
    return out .. "/" .. w:path() .. "/student.safetensors"
end

-- Where a checkpoint of the run in a folder is; which: last, best or a path.
local function checkpoint_file(folder, which)
    local named = which == "last" or which == "best"
    local file = named and folder .. "/checkpoints/" .. which or which
    local f = io.open(file)
    if f then
        f:close()
        return file
    end
    errors.raise("data", ("--checkpoint %s: %s; last, best or a path expected"):format(which, not named and "no such file"
        or which == "best" and "the run has none (yet; a student without a classifier never has)" or "the run has none yet"), folder)
end

-- Weights that a checkpoint may have, and which runs do.
archive.parts = { student = "every run", ema = "runs with the setting ema", average = 'runs that a teacher "ema" teaches (DINO)' }

-- Puts the weights that --checkpoint and --part mean into a store. Returns { epoch, step } of the checkpoint.
function archive.load(folder, which, part, store)
    if not archive.parts[part] then
        errors.raise("arg", ("--part %s: %s"):format(part, errors.unknown("part", part, { "student", "ema", "average" })), "command line")
    end
    local file = checkpoint_file(folder, which)
    local c = bind.checkpoint(file)
    local ok, why = pcall(c.load, c, part, store)
    local at = { epoch = c.epoch, step = c.step }
    c:free()
    if ok then return at end
    if errors.is(why) and why.lines[1]:find(part .. " has 0 tensors there", 1, true) then
        errors.raise("arg", ("--part %s: it has none; %s have"):format(part, archive.parts[part]), file)
    end
    error(why, 0)
end

-- Whether there is a folder for it at all.
function archive.begun(e, out)
    local f = io.open(out .. "/" .. e:path() .. "/.", "rb")
    if f then f:close() end
    return f ~= nil
end

function archive.documents(path)
    local log = bind.log(path)
    local found = log:documents()
    log:free()
    return found
end

-- Lines that say in which settings a run on disk differs from e.
function archive.differences(e, path)
    local old = archive.documents(path).configuration
    return old and record.differences(old, e) or { "its log has no settings" }
end

-- The same lines where they are accepted; raises them otherwise, with what can be done.
function archive.judge(e, path, accept, advice)
    local lines = archive.differences(e, path)
    if accept or #lines == 0 then return lines end
    for i = #lines, 21, -1 do lines[i] = nil end
    for i, line in ipairs(lines) do lines[i] = ("%s (%s)"):format(line, advice) end
    errors.raise("resume", lines, e.where)
end

-- A finished run with the same settings can be taken as it is. Returns true; raises what differs and what can be done about it (advice), or false
-- when that is accepted.
function archive.same(e, path, accept, advice)
    return #archive.judge(e, path, accept, ("run %s was made with other settings; %s"):format(e:path(), advice)) == 0
end

-- A table of a run's log by columns.
function archive.rows(path, name)
    if type(name) ~= "string" then errors.fail("rows: the name of a table expected, got %s", errors.show(name)) end
    local log = bind.log(path)
    local t = log:table(name)
    local names = log:streams()
    log:free()
    if t then return t end
    errors.fail("%s: %s", path, errors.unknown("table", name, names))
end

-- What came out of a complete run, from its log.
function archive.result(e, out)
    local path = out .. "/" .. e:path()
    local log = bind.log(path)
    local t = log:table("result")
    log:free()
    if not t or t.n == 0 then errors.raise("data", "the run has no result yet", path) end
    local r = { name = e:path(), path = path, kind = e.kind, experiment = e }
    for _, name in ipairs(t.names) do r[name] = t[name][t.n] end
    return r
end

return archive
