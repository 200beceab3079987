-- seeing: statistics of kept patches and of answers against values computed by hand, and identities that hold for any choice.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bauta = require "bauta"
local agreement = require "bauta.agreement"
local bind = require "bauta.bind.run"
local masks = require "bauta.masks"
local pictures = require "bauta.pictures"
local spec = require "bauta.seeing.spec"
local t = require "harness"

local function random(seed) -- a small generator, so that a failure can be repeated
    local state = seed
    return function(n)
        state = (state * 1103515245 + 12345) % 2 ^ 31
        return math.floor(state / 2 ^ 31 * n)
    end
end

-- k of N patches, ascending.
local function any_set(draw, k, N)
    local all, out = {}, {}
    for p = 1, N do all[p] = p - 1 end
    for i = 1, k do
        local j = i + draw(N - i + 1)
        all[i], all[j] = all[j], all[i]
        out[i] = all[i]
    end
    table.sort(out)
    return out
end

-- ---- where the teacher of a run on disk is ----
local runs = os.tmpname()
os.remove(runs)
local log = ('student.plugin = "deit"\nstudent.settings.weights = "run elsewhere"\nstudent.settings.image = 16\nstudent.settings.patch = 4\nteacher.plugin = "deit"\nteacher.settings.image = 16\n' ..
    'teacher.settings.patch = 4\nteacher.settings.weights = "run a teacher"')
local function made(name, documents)
    local run = bind.open(runs, name, "new", 0)
    for k, text in pairs(documents) do run:document(k, text) end
    run:free()
    return runs .. "/" .. name
end
local function teacher_of(folder) return spec.run(folder).teacher.settings.weights:sub(#runs + 2) end
local digest = "0123456789ab"
local cell = made("deep/cell", { configuration = log, origins = "student = ../nobody\nteacher = ../../far/teacher" })
t.equal(teacher_of(cell), "deep/cell/../../far/teacher/student.safetensors", "as its log says")
local old = made("old/cell", { configuration = log })
t.raises('0 runs named "a teacher" beside it; its teacher is one of them, and --teacher ARCH:weights=FILE says which', function() teacher_of(old) end, "data")
os.execute(("mkdir -p '%s/old/a teacher-%s' '%s/old/a teacher-none'"):format(runs, digest, runs))
t.equal(teacher_of(old), "old/cell/../a teacher-" .. digest .. "/student.safetensors", "a log that does not say: the only one of that name in a grid")
os.execute(("mkdir -p '%s/old/a teacher-%s'"):format(runs, digest:reverse():gsub("[ab]", "f")))
t.raises('2 runs named "a teacher" beside it; its teacher is one of them, and --teacher ARCH:weights=FILE says which', function() teacher_of(old) end, "data")
os.execute(("mkdir -p '%s/old/a teacher'"):format(runs))
t.equal(teacher_of(old), "old/cell/../a teacher/student.safetensors", "outside of grids it has no digest")
os.execute(("rm -rf '%s'"):format(runs))
t.group "a run's teacher"

-- ---- sets of patches ----
local f = masks.frequency({ { 0, 1 }, { 1, 2 }, { 1, 3 }, { 0, 1 } }, 4) -- G-M8
for p, want in ipairs { 50, 100, 25, 25 } do t.equal(f[p], want, "frequency of patch " .. p) end
t.equal(masks.overlap({ 0, 1 }, { 1, 2 }), 100 / 3, "one of three in common")
t.equal(masks.overlap({ 0, 3 }, { 1, 2 }), 0, "none in common")
t.equal(masks.overlap({ 1, 3 }, { 0, 1, 2, 3 }), 50, "sets of different sizes")
t.equal(masks.mean_overlap({ { 0, 1 }, { 0, 1 } }, { { 0, 1 }, { 1, 2 } }), (100 + 100 / 3) / 2, "mean over pictures")
t.check(masks.mean_overlap({}, {}) ~= masks.mean_overlap({}, {}), "nothing to compare is NaN")
t.near(masks.mass({ [0] = 9, 0.1, 0.4, 0.2, 0.3 }, 1, 4, { 1, 3 }), 70, 1e-12, "saliency held")
t.equal(masks.text({ 0, 3 }, 4), "1001", "as text")
t.equal(table.concat(masks.from_text "1001", " "), "0 3", "and back")
local sets = {}
masks.collect({ [0] = 1, 3, 0, 2, 7, 7 }, 2, 2, sets) -- the third picture fills up a short batch
t.equal(#sets .. ": " .. table.concat(sets[1], " ") .. ", " .. table.concat(sets[2], " "), "2: 1 3, 0 2", "collected")
for seed = 1, 20 do
    local draw, all = random(seed), {}
    local N = 1 + draw(600)
    local k = 1 + draw(N)
    for i = 1, 5 do all[i] = any_set(draw, k, N) end
    local mean = 0
    for _, percent in ipairs(masks.frequency(all, N)) do mean = mean + percent / N end
    t.near(mean, 100 * k / N, 1e-9, "the mean frequency is k / N")
    t.equal(masks.overlap(all[1], all[1]), 100, "a set with itself")
    t.equal(masks.overlap(all[1], all[2]), masks.overlap(all[2], all[1]), "symmetric")
    local both = {}
    for _, p in ipairs(all[1]) do both[p] = true end
    local common = 0
    for _, p in ipairs(all[2]) do common = common + (both[p] and 1 or 0) end
    t.near(masks.overlap(all[1], all[2]), 100 * common / (2 * k - common), 1e-9, "as counted one by one")
    local packed = masks.pack(all, N)
    t.equal(#packed, 5 * masks.words(N), "numbers of the packed form")
    for i, set in ipairs(masks.unpack(packed, N)) do t.equal(table.concat(set, " "), table.concat(all[i], " "), "packed and back") end
end
t.group "sets of patches"

-- ---- the object ----
local eight = { image_rows = 8, image_columns = 8 }
local stats = pictures.object_statistics({ grid_rows = 2, grid_columns = 2 }, eight) -- four patches of 4 x 4 pixels, centres at 2 and 6
stats:add({ [0] = 0, 0, 8, 4, 0, 0, 0, 0 }, { [0] = 0, 2, 0, 1 }, 2, 2) -- the upper half; a picture without a box counts nowhere
local kept, all, recall = stats:shares()
t.equal(kept, 50, "kept patches on the object")
t.equal(all, 50, "patches on the object")
t.equal(recall, 50, "patches of the object that are kept")
stats:add({ [0] = 0, 0, 4, 4 }, { [0] = 0, 3 }, 1, 2)
kept, all, recall = stats:shares()
t.equal(kept, 50, "two of four")
t.equal(all, 37.5, "three of eight")
t.near(recall, 200 / 3, 1e-12, "two of three")
local wide = { image_rows = 64, image_columns = 128, grid_rows = 2, grid_columns = 4 } -- of the same picture it has 2 x 4 patches, each 4 x 2 of its pixels
stats = pictures.object_statistics(wide, eight)
stats:add({ [0] = 4, 0, 8, 4 }, { [0] = 0, 2, 3, 4 }, 1, 4) -- the upper right quarter: patches 2 and 3
kept, all, recall = stats:shares()
t.equal(("%g %g %g"):format(kept, all, recall), "50 25 100", "a masked model of another size: boxes are in the picture's pixels, not in the model's")
t.group "the object"

-- ---- teacher and student ----
local function compare(teacher, student)
    local B, C, flat = #teacher, #teacher[1], { teacher = {}, student = {} }
    for i = 1, B do
        for c = 1, C do
            table.insert(flat.teacher, teacher[i][c])
            table.insert(flat.student, student[i][c])
        end
    end
    local step = bauta.graph({ batch = B, feeds = { teacher = { "f32", { B, C } }, student = { "f32", { B, C } } } },
        function(g, batch)
            local kl, cosine, same = agreement.build(batch.teacher, batch.student)
            g:fetch("kl", kl)
            g:fetch("cosine", cosine)
            g:fetch("same", same)
        end)
    step:feed("teacher", flat.teacher)
    step:feed("student", flat.student)
    step:run()
    local out = {}
    for _, name in ipairs { "kl", "cosine", "same" } do
        out[name] = 0
        for _, v in ipairs(step:read(name)) do out[name] = out[name] + v / B end
    end
    step:free()
    return out
end

local g = compare({ { 1.5, 1.4, 0 }, { .2, 2.5, 2.0 } }, { { 2, 1, 0 }, { 0, 1, 3 } }) -- G-M8
t.near(g.kl, 0.379009, 1e-6, "KL(teacher || student)")
t.near(g.same, 0.5, 0, "agreement")
t.near(g.cosine, 0.779062, 1e-6, "cosine")
g = compare({ { 3, 1, 0 } }, { { 13, 11, 10 } })
t.near(g.kl, 0, 1e-6, "logits that differ by a constant: KL")
t.near(g.cosine, 1, 1e-6, "cosine")
t.equal(g.same, 1, "agreement")
g = compare({ { 80, 0, 0 } }, { { 0, 80, 0 } })
t.near(g.kl, 80, 1e-4, "certain and contrary: KL")
t.near(g.cosine, 0, 1e-6, "cosine")
t.equal(g.same, 0, "agreement")
t.group "teacher and student"

return t.done()
