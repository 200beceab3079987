-- verb run: carries out what a script describes: one run, or a suite of runs and its report.
local errors = require "bauta.errors"
local options = require "bauta.options"

local verb = {
    name = "run", usage = "SCRIPT [options]", least = 1, most = 1, helps = true,
    doc = "carry out the experiment a script describes; bauta run SCRIPT --help shows its parameters",
    options = options.join({
        { name = "resume", doc = "go on with a run that was stopped or killed, bit for bit" },
        { name = "restart", doc = "throw the run away that is there, of a suite all of them, and begin anew" },
        { name = "restart-changed", doc = "of a suite: begin anew the runs whose settings are others than on disk, and those that take " ..
            "their weights; keep the rest" },
        { name = "accept-changes", doc = "resume although settings differ; what differs is written down" },
        { name = "no-preflight", doc = "do not judge the teachers on test pictures before the first step" },
        { name = "loaders", value = "N", kind = "int", min = 0, max = 64, default = 0,
            doc = "threads that load pictures; 0: one per processor" },
        { name = "interval", value = "SECONDS", kind = "number", min = 0, max = 1e6, default = 30,
            doc = "between lines of a log" },
    }, options.script, options.device),
}

local function trainer_options(given, mode, source)
    local session = require "bauta.session"
    return { out = given.out, mode = mode, device = session.device(), loaders = given.loaders, script = source,
        interval = given.interval,
        accept = given.accept_changes, no_preflight = given.no_preflight }
end

-- Whether what is on disk was made with other settings, or from a run that has been made anew just now.
local function changed(e, given, anew)
    local archive = require "bauta.archive"
    for _, need in ipairs(e:weights_runs()) do
        if anew[need.run] then return true end
    end
    local ok, lines = pcall(archive.differences, e, given.out .. "/" .. e:path())
    return ok and #lines > 0 -- a folder without a readable log is judged by its state
end

-- How a run of a suite begins, by what is on disk. anew: runs of it that are not what they were; say(text). Returns a mode, or nil when it is
-- complete already.
local function mode_in_suite(e, given, anew, say)
    local archive = require "bauta.archive"
    if given.restart then return "restart" end
    if given.restart_changed and archive.begun(e, given.out) and changed(e, given, anew) then return "restart" end
    local state = archive.state(e, given.out)
    if not state then return archive.begun(e, given.out) and "restart" or "new" end
    local path = given.out .. "/" .. e:path()
    if state.state == "complete" then
        local goes_on = not archive.same(e, path, given.accept_changes, "--accept-changes goes on with it, --restart-changed makes it anew, and what " ..
            "takes its weights; --restart all runs of the suite")
        if not goes_on then say(("%s: complete, taken from %s\n"):format(e:path(), path)) end
        for _, need in ipairs(e:weights_runs()) do
            if anew[need.run] then
                say(("%s: its %s took the weights that %s had before; --restart-changed makes it anew\n"):format(e:path(), need.part, need.run:path()))
            end
        end
        return goes_on and "resume" or nil
    end
    return (state.alive or archive.saved(e, given.out)) and "resume" or "restart"
end

-- How a single run begins; nil when it is complete already.
local function mode_alone(e, given)
    local archive = require "bauta.archive"
    if given.restart then return "restart" end
    local state = archive.state(e, given.out)
    local unsaved = not archive.saved(e, given.out) and archive.begun(e, given.out)
        and not (state and (state.alive or state.state == "complete"))
    if given.resume and unsaved then
        local ended = state and state.state == "failed" and "failed" or "killed"
        io.stdout:write(("%s: %s before its first checkpoint; begun anew\n"):format(e:path(), ended))
        return "restart"
    end
    local complete = given.resume and state and state.state == "complete"
    local advice = "--resume --accept-changes goes on with it, --restart makes it anew"
    if complete and archive.same(e, given.out .. "/" .. e:path(), given.accept_changes, advice) then return nil end
    if given.resume then return "resume" end
    if not state then return "new" end
    if unsaved and state and state.state == "failed" then return "restart" end -- nothing to lose
    local path = given.out .. "/" .. e:path()
    errors.raise("arg", ("the run exists (%s); --resume goes on with it, --restart throws it away"):format(state.state), path)
end

local function say_result(r)
    local report = require "bauta.report"
    io.stdout:write(("%s: complete, %s, %s img/s, %s\n"):format(r.name, report.accuracy(r, true), report.number(r.images_per_s, 0), r.path))
end

-- Raises what is wrong with runs that are to be made, before anything of them is on the disk. Returns 0, or the exit status of a stop by a signal.
local function foreseen(list, modes, given, source, named)
    return require("bauta.foresight").judge(list, modes, trainer_options(given, nil, source), named)
end

local function one(e, given, source)
    local archive, trainer = require "bauta.archive", require "bauta.trainer"
    local mode = mode_alone(e, given)
    local status = mode and foreseen({ e }, { [e] = mode }, given, source, false) or 0
    if mode and status == 0 then status = trainer.run(e, trainer_options(given, mode, source)) end
    if status == 0 then say_result(archive.result(e, given.out)) end
    return status
end

local function finish_suite(suite, given)
    local archive, bind = require "bauta.archive", require "bauta.bind.run"
    local results = {}
    for i, e in ipairs(suite.runs) do results[i] = archive.result(e, given.out) end
    local folder = given.out .. (suite.name and "/" .. suite.name or "")
    local text = suite.report and require("bauta.watch").freely(suite.report, results)
    local told = type(text) == "string"
    if told then io.stdout:write("\n", text, "\n") end
    if told and suite.name then bind.put(folder .. "/report.txt", text .. "\n") end
    io.stdout:write(("\n%s: complete, %d runs%s\n"):format(folder, #results, told and suite.name and "; report.txt" or ""))
end

-- Calls f(run, mode) for the runs of a suite in their order; a mode of nil: complete already. Leaves where f returns something, and returns that.
local function each_of_suite(suite, given, say, f)
    local archive, anew = require "bauta.archive", {}
    for _, e in ipairs(suite.runs) do
        local mode = mode_in_suite(e, given, anew, say)
        anew[e] = mode ~= nil and (mode ~= "resume" or archive.complete(e, given.out))
        local status = f(e, mode)
        if status then return status end
    end
end

local function suite_of(suite, given, source)
    local trainer = require "bauta.trainer"
    local list, modes = {}, {}
    each_of_suite(suite, given, function() end, function(e, mode) list[#list + 1], modes[e] = mode and e or nil, mode end)
    local status = foreseen(list, modes, given, source, true)
    if status ~= 0 then return status end
    status = each_of_suite(suite, given, function(text) io.stdout:write(text) end, function(e, mode)
        if not mode then return nil end
        local ok, status = pcall(trainer.run, e, trainer_options(given, mode, source))
        if not ok then
            local described = errors.is(status) and (status.code == "arg" or status.code == "plugin") -- others name the run already
            error(described and errors.named(status, e:path(), e.where) or status, 0)
        end
        collectgarbage()
        return status ~= 0 and status or nil
    end)
    if status then return status end
    finish_suite(suite, given)
    return 0
end

local function refuse_together(given, names)
    local found = {}
    for _, name in ipairs(names) do
        if given[name:gsub("-", "_")] then found[#found + 1] = "--" .. name end
    end
    if found[2] then errors.raise("arg", ("%s and %s exclude each other"):format(found[1], found[2]), "command line") end
end

function verb.run(given)
    local script = require "bauta.script"
    if given.help then
        local help = require "bauta.help"
        io.stdout:write(given[1] and script.help(given, given[1]) or help.of(verb))
        return 0
    end
    refuse_together(given, { "resume", "restart", "restart-changed" })
    local result, source = script.load(given, given[1])
    local list, suite = script.experiments(result, given[1])
    require("bauta.fitting").judge(list, given.out, true)
    if suite then return suite_of(suite, given, source) end
    if given.restart_changed then errors.raise("arg", "--restart-changed: the script describes one run; --restart makes it anew", "command line") end
    return one(list[1], given, source)
end

return verb
