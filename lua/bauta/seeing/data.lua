-- data: every picture (or clip) of a data set read once: which are broken, which are there twice, how many there are of each class, and
-- whether they are still those of a list made earlier.
local errors = require "bauta.errors"
local session = require "bauta.session"
local spec = require "bauta.seeing.spec"

local data = {}

local shown = 5 -- of everything that is listed

local function say(fmt, ...) io.stdout:write(fmt:format(...), "\n") end

-- A path alone is a tree of folders. what: the verb.
function data.described(text, what)
    if text:find "^[%a_][%w_-]*$" and not session.exists(text) or text:find "^[%a_][%w_-]*:[%a_][%w_]*=" then
        return spec.describe("data", text, nil, what)
    end
    return spec.describe("data", "images", { path = text }, what)
end

-- What a split has many of.
local function noun(one) return one.set.channels == 1 and "clip" or "picture" end

-- Reads a split: { name, set, sums = { [i] = hash }, labels, broken = list of { i, why } }.
local function read(name, set)
    local out = { name = name, set = set, sums = {}, labels = {}, broken = {} }
    set:keep(0)
    for i = 0, set.count - 1 do
        local ok, sum, label = pcall(set.hash, set, i)
        if ok then out.sums[i], out.labels[i] = sum, label
        elseif errors.is(sum) and sum.code == "data" then out.broken[#out.broken + 1] = { i, errors.text(sum) }
        else error(sum, 0) end
    end
    return out
end

-- ---- what is told ----

local function tell_classes(one)
    local n, counts = one.set.classes, {}
    for c = 0, n - 1 do counts[c] = 0 end
    for _, label in pairs(one.labels) do counts[label] = counts[label] + 1 end
    local least, most = 0, 0
    for c = 1, n - 1 do
        if counts[c] < counts[least] then least = c end
        if counts[c] > counts[most] then most = c end
    end
    local boxes = one.set.has_boxes and ", objects have boxes" or ""
    local each = counts[least] == counts[most] and ("%d"):format(counts[least])
        or ("%d (%s) to %d (%s)"):format(counts[least], one.set:class_name(least), counts[most], one.set:class_name(most))
    say("%s: %d %ss in %d classes, %s in each%s", one.name, one.set.count, noun(one), n, each, boxes)
end

local function tell_broken(one)
    if #one.broken == 0 then return end
    say("%s: %d %ss cannot be read", one.name, #one.broken, noun(one))
    for i = 1, math.min(#one.broken, shown) do say("  sample %d: %s", one.broken[i][1], one.broken[i][2]) end
    if #one.broken > shown then say("  and %d more", #one.broken - shown) end
end

-- Where each sum is first seen in a split, and how many are there again.
local function index(one)
    local first, again, example = {}, 0, nil
    for i = 0, one.set.count - 1 do
        local sum = one.sums[i]
        if sum and first[sum] then
            again = again + 1
            example = example or { first[sum], i }
        elseif sum then first[sum] = i end
    end
    return first, again, example
end

local function named(one, i) return ("%s sample %d (%s)"):format(one.name, i, one.set:class_name(one.labels[i])) end

-- Pictures that are there twice. Returns how many of the second split are in the first one, too.
local function tell_duplicates(train, test)
    local seen = {}
    for _, one in ipairs { train, test } do
        local first, again, example = index(one)
        seen[one] = first
        if again > 0 then
            say("%s: %d %ss are there again; the first: %s is %s", one.name, again, noun(one), named(one, example[2]), named(one, example[1]))
        end
    end
    local both, example = 0, nil
    for i = 0, test.set.count - 1 do
        local at = test.sums[i] and seen[train][test.sums[i]]
        if at then
            both = both + 1
            example = example or { i, at }
        end
    end
    if both > 0 then
        say("%d test %ss are training %ss, too; the first: %s is %s", both, noun(test), noun(train), named(test, example[1]), named(train, example[2]))
    else say("no test %s is a training %s", noun(test), noun(train)) end
    return both
end

-- ---- lists ----

local function write_list(path, splits)
    local out = {}
    for _, one in ipairs(splits) do
        for i = 0, one.set.count - 1 do
            if one.sums[i] then out[#out + 1] = ("%s %s %d %d\n"):format(one.sums[i], one.name, i, one.labels[i]) end
        end
    end
    require("bauta.bind.run").put(path, table.concat(out))
    say("%s: checksums of %d %ss", path, #out, noun(splits[1]))
end

-- Holds what was read against a list. Returns how many differ or are gone.
local function compare_list(path, splits)
    local text, why = session.read(path)
    if not text then errors.raise("data", why, path) end
    local by_name, wrong, line_number, listed = {}, {}, 0, 0
    for _, one in ipairs(splits) do by_name[one.name] = one end
    for line in text:gmatch "[^\n]+" do
        line_number = line_number + 1
        local sum, split, i, label = line:match "^(%x+) (%l+) (%d+) (%d+)$"
        local one = by_name[split]
        if not one or #sum ~= 64 then
            errors.raise("data", ("line %d: a checksum, train or test, a number and a class expected"):format(line_number), path)
        end
        i, listed = tonumber(i), listed + 1
        if one.sums[i] ~= sum then wrong[#wrong + 1] = ("%s sample %d: %s"):format(split, i, one.sums[i] and (noun(one) == "clip" and "other energies" or "other pixels") or "not there")
        elseif one.labels[i] ~= tonumber(label) then wrong[#wrong + 1] = ("%s sample %d: class %d, was %s"):format(split, i, one.labels[i],
            label) end
    end
    say("%s: %d of %d %ss differ", path, #wrong, listed, noun(splits[1]))
    for i = 1, math.min(#wrong, shown) do say("  %s", wrong[i]) end
    if #wrong > shown then say("  and %d more", #wrong - shown) end
    return #wrong
end

-- given: [1] the data; list, compare (files), strict. Returns the exit status.
function data.check(text, given)
    local description = data.described(text, "data check")
    local splits = {}
    for i, name in ipairs { "train", "test" } do
        splits[i] = read(name, description:split(name))
        tell_classes(splits[i])
        tell_broken(splits[i])
    end
    local bad = #splits[1].broken + #splits[2].broken
    local both = tell_duplicates(splits[1], splits[2])
    if given.compare then bad = bad + compare_list(given.compare, splits) end
    if given.list then write_list(given.list, splits) end
    if bad > 0 or given.strict and both > 0 then return errors.status.data end
    return 0
end

return data
