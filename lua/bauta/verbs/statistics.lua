-- verb statistics: what some losses want to know of a teacher's embeddings before training begins.
local errors = require "bauta.errors"
local options = require "bauta.options"

local verb = {
    name = "statistics", usage = "SCRIPT --to FILE [options]", least = 1, most = 1,
    doc = "embed the training set by a script's teacher: mean and singular vectors (for kdep), clusters (for cc), as a safetensors file",
    options = options.join({
        { name = "to", value = "FILE", doc = "the file that the losses name in their setting `statistics`" },
        { name = "run", value = "NAME", doc = "which run of a suite; otherwise the last" },
        { name = "teacher", value = "NAME", doc = "which teacher; otherwise the first" },
        { name = "clusters", value = "N", kind = "int", min = 0, max = 2 ^ 24, default = 2000, doc = "of k-means on embeddings of length 1; 0: none" },
        { name = "iterations", value = "N", kind = "int", min = 1, max = 10000, default = 20, doc = "of k-means" },
        { name = "pictures", value = "N", kind = "int", min = 0, max = 2 ^ 31, default = 0,
            doc = "for mean and vectors so many, evenly spaced; 0: all (KDEP takes a tenth)" },
        { name = "batch", value = "N", kind = "int", min = 1, max = 65536, default = 128, doc = "pictures at a time" },
        { name = "seed", value = "N", kind = "int", min = 0, max = 2 ^ 53, default = 0, doc = "of the first centroids" },
    }, options.script, options.device),
}

local function named(list, name, what, name_of)
    if not name then return list[what == "run" and #list or 1] end
    local names = {}
    for i, one in ipairs(list) do
        names[i] = name_of(one)
        if names[i] == name then return one end
    end
    errors.raise("arg", ("--%s %s: %s"):format(what, name, errors.unknown(what, name, names)), "command line")
end

local function loader(arch, store, out)
    local w = arch.settings.weights
    return function()
        if not w then return end
        arch:load(store, type(w) == "string" and w or out .. "/" .. w:path() .. "/student.safetensors")
    end
end

function verb.run(given)
    if not given.to then errors.raise("arg", "--to FILE: where the statistics go is needed", "command line") end
    local script, session, graph = require "bauta.script", require "bauta.session", require "bauta.bind.graph"
    local statistics, result = require "bauta.protocol.statistics", script.load(given, given[1])
    local e = named((script.experiments(result, given[1])), given.run, "run", function(x) return x:path() end)
    local t = named(e.settings.teachers, given.teacher, "teacher", function(x) return x.settings.name end)
    if not t then errors.raise("arg", ("%s has no teacher"):format(e:path()), given[1]) end
    if t:averaged() then errors.raise("arg", "the teacher is an average of the student: there are no embeddings before training", given[1]) end
    local device, arch = session.device(), t:arch(e.settings.student)
    e.precision = session.said_precision(e.settings.precision, device)
    require("bauta.bind.run").install_signals()
    local store = graph.store(device, e.settings.seed)
    local r = statistics.write(e, device, { arch = arch, store = store, load = loader(arch, store, given.out), path = given.to,
        clusters = given.clusters, iterations = given.iterations, seed = given.seed, limit = given.pictures, batch = given.batch })
    store:free()
    if not r then return 130 end
    if t:who() ~= "student" and e:kept(t, e:epochs() - 1) or t.settings.reducer then
        io.stderr:write(('bauta: the embeddings are of whole pictures, and this run shows its teacher less: statistics = "auto" of loss kdep makes them as it is '
            .. "shown them\n"))
    end
    io.stdout:write(("%s: embeddings of %d pictures, width %d, singular values %.3g to %.3g%s\n"):format(given.to, r.n, r.width, r.largest, r.smallest,
        r.spread and (", %d clusters with a mean squared distance of %.4g"):format(given.clusters, r.spread) or ""))
    return 0
end

return verb
