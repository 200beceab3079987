-- verb eval: the accuracy of weights on the test set of a script's experiment.
local errors = require "bauta.errors"
local options = require "bauta.options"

local verb = {
    name = "eval", usage = "SCRIPT [options]", least = 1, most = 1,
    doc = "evaluate a run's student on the test set: its exported weights, a checkpoint, or a safetensors file",
    options = options.join({
        { name = "run", value = "NAME", doc = "which run of a suite; otherwise the last" },
        { name = "checkpoint", value = "WHICH", doc = "last, best or a path instead of the exported weights" },
        { name = "weights", value = "FILE", doc = "a safetensors file instead" },
        { name = "json", doc = "as JSON" },
    }, options.script, options.device),
}

local function choose(list, name, path)
    if not name then return list[#list] end
    local names = {}
    for i, e in ipairs(list) do
        if e:path() == name or e.settings.name == name then return e end
        names[i] = e:path()
    end
    errors.raise("arg", "--run " .. name .. ": " .. errors.unknown("run", name, names), path)
end

local function load(e, store, given)
    local bind = require "bauta.bind.run"
    local path = given.out .. "/" .. e:path()
    if given.weights then return store:load(given.weights, {}) end
    if not given.checkpoint then return store:load(path .. "/student.safetensors", {}) end
    local file = (given.checkpoint == "last" or given.checkpoint == "best") and path .. "/checkpoints/" .. given.checkpoint
        or given.checkpoint
    local c = bind.checkpoint(file)
    c:load("student", store)
    c:free()
end

function verb.run(given)
    local script, session, steps = require "bauta.script", require "bauta.session", require "bauta.steps"
    local evaluation = require "bauta.evaluation"
    local pictures, json = require "bauta.pictures", require "bauta.json"
    local result = script.load(given, given[1])
    local e = choose((script.experiments(result, given[1])), given.run, given[1])
    local device = session.device()
    if e.settings.precision == "bf16" and not device:has("bf16") then e.precision = "fp32" end
    local stores = steps.stores(e, device)
    local train, test = pictures.loaders(e, 0)
    local batch = math.min(e.settings.batch, e.settings.data:split("test").count)
    local program = steps.evaluate(e, device, stores.student, stores, batch, false)
    load(e, stores.student, given)
    local r = evaluation.measure(e, program, test, batch, {})
    train:free()
    if given.json then
        io.stdout:write(json.encode { run = e:path(), top1 = r.top1, top5 = r.top5, loss = r.loss, images = r.images,
            on_object = r.on_object }, "\n")
    else
        io.stdout:write(("%s: top-1 %.2f %%, top-5 %.2f %%, loss %.4f on %d images\n"):format(e:path(), r.top1, r.top5, r.loss,
            r.images))
    end
    return 0
end

return verb
