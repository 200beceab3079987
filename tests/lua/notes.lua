-- notes: numbers that criteria and losses put into the log: their columns, their values, what they may not do, and that nothing else changes by them.
local bauta = require "bauta"
local errors = require "bauta.errors"
local session = require "bauta.session"
local steps = require "bauta.steps"
local t = require "harness"

local batch, patches = 4, 16
local data = bauta.data "scenes" { size = 16, train = 64, test = 16 }
local function vit(more)
    local s = { dim = 24, depth = 2, heads = 2, image = 16, patch = 4, classes = 10, drop_path = 0 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch "deit"(s)
end

local pixels, labels = {}, { 3, 1, 4, 1 }
for i = 1, batch * 16 * 16 * 3 do pixels[i] = (i * i * 7 + i * 13) % 256 end

-- One training step; returns its program, still to be read and freed, and the columns of its notes.
local function run(more)
    local s = { name = "x", data = data, student = vit(), teacher = vit { dim = 36 }, batch = batch, epochs = 4, seed = 5 }
    for k, v in pairs(more) do s[k] = v end
    if s.teachers then s.teacher = nil end
    local e = bauta.distill(s)
    local program, notes = steps.train(e, session.device(), steps.stores(e, session.device()), nil, 0)
    for name, v in pairs { images = pixels, labels = labels, step = 1, epoch = 0, progress = 0, lr = 0.001 } do program:feed(name, v) end
    program:run()
    return program, notes
end

local talk = true
bauta.mask.define { name = "looks", doc = "the class attention, and notes of it", params = {},
    score = function(m)
        local a = m.class_attention {}:mean { axis = 1 }
        if talk then
            m.note("mass", a:sum { axis = 1 })
            m.note("largest", a:max { axis = 1 })
        end
        return a
    end }
local logit = bauta.loss "logit" {}

-- ---- values ----
local program, notes = run { mask = bauta.mask "looks" { keep = 0.5 }, losses = { logit } }
t.equal(table.concat(notes, " "), "note_looks_mass note_looks_largest", "columns, in the order of the criterion")
local mass, largest, with = program:read "note_looks_mass", program:read "note_looks_largest", program:read "loss"
t.check(mass > 0.5 and mass < 1, "attention on patches, the mean over the batch: %g", mass)
t.check(largest >= mass / patches and largest < mass, "the largest of them: %g", largest)
program:free()
talk = false
program, notes = run { mask = bauta.mask "looks" { keep = 0.5 }, losses = { logit } }
t.check(#notes == 0 and program:read "loss" == with, "without notes: the same loss")
program:free()
talk = true
t.group "a criterion in Lua"

-- ViTKD: of how many patches a picture the generation is judged. 8 of 16 are hidden; of a masked teacher those that it sees.
local vitkd = bauta.loss "vitkd" { mimic = "none" }
program, notes = run { losses = { vitkd } }
t.equal(table.concat(notes, " "), "note_vitkd_hidden_1", "its column")
t.equal(program:read "note_vitkd_hidden_1", 8, "all hidden ones")
program:free()
program = run { losses = { vitkd }, mask = bauta.mask "random" { keep = 4 } }
local few = program:read "note_vitkd_hidden_1"
t.check(few >= 0 and few <= 4 and few * batch == math.floor(few * batch), "hidden and seen: %g", few)
program:free()
program = run { losses = { vitkd }, mask = bauta.mask "random" { keep = 16 } }
t.equal(program:read "note_vitkd_hidden_1", 8, "a teacher that sees all")
program:free()
t.group "a loss in C"

-- Two teachers with one criterion, a step in parts, an average with another weight.
local function teacher(name)
    return bauta.teacher { name = name, model = vit { dim = 36 }, mask = bauta.mask "looks" { keep = 0.5 }, losses = { logit, vitkd } }
end
program, notes = run { teachers = { teacher "a", teacher "b" }, losses = { bauta.loss "cross-entropy" {} }, micro = 2 }
t.equal(table.concat(notes, " "), "note_looks_a_mass note_looks_a_largest note_looks_b_mass note_looks_b_largest note_a_vitkd_2_hidden_1 note_b_vitkd_2_hidden_1",
    "whose they are")
t.near(program:read "note_looks_a_mass", mass, 1e-6, "the mean over the parts")
t.near(program:read "note_looks_b_mass", mass, 1e-6, "of each")
program:free()
t.group "several teachers, a step in parts"

-- ---- mistakes ----
local count = 0
local function noting(what)
    count = count + 1
    local name = "wrong-" .. count
    bauta.mask.define { name = name, doc = "x", params = {}, score = function(m)
        what(m)
        return m.class_attention {}:mean { axis = 1 }
    end }
    return function() run { mask = bauta.mask(name, { keep = 0.5 }), losses = { logit } } end
end
for _, name in ipairs { "", "A", "a b", "a-b", ("x"):rep(33), 5, true } do
    t.raises("note " .. errors.show(name) .. ": 1 to 32 of a-z, 0-9 and _ expected", noting(function(m) m.note(name, m.random {}) end))
end
t.raises("note.wrong_8_n is known already", noting(function(m)
    m.note("n", m.random {})
    m.note("n", m.random {})
end))
t.raises("note n: tensor expected, got 5", noting(function(m) m.note("n", 5) end))
t.raises("note n: tensor expected, got a table", noting(function(m) m.note("n", {}) end))
t.raises("note n: tensor expected, got nil", noting(function(m) m.note("n") end))
t.group "mistakes"
return t.done()
