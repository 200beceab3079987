-- reducers: golden values of one ToMe step and of its costs, and what must hold for any model: merging nothing changes
-- nothing, merging equal tokens changes nothing either when attention is weighed, dropping none is the plain model.
local bauta = require "bauta"
local errors = require "bauta.errors"
local session = require "bauta.session"
local steps = require "bauta.steps"
local t = require "harness"

local seed = os.time() % 100000
print("seed " .. seed)
math.randomseed(seed)

local function near(got, want, tolerance, what)
    t.equal(#got, #want, what .. ": how many")
    local worst = 0
    for i, v in ipairs(want) do worst = math.max(worst, math.abs(got[i] - v)) end
    t.check(worst <= tolerance, "%s: off by %g", what, worst)
end

-- ---- G-M7 ----
local step = bauta.graph({ batch = 1 }, function(g)
    local keys = g:constant({ 1, 0, .8, .6, 0, 1, .6, .8, 1, .9 }, { 1, 5, 2 })
    local to = keys:tome_match { r = 1 }
    local sizes = g:constant({ 1, 2, 1, 1, 1 }, { 1, 5 })
    local x = (g:constant({ 10, 1, 2, 3, 5.5 }, { 1, 5 }) * sizes):scatter_rows(to, { size = 4 })
    sizes = sizes:scatter_rows(to, { size = 4 })
    g:fetch("to", to)
    g:fetch("x", x / sizes)
    g:fetch("sizes", sizes)
    g:fetch("attention", (g:constant({ .5, .1, .2, .3 }, { 1, 4 }) + sizes:log()):softmax())
end)
step:run()
t.equal(table.concat(step:read "to", " "), "0 2 1 3 2", "places")
near(step:read "x", { 10, 2, 2.5, 3 }, 1e-6, "tokens")
near(step:read "sizes", { 1, 1, 3, 1 }, 0, "sizes")
near(step:read "attention", { 0.212246, 0.142273, 0.471708, 0.173773 }, 1e-6, "proportional attention")
step:free()
t.group "G-M7: one step of ToMe"

-- ---- any model ----
local function vit(more)
    local s = { dim = 24, depth = 4, heads = 3, image = 16, patch = 4, classes = 7, drop_path = 0 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch "deit"(s)
end

local noise = {}
for i = 1, 2 * 16 * 16 * 3 do noise[i] = math.random(0, 255) end

-- Logits of a model with a reducer, and the sizes of its class attention in each block.
local function logits(arch, given)
    local store, lengths = given.store or bauta.store(seed), {}
    local one = bauta.graph({ batch = 2, image = 16, precision = given.precision }, function(g)
        local kept = given.kept and g:keep(g:random("u", { 2, 16 }), given.kept)
        g:fetch("logits", g:model("teacher", arch, { store = store, reducer = given.reducer, kept = kept }))
        for l = 0, arch.depth - 1 do lengths[l + 1] = g:signal("teacher", "class_attention", l):size(3) end
    end)
    if given.change then given.change(store) end
    one:feed("images", given.pixels or noise)
    one:run()
    local out = one:read "logits"
    one:free()
    return out, table.concat(lengths, " ")
end

local plain = logits(vit(), {})
local same, lengths = logits(vit(), { reducer = bauta.reducer "tome" { r = 0 } })
near(same, plain, 0, "r = 0")
t.equal(lengths, "17 17 17 17", "r = 0")
local less
less, lengths = logits(vit(), { reducer = bauta.reducer "tome" { r = 3 } })
t.equal(lengths, "17 14 11 8", "r = 3")
t.check(less[1] ~= plain[1] and less[1] == less[1], "and something changes")
t.equal(select(2, logits(vit(), { reducer = bauta.reducer "tome" { r = 100 } })), "17 9 5 3", "at most half")
t.equal(select(2, logits(vit(), { reducer = bauta.reducer "tome" { r = 2, inflect = -1 } })), "17 13 11 10", "falling: 4, 2, 1, 0")
t.equal(select(2, logits(vit(), { reducer = bauta.reducer "tome" { r = 2, inflect = 1 } })), "17 17 16 14", "rising: 0, 1, 2, 4")
t.equal(select(2, logits(vit(), { reducer = bauta.reducer "tome" { list = "1,0,5" } })), "17 16 16 11", "a list")
t.equal(select(2, logits(vit(), { reducer = bauta.reducer "tome" { r = 2 }, kept = 8 })), "9 7 5 3", "after a mask")
t.equal(select(2, logits(vit { distilled = true }, { reducer = bauta.reducer "tome" { r = 3 } })), "18 15 12 9", "two extra tokens")
local half = logits(vit(), { reducer = bauta.reducer "tome" { r = 3 }, precision = "bf16" })
near(half, less, 0.2, "bf16")
t.group "tokens that are left"

-- Pictures of one colour without positions: all patches are equal, and merging them, each weighed by its size, changes nothing.
local grey = {}
for i = 1, #noise do grey[i] = 90 end
local function no_positions(store)
    local n, zeros = 17 * 24, {}
    for i = 1, n do zeros[i] = 0 end
    store:write("pos_embed", zeros)
    for l = 0, 3 do -- attention that is worth the name
        local w = store:read(("blocks.%d.attn.qkv.weight"):format(l))
        for i = 1, #w do w[i] = w[i] * 10 end
        store:write(("blocks.%d.attn.qkv.weight"):format(l), w)
    end
end
local function grey_logits(r) return (logits(vit(), { reducer = r, pixels = grey, change = no_positions })) end
local all = grey_logits()
near(grey_logits(bauta.reducer "tome" { r = 3 }), all, 2e-5, "equal tokens, weighed")
near(grey_logits(bauta.reducer "tome" { r = 4, inflect = -1 }), all, 2e-5, "equal tokens, weighed, falling")
local off, worst = grey_logits(bauta.reducer "tome" { r = 3, proportional = false }), 0
for i = 1, #all do worst = math.max(worst, math.abs(off[i] - all[i])) end
t.check(worst > 1e-4, "not weighed: the class token sees fewer of them, off by %g only", worst)
t.group "merging equal tokens"

-- Losses that compare tokens need all of them.
do
    local data = bauta.data "scenes" { size = 16, train = 20, test = 10 }
    local function step_of(loss, reducer)
        local s = { dim = 24, depth = 4, heads = 3, image = 16, patch = 4, classes = 10, drop_path = 0 }
        local e = bauta.distill { name = "x", data = data, student = bauta.arch "deit"(s), teacher = bauta.arch "deit"(s), reducer = reducer, batch = 4,
            losses = { bauta.loss(loss, {}) } }
        return steps.train(e, session.device(), steps.stores(e, session.device())):free()
    end
    for _, loss in ipairs { "fitnet", "manifold", "attention" } do
        local ok, e = pcall(step_of, loss, bauta.reducer "tome" { r = 2 })
        t.check(not ok and e.lines[1]:find("takes tokens away", 1, true) and e.lines[1]:find("a teacher without a reducer expected", 1, true), "%s: %s", loss,
            errors.text(e))
    end
    t.check(pcall(step_of, "logit", bauta.reducer "tome" { r = 2 }), "logits are compared")
    t.check(pcall(step_of, "fitnet", nil), "without a reducer")
end
t.group "reducers beside losses that compare tokens"

-- ---- drop ----
near((logits(vit(), { reducer = bauta.reducer "drop" { keep = 16 } })), plain, 1e-6, "none is dropped")
t.equal(select(2, logits(vit(), { reducer = bauta.reducer "drop" {} })), "17 17 9 9", "half, after the middle block")
t.equal(select(2, logits(vit(), { reducer = bauta.reducer "drop" { keep = 5, layer = "first" } })), "17 6 6 6", "five, after the first")
t.equal(select(2, logits(vit(), { reducer = bauta.reducer "drop" { keep = 0.25, layer = 2 } })), "17 17 17 5", "a quarter, after block 2")
-- What stays: the tokens of the first block's output at the places with most attention.
step = bauta.graph({ batch = 2, image = 16 }, function(g)
    local store = bauta.store(seed)
    g:model("full", vit(), { store = store })
    g:model("less", vit(), { store = store, reducer = bauta.reducer "drop" { keep = 6, layer = 0 } })
    local a = g:signal("full", "class_attention", 0):mean { axis = 1 }:slice { axis = 2, from = 1, to = 17 }:reshape { shape = "2,16" }
    local want = g:signal("full", "tokens", 0):slice { axis = 1, from = 1, to = 17 }:gather_rows(a:topk { keep = 6 })
    local have = g:signal("less", "tokens", 0):slice { axis = 1, from = 1, to = 7 }
    g:fetch("off", (want - have):square():mean { axis = -100 })
end)
step:feed("images", noise)
step:run()
t.near(step:read "off", 0, 1e-12, "the right ones")
step:free()
t.group "drop"

-- ---- costs of the papers: DeiT-S at 224 px, G an image ----
local small = bauta.arch "deit" { size = "small" }
for r, want in pairs { [8] = 3.4235, [16] = 2.2955 } do
    t.near(bauta.reducer.cost(small, { reducer = bauta.reducer "tome" { r = r } }) / 1e9, want, 6e-5, "r = " .. r)
end
for k, want in pairs { [98] = 2.2554, [196] = 4.6083 } do
    t.near(bauta.reducer.cost(small, { kept = k }) / 1e9, want, 6e-5, "k = " .. k)
end
local r, has, wanted = bauta.reducer.matched(small, "50%")
t.equal(r, 16, "matched to half of the patches")
t.near(has / 1e9, 2.2955, 6e-5, "its cost")
t.near(wanted / 1e9, 2.2554, 6e-5, "the cost of half of the patches")
t.group "costs"

-- ---- what is refused ----
local function try(arch, r) return function() logits(arch, { reducer = r }) end end
t.raises("plugin tome: list = '16,x'; whole numbers with commas between expected, as in 16,16,8", try(vit(), bauta.reducer "tome" { list = "16,x" }))
t.refused(try(vit(), bauta.reducer "tome" { list = "-3" }), "a negative number")
t.raises("plugin drop: keep = 17 of 16 patches; a share below 1 that leaves one, or a count of at most 16 expected",
    try(vit(), bauta.reducer "drop" { keep = 17 }))
t.refused(try(vit(), bauta.reducer "drop" { keep = 2.5 }), "half a patch")
t.refused(try(vit(), bauta.reducer "drop" { keep = 0.001 }), "no patch")
t.raises("plugin drop: layer = 9; the model has blocks 0 to 3", try(vit(), bauta.reducer "drop" { layer = 9 }))
t.refused(function() bauta.reducer "tome" { r = -1 } end, "a negative r")
t.refused(function() bauta.reducer "tomb" {} end, "no such reducer")
t.refused(function() logits(vit(), { reducer = bauta.mask "none" {} }) end, "a mask as a reducer")
t.refused(function() bauta.reducer.matched(small, 7.5) end, "half a patch to match")
t.raises("reducer tome: block decoder.blocks.0 has tokens or an attention of its own kind, in which nothing can be reduced",
    try(bauta.arch "segmenter" { dim = 24, depth = 2, heads = 2, decoder_depth = 1, image = 16, patch = 4, classes = 7 }, bauta.reducer "tome" {}))
t.refused(try(bauta.arch "cait" { dim = 24, depth = 2, heads = 3, image = 16, patch = 4, classes = 7 }, bauta.reducer "tome" {}), "an architecture with blocks of its own kind")
t.group "what is refused"
return t.done()
