-- preflight: what is said about a teacher's lists of right and wrong answers.
local bauta = require "bauta"
local card = require "bauta.card"
local preflight = require "bauta.preflight"
local t = require "harness"

-- n answers of which the first `good` are right.
local function answers(n, good)
    local out = {}
    for i = 1, n do out[i] = i <= good and 1 or 0 end
    return out
end

local function said(own, others, card)
    local lists = { imagenet = answers(200, own) }
    for _, as in ipairs { "half", "none", "clip" } do lists[as] = answers(200, others[as] or 0) end
    return preflight.defect("the teacher", "imagenet", lists, card or { tolerance = 1 })
end

t.equal(said(160, { half = 158 }), nil, "the best of all")
t.equal(said(160, { half = 163 }), nil, "better by less than two points")
t.equal(said(160, { half = 168 }), nil, "better by four points, of which eight pictures are no proof")
t.equal(said(160, { half = 180 }), "the teacher is right about 80.0 % of 200 test pictures with normalise = imagenet, and about 90.0 % with half; " ..
    'give its arch normalise = "half"', "clearly better")
t.equal(said(160, { half = 180 }, { expect = 80.5, tolerance = 1 }), nil, "what the card says is reached: no more is asked")
t.equal(said(160, {}, { expect = 81.8, tolerance = 1 }), nil, "200 pictures are no proof against one point")
t.equal(said(100, {}, { expect = 81.8, tolerance = 1 }), "the teacher is right about 50.0 % of 200 test pictures; its card says 81.8 " ..
    "(expect), tolerance 1.0", "clearly worse than its card")
t.equal(said(100, {}, { expect = 81.8, tolerance = 30 }), nil, "tolerated")
-- Two teachers that always say the same class: as good as chance, one by luck a little better.
local a, b = {}, {}
for i = 1, 256 do a[i], b[i] = i <= 26 and 1 or 0, (i > 26 and i <= 63) and 1 or 0 end
t.equal(preflight.defect("the teacher", "none", { imagenet = b, half = a, none = a, clip = a }, { tolerance = 1 }), nil,
    "two constant answers are not told apart by luck")
t.equal(said(100, {}, { expect = 81.8, tolerance = 1, says = "its file says %.1f (top1)" }), "the teacher is right about 50.0 % of 200 test pictures; " ..
    "its file says 81.8 (top1), tolerance 1.0", "clearly worse than its own file says")
t.group "teachers judged"

local function restless(rest, training) return preflight.restless("teacher big", "training, drop_path 0.4", answers(200, rest), answers(200, training)) end
local remark, wrong = restless(160, 157)
t.equal(remark, "; in training mode, as it teaches (training, drop_path 0.4), about 78.5 %", "hardly worse in training mode: said")
t.equal(wrong, nil, "and no more than said")
t.equal(select(2, restless(160, 152)), nil, "worse by four points, of which eight pictures are no proof")
t.equal(select(2, restless(150, 170)), nil, "better")
remark, wrong = restless(160, 120)
t.equal(wrong, "teacher big is right about 80.0 % of 200 test pictures at rest, and about 60.0 % in training mode, as it would teach (training, drop_path 0.4); " ..
    "leave that out", "clearly worse in training mode")
t.group "a teacher in training mode"

t.equal(preflight.unjudged("the teacher", 7, 10), "the teacher has 7 outputs, the student 10 classes: not judged on test pictures", "other classes")
remark, wrong = preflight.unjudged("the teacher", 7, 10, 81.8)
t.equal(remark, nil, "other classes, and a card")
t.equal(wrong, "the teacher has 7 outputs, the student 10 classes: what its card says, 81.8 (expect), cannot be judged", "other classes, and a card")
t.group "teachers that cannot be judged"

-- What a file says of itself holds for the same samples only, shown in the same way.
local scenes = { size = 16, train = 40, test = 20 }
local function with(base, more)
    local out = {}
    for k, v in pairs(base) do out[k] = v end
    for k, v in pairs(more or {}) do out[k] = v end
    return out
end
local function vit(image) return bauta.arch "deit" { dim = 12, depth = 1, heads = 2, image = image or 16, patch = 4, classes = 10 } end
local function accuracy(more, changed, image)
    local data = bauta.data("scenes", with(scenes))
    local notes = with(card.judged({}, 81.25, "scenes", data.settings, vit()), more)
    return card.accuracy(notes, bauta.data("scenes", with(scenes, changed)), vit(image))
end
t.equal(accuracy(), 81.25, "the same samples")
t.equal(accuracy(nil, { normalise = "half", augment = "none", flip = 0 }), 81.25, "and other settings of training")
t.equal(accuracy(nil, { seed = 1 }), nil, "other pictures")
t.equal(accuracy(nil, { test = 10 }), nil, "fewer")
t.equal(accuracy(nil, nil, 32), nil, "pictures of another size")
t.equal(accuracy { tested = "images {}" }, nil, "another source")
t.equal(accuracy { class_names = '["cat","dog"]' }, nil, "other names of classes")
for _, top1 in ipairs { "very good", "101", "-1", "nan" } do t.equal(accuracy { top1 = top1 }, nil, "no share: " .. top1) end
t.equal(card.tested("images", { path = "/somewhere/cifar10.tar.gz", limit = 5, test_crop = 0.875, test_interpolation = "bicubic", flip = 0.5 }, vit(64)),
    "images { limit = 5, path = cifar10 } as crop 0.875, bicubic, 64x64", "without the folder it lies in")
local function tested(path) return card.tested("images", { path = path, test_crop = 1, test_interpolation = "bilinear" }, vit(64)) end
for _, path in ipairs { "cifar10.tar", "a/cifar10.tgz", "cifar10.pack", "x.pack/cifar10/" } do
    t.equal(tested(path), tested "cifar10", "however the files are held: " .. path)
end
t.check(tested "cifar100.pack" ~= tested "cifar10.pack", "another name")
t.equal(next(card.judged({}, 0 / 0, "scenes", scenes, vit())), nil, "what was not judged is not noted")
t.group "what a file says of itself"

t.equal(preflight.chance(10, 200, 10), ": not clearly more than chance, 10 %", "as good as chance")
t.equal(preflight.chance(12, 200, 10), ": not clearly more than chance, 10 %", "as good as chance, with luck")
t.equal(preflight.chance(30, 200, 10), "", "it knows something")
t.equal(preflight.chance(100, 200, 1), "", "one class")
t.group "chance"
return t.done()
