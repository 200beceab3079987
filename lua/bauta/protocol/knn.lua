-- protocol/knn: classification by the nearest training pictures. A query's k nearest by cosine vote with exp(cosine / temperature); classes
-- are ranked by their votes. The gallery stays on the device in parts, each of which proposes its nearest; equal similarities go to
-- the lower index.
local graph = require "bauta.bind.graph"
local builder = require "bauta.builder"
local errors = require "bauta.errors"

local knn = { part = 8192 }

-- The gallery as tensors of a store: part i has rows.i [n,F] and labels.i [n].
local function stored(device, gallery)
    local store, parts = graph.store(device, 0), {}
    for from = 0, gallery.n - 1, knn.part do
        local n = math.min(knn.part, gallery.n - from)
        local i, labels = #parts, {}
        for j = 1, n do labels[j] = gallery.labels[from + j - 1] end
        store:add("rows." .. i, { n, gallery.width })
        store:write("rows." .. i, gallery.rows + from * gallery.width)
        store:add("labels." .. i, { n })
        store:write("labels." .. i, labels)
        parts[i + 1] = n
    end
    return store, parts
end

-- Of x [B,n] and y [B,n] the places of the k largest x: [B,k] of both.
local function largest(b, x, y, k)
    local size, n = x:size(0), x:size(1)
    if k >= n then return x, y end
    local which = b:op("topk", { x }, { keep = k })
    local function taken(t)
        return b:op("gather_rows", { t:reshape { shape = ("%d,%d,1"):format(size, n) }, which }):reshape { shape = ("%d,%d"):format(size, k) }
    end
    return taken(x), taken(y)
end

-- The votes [B,classes] of neighbours with similarities x and labels y.
local function votes(b, x, y, k, classes, temperature)
    local size
    x, y = largest(b, x, y, k)
    size, k = x:size(0), x:size(1)
    local weight = ((x - x:max { axis = 1, keep = 1 }) * (1 / temperature)):exp()
    local number = b:op("iota", {}, { shape = ("1,1,%d"):format(classes), axis = 2 })
    local own = y:reshape { shape = ("%d,%d,1"):format(size, k) }
    local off = b:op("less", { own, number }) + b:op("less", { number, own })
    return b:op("matmul", { weight:reshape { shape = ("%d,1,%d"):format(size, k) }, 1 - off }):reshape { shape = ("%d,%d"):format(size, classes) }
end

-- The program that judges `size` queries. Fetched, a number for each query: first.K, fifth.K for each k of the list.
local function judge(device, store, parts, width, size, classes, given)
    local b = builder.new { device = device, batch = size }
    local x, labels = b:input("rows", "f32", { size, width }), b:input("labels", "i32", { size })
    local most, near, of = math.max(unpack(given.neighbours)), {}, {}
    b:role "metric"
    for i, n in ipairs(parts) do
        local likeness = b:op("matmul", { x, b:variable(store, "rows." .. (i - 1)) }, { transpose_b = 1 })
        local known = b:variable(store, "labels." .. (i - 1)):reshape { shape = "1," .. n }
            :broadcast_to { shape = ("%d,%d"):format(size, n) }
        near[i], of[i] = largest(b, likeness, known, most)
    end
    local all = #parts > 1 and b:op("concat", near, { axis = 1 }) or near[1]
    local theirs = #parts > 1 and b:op("concat", of, { axis = 1 }) or of[1]
    all, theirs = largest(b, all, theirs, most)
    for _, k in ipairs(given.neighbours) do
        local v = votes(b, all, theirs, k, classes, given.temperature)
        b:fetch("first." .. k, b:op("correct", { v, labels }, { top = 1 }))
        b:fetch("fifth." .. k, b:op("correct", { v, labels }, { top = math.min(5, k, classes) }))
    end
    return b:finish()
end

-- gallery, queries: as features.all gives them, rows of length 1. given: neighbours (list of k), temperature, classes. Returns a list of
-- { k, top1, top5 } in percent.
function knn.run(device, gallery, queries, given)
    for _, k in ipairs(given.neighbours) do
        if k > gallery.n then errors.fail("k-NN: %d neighbours of %d pictures; at most as many expected", k, gallery.n) end
    end
    local store, parts = stored(device, gallery)
    local size = math.min(given.batch or 128, queries.n)
    local program, sums = judge(device, store, parts, gallery.width, size, given.classes, given), {}
    for from = 0, queries.n - 1, size do
        local n = math.min(size, queries.n - from)
        if n < size then -- the last ones by a program of their own
            program:free()
            program = judge(device, store, parts, gallery.width, n, given.classes, given)
        end
        program:feed("rows", queries.rows + from * gallery.width)
        program:feed("labels", queries.labels + from)
        program:run()
        for _, k in ipairs(given.neighbours) do
            for _, what in ipairs { "first.", "fifth." } do
                local v, sum = program:view(what .. k), sums[what .. k] or 0
                for i = 0, n - 1 do sum = sum + v[i] end
                sums[what .. k] = sum
            end
        end
    end
    program:free()
    store:free()
    local out = {}
    for i, k in ipairs(given.neighbours) do
        out[i] = { k = k, top1 = 100 * sums["first." .. k] / queries.n, top5 = 100 * sums["fifth." .. k] / queries.n }
    end
    return out
end

return knn
