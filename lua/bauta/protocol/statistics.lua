-- protocol/statistics: what some losses want to know of a teacher's embeddings of the training set before training begins: mean and
-- singular vectors (kdep), the cluster of each picture (cc). They stand in a safetensors file that the loss names in its setting
-- `statistics`: mean [d], basis [d,d], values [d], labels [pictures], centroids [k,d].
local bind = require "bauta.bind.plugin"
local clusters = require "bauta.protocol.clusters"
local errors = require "bauta.errors"
local features = require "bauta.protocol.features"
local graph = require "bauta.bind.graph"

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

-- Writes the file for a model. given: arch, store, load, path, clusters (0: none), iterations, seed, limit (pictures for mean and vectors; 0: all),
-- batch. Returns what was found: n, width, spread (mean squared distance to the centroids), values; nil when a signal came.
function statistics.write(e, device, given)
    local how = { kind = "class", store = given.store, arch = given.arch, load = given.load, batch = given.batch }
    local all = features.all(e, device, "train", how)
    if not all then return nil end
    local store, some = graph.store(device, 0), all
    if given.limit > 0 and given.limit < all.n then
        how.limit = given.limit
        some = features.all(e, device, "train", how)
    end
    if not some then return nil end
    local mean, basis, values = bind.principal(some.rows, some.n, some.width)
    for _, t in ipairs { { "mean", { all.width }, mean }, { "basis", { all.width, all.width }, basis }, { "values", { all.width }, values } } do
        store:add(t[1], t[2])
        store:write(t[1], t[3])
    end
    local spread
    if given.clusters > 0 then
        how.limit, how.unit = 0, true
        local unit = features.all(e, device, "train", how)
        if not unit then return nil end
        local labels, centroids
        labels, centroids, spread = clusters.run(device, unit, { k = given.clusters, iterations = given.iterations, seed = given.seed })
        store:add("labels", { #labels })
        store:write("labels", labels)
        store:add("centroids", { given.clusters, unit.width })
        store:write("centroids", centroids)
    end
    store:save(given.path, { made_by = "bauta statistics", model = given.arch.name, pictures = tostring(all.n) })
    return { n = all.n, width = all.width, spread = spread, largest = values[0], smallest = values[all.width - 1] }
end

return statistics
