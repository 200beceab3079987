-- parity: Bauta's numbers against those of others. Each parity/*.json is one case, written by a script of this folder with PyTorch and
-- committed; parity/KIND.lua computes the same with Bauta. Run it with `bauta lua tests/reference/parity.lua`; with `write` behind it, it also writes
-- docs/parity.md.
--
-- A case: kind, name (its row), source (what its numbers come from), tolerance (relative to the largest wanted number of a list; default
-- 1e-5), bf16 (how far the other is off with its own bf16: the case is compared a second time in bf16, and may be off by twice that), want
-- (numbers and flat lists by name), and whatever its kind reads. KIND.lua returns function(case) -> numbers and lists by name.
local json = require "bauta.json"

local here = arg[0]:match("^(.*)/[^/]*$") or "."
package.path = here .. "/../lua/?.lua;" .. here .. "/parity/?.lua;" .. package.path
local t = require "harness"

local function cases()
    local out, pipe = {}, io.popen("ls '" .. here .. "/parity'")
    for name in pipe:lines() do
        if name:find "%.json$" then
            local f = assert(io.open(here .. "/parity/" .. name))
            local case = json.decode(f:read "*a")
            f:close()
            case.file = name
            out[#out + 1] = case
        end
    end
    pipe:close()
    table.sort(out, function(a, b) return a.kind .. a.name < b.kind .. b.name end)
    return out
end

-- Numbers as lists; nil and a reason when they have no common shape.
local function lists(got, want)
    if type(want) == "number" then got, want = { got }, { want } end
    if type(got) ~= "table" or #got ~= #want then
        return nil, ("%s numbers, %d wanted"):format(type(got) == "table" and #got or "no", #want)
    end
    for i = 1, #got do
        if got[i] ~= got[i] then return nil, "not a number" end
    end
    return got, want
end

-- The largest difference of two numbers or lists, relative to the largest wanted one.
local function largest(got, want)
    local off, top = 0, 1e-30
    for i, w in ipairs(want) do off, top = math.max(off, math.abs(got[i] - w)), math.max(top, math.abs(w)) end
    return off / top
end

-- The length of the difference relative to that of what is wanted: where rounding is all there is, the largest difference is luck.
local function length(got, want)
    local off, all = 0, 1e-60
    for i, w in ipairs(want) do off, all = off + (got[i] - w) ^ 2, all + w ^ 2 end
    return math.sqrt(off / all)
end

local rows = {}

local function compare(case, name, source, apart, tolerance)
    local got, worst, at, count = require(case.kind)(case), 0, "", 0
    for what, want in pairs(case.want) do
        local have, list = lists(got[what], want)
        local off = have and apart(have, list)
        t.check(off and off <= tolerance, "%s: %s: %s", case.file, what, not have and list or ("relative difference %.3g"):format(off or 0))
        count = count + (type(want) == "table" and #want or 1)
        if off and off >= worst then worst, at = off, what end
    end
    t.check(count > 0, "%s wants nothing", case.file)
    rows[#rows + 1] = { case.kind, name, source, count, worst, at, half = apart == length, limit = tolerance }
end

for _, case in ipairs(cases()) do
    local half = case.bf16 and json.decode(json.encode(case)) -- a kind may change the tables of its case
    compare(case, case.name, case.source, largest, case.tolerance or 1e-5)
    if half then
        half.precision, half.file = "bf16", case.file
        compare(half, case.name .. ", bf16", ("%s; off by %.0e in bf16 itself"):format(case.source, case.bf16), length, 2 * case.bf16)
    end
end
t.group(#rows .. " rows")

-- Of each kind: rows, numbers, the largest difference in fp32, the largest share of its limit in bf16.
local function summary()
    local kinds, of = {}, {}
    for _, r in ipairs(rows) do
        local k = of[r[1]]
        if not k then
            k = { rows = 0, numbers = 0, fp32 = 0 }
            kinds[#kinds + 1], of[r[1]] = r[1], k
        end
        k.rows, k.numbers = k.rows + 1, k.numbers + r[4]
        if r.half then k.bf16 = math.max(k.bf16 or 0, r[5] / r.limit) else k.fp32 = math.max(k.fp32, r[5]) end
    end
    local out = { "| kind | rows | numbers | largest difference in fp32 | in bf16, of the limit |", "| --- | ---: | ---: | ---: | ---: |" }
    for _, name in ipairs(kinds) do
        local k = of[name]
        out[#out + 1] = ("| %s | %d | %d | %.0e | %s |"):format(name, k.rows, k.numbers, k.fp32, k.bf16 and ("%.0f %%"):format(100 * k.bf16) or "")
    end
    return table.concat(out, "\n")
end

local function write(path)
    local out = { "# Parity", "",
        "What Bauta computes against what others do, on the same inputs and weights. The cases are `tests/reference/parity/*.json`, written by the",
        "Python scripts beside it (`requirements.txt` pins what they were run with) and committed; `meson test -C build parity` compares, and this page",
        "is the output of `bauta lua tests/reference/parity.lua write`. The difference is the largest one of all compared numbers",
        "(values and gradients), relative to the largest number of the tensor it is in. Theirs are float64, Bauta's fp32 on the CPU;",
        "in rows that end with `bf16` it is bf16, the difference is the length of a tensor's error relative to the length of the tensor, and the limit is",
        "twice what the other one is off with its own bf16 (models wholly in bf16, losses by autocast).", "",
        "Rows of the kind `export` are weights that Bauta has written as safetensors and timm has loaded strictly (`check_export.py`).", "",
        "*Our restatement*: timm has no such model; the peer is `parity_restated.py`, a second version of it in PyTorch that shares no code with Bauta.", "",
        summary(), "",
        "| kind | case | against | numbers | largest difference | where |", "| --- | --- | --- | ---: | ---: | --- |" }
    for _, r in ipairs(rows) do
        out[#out + 1] = ("| %s | %s | %s | %d | %.0e | %s |"):format(r[1], r[2], r[3], r[4], r[5], r[6])
    end
    local f = assert(io.open(path, "w"))
    f:write(table.concat(out, "\n"), "\n")
    f:close()
end

if arg[1] == "write" then write(arg[2] or here .. "/../../docs/parity.md") end
return t.done()
