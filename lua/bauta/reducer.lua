-- reducer: what a reducer costs a model, and how strong one must be to cost as much as masking does.
local builder = require "bauta.builder"
local bind = require "bauta.bind.graph"
local check = require "bauta.check"
local cost = require "bauta.cost"
local errors = require "bauta.errors"
local keep = require "bauta.keep"
local plugin = require "bauta.plugin"
local session = require "bauta.session"

local reducer = {}

-- Multiply-adds of one picture by the papers' count: all patches embedded, LayerNorm 5 an element. how: reducer, kept (a count).
local function of_one(arch, store, how)
    local b = builder.new { device = session.device(), batch = 1 }
    b:pictures(1, arch)
    local kept = how.kept and b:random("kept", { 1, arch.patches }):topk { keep = how.kept }
    b:fetch("logits", b:model("teacher", arch, { store = store, kept = kept, reducer = how.reducer }))
    local program = b:finish()
    local papers = cost.summary(program:plan(), 1).by_role.teacher.papers
    program:free()
    return papers
end

-- What a model costs a picture with a reducer, or with so many patches kept, as the papers count.
function reducer.cost(arch, how)
    if check.class_of(arch) ~= "arch" then errors.fail("reducer.cost: arch expected, got %s", errors.show(arch)) end
    return of_one(arch, bind.store(session.device(), 0), how or {})
end

-- The r of ToMe that costs `arch` as much as seeing `keep` of its patches does. Returns r, its cost and the cost that was wanted.
function reducer.matched(arch, share)
    if check.class_of(arch) ~= "arch" then errors.fail("reducer.matched: arch expected, got %s", errors.show(arch)) end
    local k, why = keep.count(share, arch.grid_rows, arch.grid_columns, "keep")
    if not k then errors.fail("reducer.matched: %s", why) end
    local store, known = bind.store(session.device(), 0), {}
    local wanted = of_one(arch, store, { kept = k })
    local function at(r)
        known[r] = known[r] or of_one(arch, store, { reducer = plugin.describe("reducer", "tome", { r = r }) })
        return known[r]
    end
    local low, high = 0, math.floor(arch.patches / 2) -- cost falls with r
    while high - low > 1 do
        local middle = math.floor((low + high) / 2)
        if at(middle) > wanted then low = middle else high = middle end
    end
    local r = math.abs(at(low) - wanted) <= math.abs(at(high) - wanted) and low or high
    return r, at(r), wanted
end

return reducer
