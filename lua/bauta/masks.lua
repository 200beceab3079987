-- masks: what can be said about sets of kept patches. A set is an ascending list of patch numbers from 0; shares are percentages.
local masks = {}

-- How many patches two sets have in common.
local function common(a, b)
    local i, j, n = 1, 1, 0
    while a[i] and b[j] do
        if a[i] == b[j] then i, j, n = i + 1, j + 1, n + 1
        elseif a[i] < b[j] then i = i + 1 else j = j + 1 end
    end
    return n
end

-- Intersection over union (the Jaccard index) of two sets, in percent.
function masks.overlap(a, b)
    local n = common(a, b)
    local union = #a + #b - n
    return union > 0 and 100 * n / union or 100
end

-- Its mean over pictures: lists of sets, one a picture. NaN when there is none to compare.
function masks.mean_overlap(one, other)
    local sum, n = 0, 0
    for i, set in ipairs(one) do
        if other[i] then sum, n = sum + masks.overlap(set, other[i]), n + 1 end
    end
    return n > 0 and sum / n or 0 / 0
end

-- How often each of N patches is kept: a list of N percentages, whose mean is that of k / N.
function masks.frequency(sets, N)
    local out = {}
    for p = 1, N do out[p] = 0 end
    for _, set in ipairs(sets) do
        for _, p in ipairs(set) do out[p + 1] = out[p + 1] + 1 end
    end
    for p = 1, N do out[p] = 100 * out[p] / math.max(#sets, 1) end
    return out
end

-- The share of a picture's saliency that its set holds. saliency: indexable from `from`, N numbers.
function masks.mass(saliency, from, N, set)
    local all, held = 0, 0
    for p = from, from + N - 1 do all = all + saliency[p] end
    for _, p in ipairs(set) do held = held + saliency[from + p] end
    return all > 0 and 100 * held / all or 0 / 0
end

-- The sets of `count` pictures from kept patches as a program gives them (from 0, k a picture), added to a list.
function masks.collect(kept, count, k, out)
    for b = 0, count - 1 do
        local set = {}
        for j = 1, k do set[j] = kept[b * k + j - 1] end
        out[#out + 1] = set
    end
end

-- "0110...": for each patch whether it is kept.
function masks.text(set, N)
    local out = {}
    for p = 1, N do out[p] = "0" end
    for _, p in ipairs(set) do out[p + 1] = "1" end
    return table.concat(out)
end

function masks.from_text(text)
    local out = {}
    for p = 1, #text do
        if text:byte(p) == 49 then out[#out + 1] = p - 1 end
    end
    return out
end

local bits = 16 -- of a number of the packed form: exact in any float32

function masks.words(N) return math.ceil(N / bits) end

-- Sets as plain numbers of 16 patches each, words(N) a picture; and back.
function masks.pack(sets, N)
    local words, out = masks.words(N), {}
    for i = 1, #sets * words do out[i] = 0 end
    for i, set in ipairs(sets) do
        for _, p in ipairs(set) do
            local w = (i - 1) * words + math.floor(p / bits) + 1
            out[w] = out[w] + 2 ^ (p % bits)
        end
    end
    return out
end

function masks.unpack(numbers, N)
    local words, out = masks.words(N), {}
    for i = 1, #numbers / words do
        local set = {}
        for p = 0, N - 1 do
            local w = numbers[(i - 1) * words + math.floor(p / bits) + 1]
            if math.floor(w / 2 ^ (p % bits)) % 2 == 1 then set[#set + 1] = p end
        end
        out[i] = set
    end
    return out
end

return masks
