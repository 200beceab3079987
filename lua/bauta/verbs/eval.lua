-- verb eval: what the student of a script's experiment is worth on the test set: by its own classifier, by its nearest neighbours, by a linear probe.
local errors = require "bauta.errors"
local options = require "bauta.options"

local verb = {
    name = "eval", usage = "RUN|SCRIPT [options]", least = 1, most = 1,
    doc = "evaluate a run's student on the test set: its exported weights, a checkpoint, or a safetensors file. RUN: its folder (of a grid: a cell's); " ..
        "model, data and settings are those of its log, --data says where the data lies now",
    options = options.join({
        { name = "run", value = "NAME", doc = "of a script: which run of a suite; otherwise the last" },
        { name = "checkpoint", value = "WHICH", doc = "last, best or a path instead of the exported weights" },
        { name = "weights", value = "FILE", doc = "a safetensors or PyTorch file instead, read as the student's keys, prefix, partial and resize say" },
        { name = "part", value = "NAME", default = "student", doc = "of a checkpoint: student, ema, or average (the teacher of DINO)" },
        { name = "protocol", value = "NAME", default = "classifier",
            doc = "classifier (its own), knn, linear (DINO's linear probe) or linear-mae (batch normalisation and LARS)" },
        { name = "features", value = "KIND", default = "class", doc = "of knn and linear: class, last4 or class-mean" },
        { name = "neighbours", value = "LIST", default = "10,20,100,200", doc = "of knn" },
        { name = "temperature", value = "T", kind = "number", min = 1e-4, max = 1000, default = 0.07, doc = "of knn's votes" },
        { name = "gallery", value = "N", kind = "int", min = 0, max = 2 ^ 31, default = 0,
            doc = "of knn: so many training pictures, evenly spaced; 0: all" },
        { name = "epochs", value = "N", kind = "int", min = 1, max = 100000, doc = "of linear: 100, of linear-mae 90 unless given" },
        { name = "lr", value = "RATE", kind = "number", min = 0, max = 1000, doc = "of linear: 0.001, of linear-mae 0.1, times batch/256" },
        { name = "batch", value = "N", kind = "int", min = 1, max = 65536, default = 256, doc = "of knn and linear" },
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

-- What a complete run has left. script: that describes it, or nil.
local function exported(path, script)
    local session = require "bauta.session"
    local file = path .. "/student.safetensors"
    if session.exists(file) then return file end
    if not script or session.exists(path .. "/journal.bin") then
        errors.raise("data", "not complete: it has no student.safetensors yet; --checkpoint last takes its newest checkpoint", path)
    end
    errors.raise("data", ("not run yet: bauta run %s"):format(script), path)
end

local function load(e, store, given)
    local path = given.folder
    if given.weights then return e.settings.student:load(store, given.weights) end
    if not given.checkpoint then return store:load(exported(path, given.script), {}) end
    require("bauta.archive").load(path, given.checkpoint, given.part, store)
end

-- "10,20" as whole numbers.
local function neighbours(text, most)
    local out = {}
    for word in (text .. ","):gmatch "([^,]*)," do
        local k = tonumber(word)
        if not k or k < 1 or k % 1 ~= 0 then errors.raise("arg", ("--neighbours %s; whole numbers with commas expected"):format(text), "command line") end
        if k <= most then out[#out + 1] = k end
    end
    if #out == 0 then
        errors.raise("arg", ("--neighbours %s: the gallery has %d pictures"):format(text, most), "command line")
    end
    return out
end

local judge = {}

-- Raises where the student's answers are not the data's classes.
local function judge_classes(e)
    local s = e.settings
    if s.student.classes == s.data.classes then return end
    errors.raise("arg", ("no classifier: arch %s gives %d numbers, and data %s has %d classes; --protocol knn or linear judges features"):format(s.student.name,
        s.student.classes, s.data.name, s.data.classes), e:path())
end

function judge.classifier(e, device, given)
    judge_classes(e)
    local steps, evaluation, pictures = require "bauta.steps", require "bauta.evaluation", require "bauta.pictures"
    local stores = steps.stores(e, device)
    local test, count = pictures.plain_loader(e, "test", e.settings.student, 0, e.settings.batch)
    local batch = math.min(e.settings.batch, count)
    local now = evaluation.moment(e:whole_epochs(), e:epochs(), test.batches) -- as after the last epoch
    local program = steps.evaluate(e, device, stores.student, stores, batch, false, now.epoch)
    load(e, stores.student, given)
    local r = evaluation.measure(e, program, test, batch, { epoch = now.epoch, now = now })
    for _, x in ipairs { program, test } do x:free() end
    for _, store in pairs(stores) do store:free() end
    return r and { top1 = r.top1, top5 = r.top5, loss = r.loss, images = r.images, on_object = r.on_object },
        r and ("top-1 %.2f %%, top-5 %.2f %%, loss %.4f on %d images"):format(r.top1, r.top5, r.loss, r.images)
end

-- What both protocols on features are given, for as long as `work` goes on.
local function on_features(e, device, given, work)
    local store = require("bauta.bind.graph").store(device, e.settings.seed)
    local r, said = work { kind = given.features, store = store, batch = given.batch, threads = 0, load = function() load(e, store, given) end }
    store:free()
    return r, said
end

local function by_neighbours(e, device, given, how)
    local features, knn = require "bauta.protocol.features", require "bauta.protocol.knn"
    how.unit, how.limit = true, given.gallery
    local gallery = features.all(e, device, "train", how)
    how.limit = 0
    local queries = gallery and features.all(e, device, "test", how)
    if not queries then return nil end
    local list = neighbours(given.neighbours, gallery.n)
    local all = knn.run(device, gallery, queries, { neighbours = list, temperature = given.temperature, classes = e.settings.data.classes })
    local best, said = all[1], {}
    for i, r in ipairs(all) do
        if r.top1 > best.top1 then best = r end
        said[i] = ("%d: %.2f"):format(r.k, r.top1)
    end
    return { protocol = "knn", top1 = best.top1, top5 = best.top5, neighbours = best.k, images = queries.n, gallery = gallery.n, all = all },
        ("k-NN top-1 %.2f %%, top-5 %.2f %% with %d neighbours of %d pictures (%s), on %d images"):format(best.top1, best.top5, best.k,
            gallery.n, table.concat(said, ", "), queries.n)
end

function judge.knn(e, device, given)
    return on_features(e, device, given, function(how) return by_neighbours(e, device, given, how) end)
end

local function probed(protocol)
    local function run(e, device, given, how)
        how.protocol, how.epochs, how.lr = protocol, given.epochs, given.lr
        local r = require("bauta.protocol.linear").run(e, device, how)
        return r and { protocol = "linear-" .. protocol, top1 = r.top1, top5 = r.top5, last = r.last, epochs = r.epochs, loss = r.loss },
            r and ("linear probe top-1 %.2f %%, top-5 %.2f %% at its best of %d epochs, %.2f %% after the last"):format(r.top1, r.top5, r.epochs, r.last)
    end
    return function(e, device, given)
        return on_features(e, device, given, function(how) return run(e, device, given, how) end)
    end
end

judge.linear, judge["linear-mae"] = probed "dino", probed "mae"

-- Options that only some protocols read.
local probes = { "linear", "linear-mae" }
local read_by = { features = { "knn", "linear", "linear-mae" }, batch = { "knn", "linear", "linear-mae" }, neighbours = { "knn" }, temperature = { "knn" },
    gallery = { "knn" }, epochs = probes, lr = probes }

-- Raises where an option is given that nothing would read.
local function judge_options(given)
    local function refuse(name, why) errors.raise("arg", ("--%s has no effect %s"):format(name, why), "command line") end
    for _, o in ipairs(verb.options) do
        local readers = given.said[o.name] and read_by[o.name]
        if readers and not (" " .. table.concat(readers, " ") .. " "):find(" " .. given.protocol .. " ", 1, true) then
            refuse(o.name, ("on protocol %s; it is for %s"):format(given.protocol, table.concat(readers, ", ")))
        end
    end
    if given.weights and given.checkpoint then refuse("checkpoint", "beside --weights; one of them expected") end
end

-- The run on disk whose folder is given.
local function on_disk(given, folder)
    for _, name in ipairs { "run", "scale", "set", "out" } do
        if given.said[name] then
            errors.raise("arg", ("--%s has no effect on a run's folder: its settings are those of its log"):format(name), "command line")
        end
    end
    given.folder = folder
    return require("bauta.recorded").experiment(folder, given.data, given.weights ~= nil)
end

-- The run that is asked for, by its folder or by the script that describes it.
local function asked(given)
    local script, session = require "bauta.script", require "bauta.session"
    local path = given[1]
    if session.exists(path .. "/.") then return on_disk(given, #path > 1 and path:gsub("/+$", "") or path) end
    local result = script.load(given, path)
    local e = choose((script.experiments(result, path, "bauta eval RUNFOLDER judges a cell, bauta grid status names their folders")), given.run, path)
    given.folder, given.script = given.out .. "/" .. e:path(), path
    return e
end

function verb.run(given)
    if not judge[given.protocol] then
        errors.raise("arg", "--protocol " .. given.protocol .. ": " .. errors.unknown("protocol", given.protocol,
            { "classifier", "knn", "linear", "linear-mae" }), "command line")
    end
    if given.part ~= "student" and not given.checkpoint then
        errors.raise("arg", ("--part %s: exported weights are the student's; --checkpoint last or best has the others"):format(given.part), "command line")
    end
    judge_options(given)
    local session, json = require "bauta.session", require "bauta.json"
    local e, device = asked(given), session.device()
    e.precision = session.said_precision(e.settings.precision, device)
    require("bauta.bind.run").install_signals()
    local r, said = judge[given.protocol](e, device, given)
    if not r then return 130 end
    r.run = e:path()
    io.stdout:write(given.json and json.encode(r) or ("%s: %s"):format(e:path(), said), "\n")
    return 0
end

return verb
