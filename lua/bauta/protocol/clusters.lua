-- protocol/clusters: k-means of many rows. Centroids begin by k-means++ (each next one drawn in proportion to the squared distance from
-- those there are) or at given rows; an empty cluster moves to the row that lies farthest from its own. Rows stay on the device; an
-- iteration is one run of one program.
local builder = require "bauta.builder"
local errors = require "bauta.errors"
local ffi = require "bauta.ffi"
local graph = require "bauta.bind.graph"

local clusters = { part = 4096 }

local function stored(device, rows, k)
    local store, parts = graph.store(device, 0), {}
    for from = 0, rows.n - 1, clusters.part do
        local n, i = math.min(clusters.part, rows.n - from), #parts
        store:add("rows." .. i, { n, rows.width })
        store:write("rows." .. i, rows.rows + from * rows.width)
        store:add("far." .. i, { n })
        parts[i + 1] = { n = n, from = from }
    end
    store:add("centroids", { k, rows.width })
    return store, parts
end

local function squares(b, x) return x:square():sum { axis = 1, keep = 1 } end

-- Fetched, for each part i: label.i and far.i, the squared distance to the own centroid. With `move` the centroids move to the means of their rows; counts.
local function iteration(device, store, parts, move)
    local b = builder.new { device = device }
    local c, sums, counts = b:variable(store, "centroids"), nil, nil
    local k = c:size(0)
    local half = squares(b, c):permute { order = "1,0" } * 0.5
    for i = 0, #parts - 1 do
        local x = b:variable(store, "rows." .. i)
        local near = b:op("matmul", { x, c }, { transpose_b = 1 }) - half
        local label = b:op("argmax", { near })
        b:fetch("label." .. i, label)
        b:fetch("far." .. i, (squares(b, x) - near:max { axis = 1, keep = 1 } * 2):reshape { shape = tostring(parts[i + 1].n) })
        local own = b:op("one_hot", { label }, { classes = k })
        local sum, count = b:op("matmul", { own, x }, { transpose_a = 1 }), own:sum { axis = 0 }
        sums, counts = sums and sums + sum or sum, counts and counts + count or count
    end
    b:fetch("counts", counts)
    if move then
        local n = counts:reshape { shape = k .. ",1" }
        local some = b:op("less", { b:constant(0), n })
        b:op("ema", { c, b:op("where", { some, sums / b:op("maximum", { n, b:constant(1) }), c }) }, { decay = 0 })
    end
    return b:finish()
end

-- Fetched far.i: the squared distance to the nearest of the centroids so far, of which the input `fresh` [1,F] is the last.
local function distances(device, store, parts, width)
    local b = builder.new { device = device }
    local fresh = b:input("fresh", "f32", { 1, width })
    for i = 0, #parts - 1 do
        local far = b:variable(store, "far." .. i)
        local d = (b:variable(store, "rows." .. i) - fresh):square():sum { axis = 1 }
        local least = b:op("minimum", { far, d })
        b:fetch("far." .. i, least)
        b:op("ema", { far, least }, { decay = 0 })
    end
    return b:finish()
end

local function row_at(rows, i)
    local out = ffi.array("float", rows.width)
    ffi.copy(out, rows.rows + i * rows.width, rows.width * 4)
    return out
end

-- Which row a uniform number in [0,1) draws, in proportion to far.
local function draw(program, parts, u)
    local whole, sums, last = 0, {}, 0
    for i, p in ipairs(parts) do
        local v, sum = program:view("far." .. (i - 1)), 0
        for j = 0, p.n - 1 do sum = sum + math.max(0, v[j]) end
        sums[i], whole = sum, whole + sum
    end
    local want = u * whole
    for i, p in ipairs(parts) do
        if want < sums[i] then
            local v = program:view("far." .. (i - 1))
            for j = 0, p.n - 1 do
                if v[j] > 0 then
                    last = p.from + j
                    want = want - v[j]
                    if want < 0 then return last end
                end
            end
        end
        want = want - sums[i]
    end
    return last
end

-- k uniform numbers, the same for the same seed.
local function uniform(device, seed, k)
    local b = builder.new { device = device, seed = seed }
    b:fetch("u", b:op("uniform", { b:input("step", "i32", {}) }, { shape = tostring(k), stream = "clusters" }))
    local program = b:finish()
    program:feed("step", 0)
    program:run()
    local u = program:read "u"
    program:free()
    return u
end

local function plus_plus(device, store, parts, rows, k, seed)
    local program, all = distances(device, store, parts, rows.width), ffi.array("float", k * rows.width)
    for i, p in ipairs(parts) do
        local huge = {}
        for j = 1, p.n do huge[j] = 1e30 end
        store:write("far." .. (i - 1), huge)
    end
    local random = uniform(device, seed, k)
    local at = math.floor(random[1] * rows.n)
    for c = 0, k - 1 do
        local fresh = row_at(rows, at)
        ffi.copy(all + c * rows.width, fresh, rows.width * 4)
        if c < k - 1 then
            program:feed("fresh", fresh)
            program:run()
            at = draw(program, parts, random[c + 2])
        end
    end
    program:free()
    return all
end

local function at_rows(rows, list)
    local all = ffi.array("float", #list * rows.width)
    for i, at in ipairs(list) do ffi.copy(all + (i - 1) * rows.width, rows.rows + at * rows.width, rows.width * 4) end
    return all
end

-- A number that is none spoils every mean and every distance: the first row that holds one, or one too large for its square, ends it here.
local function judge(rows)
    for i = 0, rows.n - 1 do
        for j = i * rows.width, (i + 1) * rows.width - 1 do
            local v = rows.rows[j]
            if not (v > -1e18 and v < 1e18) then
                errors.raise("numeric", ("clusters: number %d of the embedding of picture %d is %g; the model's weights are no good"):format(j - i * rows.width,
                    i, v))
            end
        end
    end
end

-- Moves each empty cluster to the row farthest from its centroid; how many there were.
local function fill_empty(program, store, parts, rows, k)
    local counts, moved, taken = program:view "counts", 0, {}
    for c = 0, k - 1 do
        if counts[c] == 0 then
            local best, far = nil, -1
            for i, p in ipairs(parts) do
                local v = program:view("far." .. (i - 1))
                for j = 0, p.n - 1 do
                    if v[j] > far and not taken[p.from + j] then best, far = p.from + j, v[j] end
                end
            end
            taken[best], moved = true, moved + 1
            local all = store:read "centroids"
            for j = 0, rows.width - 1 do all[c * rows.width + j + 1] = rows.rows[best * rows.width + j] end
            store:write("centroids", all)
        end
    end
    return moved
end

-- rows: as protocol/features gives them; given: k, iterations (20), seed (0), start (list of rows, from 0, instead of k-means++). Returns
-- labels (a list), centroids (raw [k,width]) and the mean squared distance.
function clusters.run(device, rows, given)
    local k = given.k
    if k > rows.n then errors.fail("clusters: %d of %d pictures; at most as many expected", k, rows.n) end
    judge(rows)
    local store, parts = stored(device, rows, k)
    store:write("centroids", given.start and at_rows(rows, given.start) or plus_plus(device, store, parts, rows, k, given.seed or 0))
    local program = iteration(device, store, parts, true)
    for _ = 1, given.iterations or 20 do
        program:run()
        fill_empty(program, store, parts, rows, k)
    end
    program:free()
    program = iteration(device, store, parts, false)
    program:run()
    local labels, sum = {}, 0
    for i, p in ipairs(parts) do
        local label, far = program:view("label." .. (i - 1)), program:view("far." .. (i - 1))
        for j = 0, p.n - 1 do labels[p.from + j + 1], sum = label[j], sum + far[j] end
    end
    program:free()
    local centroids = store:read "centroids"
    store:free()
    return labels, centroids, sum / rows.n
end

return clusters
