-- preflight: what is said about a teacher's lists of right and wrong answers.
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
t.group "teachers judged"

t.equal(preflight.chance(10, 200, 10), ": not clearly more than chance, 10 %", "as good as chance")
t.equal(preflight.chance(12, 200, 10), ": not clearly more than chance, 10 %", "as good as chance, with luck")
t.equal(preflight.chance(30, 200, 10), "", "it knows something")
t.equal(preflight.chance(100, 200, 1), "", "one class")
t.group "chance"
return t.done()
