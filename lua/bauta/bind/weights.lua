-- bind/weights: weight files as Lua objects: what is in them, and writing them anew.
local M = require "bauta.ffi"

local bind = {}
local File = M.class("weights", "ba_weights_free")

function bind.open(path)
    return M.own(File, M.call("ba_weights_open", M.string(path, "weights")), nil, { path = path })
end

-- List of { name, dtype, shape, count, bytes }, ascending by name.
function File:list()
    local out, t = {}, M.new("ba_weight_info")
    for i = 0, M.number(M.C.ba_weights_count(M.ptr(self, File))) - 1 do
        M.call("ba_weights_info", M.ptr(self, File), i, t)
        local shape = {}
        for k = 1, t.rank do shape[k] = M.number(t.dim[k - 1]) end
        out[i + 1] = { name = M.text(t.name), dtype = M.text(t.dtype), shape = shape, count = M.number(t.count), bytes = M.number(t.bytes) }
    end
    return out
end

function File:notes()
    local out, n = {}, M.new("ba_note")
    for i = 0, M.number(M.C.ba_weights_notes(M.ptr(self, File))) - 1 do
        M.call("ba_weights_note", M.ptr(self, File), i, n)
        out[M.text(n.key)] = M.text(n.value)
    end
    return out
end

-- What is wrong with n numbers of a tensor: "has 2 NaN", or nil. Told by their bits: some NaN of a file would be no numbers to LuaJIT at all.
local function unfit(numbers, n)
    local nan, infinite, bits, exponent = 0, 0, M.cast("const int32_t *", numbers), 0x7f800000
    for i = 0, n - 1 do
        local v = bit.band(bits[i], 0x7fffffff)
        if v > exponent then nan = nan + 1 elseif v == exponent then infinite = infinite + 1 end
    end
    if nan > 0 then return ("has %d NaN"):format(nan) end
    return infinite > 0 and ("has %d infinite numbers"):format(infinite) or nil
end

bind.floats = { F32 = true, F16 = true, BF16 = true, F64 = true }

-- Reads every tensor of real numbers. Returns what no model should begin with: a list of { name, what }. Raises where a file's own checksums do not fit.
function File:defects()
    local list, most, out = self:list(), 1, {}
    for _, t in ipairs(list) do most = math.max(most, bind.floats[t.dtype] and t.count or 0) end
    local numbers = M.array("float", most)
    for i, t in ipairs(list) do
        if bind.floats[t.dtype] then
            M.call("ba_weights_read", M.ptr(self, File), i - 1, numbers, t.count)
            local what = unfit(numbers, t.count)
            if what then out[#out + 1] = { t.name, what } end
        end
    end
    return out
end

-- Writes tensors { { at = index, name = name } } of this file as a safetensors file of fp32 numbers. Returns as defects does, of those.
function File:write(path, tensors, notes)
    local n = #tensors
    local items, held, out = M.new("ba_weight_item[?]", math.max(n, 1)), {}, {}
    local t = M.new("ba_weight_info")
    for i, want in ipairs(tensors) do
        M.call("ba_weights_info", M.ptr(self, File), want.at - 1, t)
        local numbers = M.array("float", M.number(t.count))
        M.call("ba_weights_read", M.ptr(self, File), want.at - 1, numbers, t.count)
        held[i] = { numbers, want.name }
        local what = unfit(numbers, M.number(t.count))
        if what then out[#out + 1] = { want.name, what } end
        local item = items[i - 1]
        item.name, item.data, item.type.dtype, item.type.rank = want.name, numbers, 1, t.rank
        for k = 0, 4 do item.type.dim[k] = k < t.rank and t.dim[k] or 1 end
    end
    local keys = {}
    for k in pairs(notes) do keys[#keys + 1] = k end
    table.sort(keys)
    local list = M.new("ba_note[?]", math.max(#keys, 1))
    for i, k in ipairs(keys) do list[i - 1].key, list[i - 1].value = k, notes[k] end
    M.call("ba_weights_write", M.string(path, "path"), n, items, #keys, list)
    return out
end

-- Lines about what defects or write has returned, the first ten.
function bind.defect_lines(list)
    local lines = {}
    for i, one in ipairs(list) do lines[i] = i <= 10 and ("%s %s: bauta run refuses it"):format(one[1], one[2]) or nil end
    if #list > 10 then lines[11] = ("and %d more such tensors"):format(#list - 10) end
    return lines
end

function File:free() M.free(self) end

return bind
