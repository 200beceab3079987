-- selection: from scores [B,N] to the kept patches i32 [B,k], ascending. A criterion ranks; how that ranking is used is orthogonal to it:
--   top, bottom       the k highest, the k lowest; ties to the lower index, NaN is an error
--   random            k at random, whatever the scores (which are then not computed)
--   sampled           k drawn one after the other in proportion to the scores: the k highest of log(score) + Gumbel noise
--   ranked = 0.4      from ranked_from of the training on, 40 % of all patches by rank and the rest of k at random from the others:
--                     the mixture of MaskedKD's Table 5
local errors = require "bauta.errors"
local keep = require "bauta.keep"

local selection = {}

selection.rows = {
    { name = "select", type = "choice", choices = { "top", "bottom", "random", "sampled" }, default = "top",
        doc = "which patches of the ranking are kept: the highest, the lowest, k at random, or k drawn in proportion to the score" },
    { name = "ranked", type = "any", optional = true, accept = function(v)
        if type(v) == "table" or type(v) == "string" and v:find(":", 1, true) then return nil, "is " .. errors.show(v) end
        return keep.judge(v, "ranked", true)
    end,
        what = "a share or a count", doc = "of the kept patches so many are the highest (a share is one of all patches) and the others drawn at random" },
    { name = "ranked_from", type = "float", default = 0.5, min = 0, max = 1, doc = "share of the training after which `ranked` begins" },
    { name = "corners", type = "bool", default = false,
        doc = "when scores are resampled to another grid: true: the corners of both grids coincide; false: their edges do" },
}

-- What is left as it is when nobody says anything.
local untouched = { select = "top", corners = false, who = "teacher" }

-- Criteria whose choice leaves nothing to select: setting, value (nil: any but the untouched one), reason.
local nonsense = {
    none = { { "select", nil, "mask none ranks nothing" }, { "ranked", nil, "mask none ranks nothing" },
        { "corners", nil, "mask none ranks nothing" }, { "who", nil, "mask none keeps every patch" } },
    random = { { "select", nil, "mask random draws at random already" }, { "ranked", nil, "mask random ranks nothing" },
        { "corners", nil, "mask random ranks nothing" } },
    ["bottom-k"] = { { "select", "bottom", "the lowest of bottom-k are the highest of mask student; write that" },
        { "select", "sampled", "bottom-k's scores are negative and cannot be drawn in proportion; use mask student" } },
}

-- Whether a plugin asks a third model; nil when it cannot be known before its scores are described (criteria in Lua).
local function asks_model(plugin)
    for _, need in ipairs(plugin.needs or {}) do
        if need:find "^auxiliary%." then return true end
    end
    if plugin.define then return nil end
    return false
end

-- What is wrong with a criterion's settings: a list of sentences.
function selection.defects(plugin, s)
    local lines, name, asks = {}, plugin.name, asks_model(plugin)
    if asks and not s.model then lines[1] = ("mask %s.model is missing; the arch that ranks the patches expected"):format(name) end
    if asks == false and s.model then lines[1] = ("mask %s.model: this criterion asks no third model; mask dino does"):format(name) end
    for _, rule in ipairs(nonsense[name] or {}) do
        local v = s[rule[1]]
        local set = v ~= nil and v ~= untouched[rule[1]]
        if set and (rule[2] == nil or rule[2] == v) then
            lines[#lines + 1] = ("mask %s.%s = %s: %s"):format(name, rule[1], errors.show(v), rule[3])
        end
    end
    if s.ranked == nil and s.ranked_from ~= 0.5 and #lines == 0 then
        lines[1] = ("mask %s.ranked_from = %s has no effect: no part is `ranked`"):format(name, errors.show(s.ranked_from))
    end
    if s.ranked ~= nil and s.select ~= "top" and #lines == 0 then
        lines[1] = ("mask %s.ranked = %s with select = %s: a part by rank and a part at random wants select = \"top\""):format(name,
            errors.show(s.ranked), errors.show(s.select))
    end
    return lines
end

-- log(score) + Gumbel noise: its k highest are a draw without replacement in proportion to the scores. u: uniform in [0,1).
function selection.gumbel(scores, u) return scores:log() - (-u:log()):log() end

-- Ranks the `ranked` highest in front of everything, and the others by the numbers u, the smallest first.
function selection.mixture(b, scores, ranked, u)
    local B, N = scores:size(0), scores:size(1)
    local ones = {}
    for i = 1, B * ranked do ones[i] = 1 end
    local first = b:constant(ones, { B, ranked }):scatter_rows(scores:topk { keep = ranked }, { size = N })
    return first * 3 - u
end

-- How many of k kept patches are kept by rank; nil and a sentence when that are more than k.
function selection.ranked_count(s, k, rows, columns)
    local n, why = keep.count(s.ranked, rows, columns, "mask.ranked")
    if n and n > k then
        return nil, ("mask.ranked = %s is %d patches; only keep = %d are kept in all"):format(errors.show(s.ranked), n, k)
    end
    return n, why
end

-- The kept patches of `whom`. how: "top", "bottom" or a criterion's settings; name: of the criterion, for random streams and errors.
function selection.keep(b, scores, k, how, whom, name)
    local s = type(how) == "table" and how or { select = how or "top" }
    local shape = scores:shape()
    local function uniform() return b:random(("mask/%s/select"):format(name or "mask"), { shape[1], shape[2] }) end
    if s.select == "random" then return uniform():topk { keep = k, order = "bottom" } end
    if s.select == "sampled" then return selection.gumbel(scores, uniform()):topk { keep = k } end
    if s.ranked ~= nil then
        whom = whom or "teacher"
        local ranked, why = selection.ranked_count(s, k, b:fact(whom, "grid_rows"), b:fact(whom, "grid_columns"))
        if not ranked then errors.fail("%s", why) end
        if ranked < k then
            local early = b:op("less", { b:signal("batch", "progress"), b:constant(s.ranked_from) })
            scores = b:op("where", { early, scores, selection.mixture(b, scores, ranked, uniform()) })
        end
    end
    return scores:topk { keep = k, order = s.select }
end

return selection
