-- protocol/statistics: what some losses want to know of a teacher's embeddings of the training set before training begins: mean and
-- singular vectors (kdep), the cluster of each picture (cc). What the teacher is shown decides about the first two. They stand in a safetensors file that the loss names in its setting
-- `statistics`: mean [d], basis [d,d], values [d], labels [pictures], centroids [k,d].
local bind = require "bauta.bind.plugin"
local clusters = require "bauta.protocol.clusters"
local errors = require "bauta.errors"
local features = require "bauta.protocol.features"
local graph = require "bauta.bind.graph"
local stores = require "bauta.step.stores"
local teachers = require "bauta.step.teachers"

local statistics = {}

local parts = "mean,basis,values,labels,centroids"

-- Loads what the loss called `label` keeps in the store `state` from its file. where: of the experiment, for messages.
function statistics.load(device, state, label, path)
    local own, before = graph.store(device, 0), label .. "."
    for _, t in ipairs(state:list()) do
        if t.name:sub(1, #before) == before then own:add(t.name:sub(#before + 1), t.shape) end
    end
    local optional = {}
    for part in parts:gmatch "[^,]+" do
        if not own:has(part) then optional[#optional + 1] = part end
    end
    own:load(path, { partial = table.concat(optional, ",") })
    for _, t in ipairs(own:list()) do state:write(before .. t.name, own:read(t.name)) end
    own:free()
end

-- Mean, singular vectors and clusters into a store; what was found, or nil when a signal came.
local function gather(e, device, given, store)
    local how = { kind = "class", store = given.store, arch = given.arch, load = given.load, batch = given.batch }
    local function add(name, shape, numbers)
        store:add(name, shape)
        store:write(name, numbers)
    end
    how.limit = given.limit
    local some = features.all(e, device, "train", given.shown and given.shown(how) or how)
    if not some then return nil end
    local mean, basis, values = bind.principal(some.rows, some.n, some.width)
    add("mean", { some.width }, mean)
    add("basis", { some.width, some.width }, basis)
    add("values", { some.width }, values)
    local found = { n = some.n, width = some.width, largest = values[0], smallest = values[some.width - 1] }
    if given.clusters == 0 then return found end
    how.limit, how.unit = 0, true
    local unit = features.all(e, device, "train", how)
    if not unit then return nil end
    local labels, centroids, spread = clusters.run(device, unit, { k = given.clusters, iterations = given.iterations, seed = given.seed })
    add("labels", { #labels }, labels)
    add("centroids", { given.clusters, unit.width }, centroids)
    found.n, found.spread = unit.n, spread
    return found
end

-- Writes the file for a model. given: arch, store, load, path, clusters (0: none), iterations, seed, limit (pictures for mean and vectors; 0: all),
-- batch; shown and what: how the embeddings of mean and vectors are made instead, see as_shown. Returns what was found: n, width, spread (mean squared distance to the centroids), largest and smallest value; nil when a signal came.
function statistics.write(e, device, given)
    local store = graph.store(device, 0)
    local found = gather(e, device, given, store)
    if found then store:save(given.path, { made_by = "bauta statistics", model = given.arch.name, pictures = tostring(found.n),
        shown = given.what or "all patches" }) end
    store:free()
    return found
end

-- How the class token of a teacher is made as the training will show it pictures: masked, if it is, as in the last epoch, by the student as it begins;
-- reduced, if it is. nil where it sees everything, with all tokens. Returns a function for `shown` of statistics.write, and what to call it.
local function as_shown(run, t)
    local e, epoch = run.e, run.e:epochs() - 1
    local k = t:who() ~= "student" and e:kept(t, epoch) or nil
    if not k and not t.settings.reducer then return nil end
    local function node(b)
        local normalise = e.settings.data.settings.normalise
        local given = { stores = run.stores, store = run.stores.student, normalise = normalise, epoch = epoch }
        local arch, store = t:arch(e.settings.student), stores.of(run.stores, t)
        teachers.student(b, e, given)
        b:model(t:called(), arch, { store = store, kept = k and teachers.shown(b, e, t, given), normalise = normalise, role = t:role(),
            reducer = t.settings.reducer })
        return features.of(b, t:called(), "class")
    end
    return function(how)
        return { node = node, kind = how.kind, limit = how.limit, batch = how.batch, load = how.load, epoch = epoch, progress = epoch / e:epochs() }
    end, k and ("%d of %d patches"):format(k, e:masked(t).patches) or "all patches, reduced"
end

-- The file of `statistics = "auto"`: made from the run's own teacher before its first step, and left in its folder for a run that goes on.
-- l: one of experiment:losses(). Returns its path, or nil when a signal came.
function statistics.own(run, l)
    local path, e, t = ("%s/%s.statistics.safetensors"):format(run.path, l.label), run.e, l.teacher
    local there = io.open(path, "rb")
    if there then
        there:close()
        return path
    end
    if not t or t:averaged() then errors.fail("%s: statistics = auto: there is no teacher that has embeddings before training", l.label) end
    local n, k = e.settings.data:split("train").count, l.loss.settings.clusters or 0
    local shown, what
    if k == 0 then shown, what = as_shown(run, t) end -- clusters are of whole pictures: no teacher runs beside them
    local found = statistics.write(e, run.device, { arch = t:arch(e.settings.student), store = stores.of(run.stores, t), load = function() end, path = path,
        shown = shown, what = what, clusters = k, iterations = 20, seed = e.settings.seed, limit = math.min(n, math.max(2048, math.ceil(n / 10))), batch = math.min(256, n) })
    if not found then return nil end
    run:say(("%s: embeddings of %d pictures%s, width %d%s: %s"):format(l.label, found.n, what and (" (%s)"):format(what) or "", found.width,
        k > 0 and (", %d clusters"):format(k) or "", path))
    return path
end

return statistics
