-- keep: shares, counts, the papers' labels, and what is refused.
local keep = require "bauta.keep"
local t = require "harness"

local allowed = 'a share 0 < keep < 1, a count >= 2, a label as "50%", "all" or a schedule as { [0] = "all", [10] = 0.5 } expected'

local function count(v, side) return (keep.count(v, side, side)) end

for label, want in pairs { ["87%"] = 170, ["77%"] = 150, ["75%"] = 144, ["66%"] = 130, ["61%"] = 120, ["50%"] = 98, ["40%"] = 80, ["25%"] = 49, ["100%"] = 196,
    all = 196 } do t.equal(count(label, 14), want, label) end
for label, want in pairs { ["75%"] = 192, ["50%"] = 128 } do t.equal(count(label, 16), want, label) end
for label, want in pairs { ["75%"] = 432, ["50%"] = 288, ["34%"] = 196 } do t.equal(count(label, 24), want, label) end
for label, want in pairs { ["83%"] = 500, ["50%"] = 300 } do t.equal((keep.count(label, 12, 50)), want, label) end
t.equal((keep.count("83%", 14, 14)), 163, "a label of another model is a share")
for label, want in pairs { ["75%"] = 48, ["50%"] = 32, ["40%"] = 26, ["25%"] = 16, ["12.5%"] = 8 } do t.equal(count(label, 8),
    want, label) end
t.group "labels of the papers"

for share, want in pairs { [0.5] = 98, [0.75] = 147, [0.4] = 78, [0.25] = 49, [0.0026] = 1, [0.99999] = 196, [98] = 98, [2] = 2,
    [196] = 196 } do
    t.equal(count(share, 14), want, tostring(share))
end
t.equal(count(0.5, 3), 5, "4.5 patches are 5: half up")
for n = 2, 196 do t.equal(count(n, 14), n, "count") end
t.group "shares and counts"

local refused = {
    { 0, "mask.keep = 0; " .. allowed },
    { -0.5, "mask.keep = -0.5; " .. allowed },
    { -3, "mask.keep = -3; " .. allowed },
    { 0 / 0, "mask.keep = nan; " .. allowed },
    { math.huge, "mask.keep = inf; " .. allowed },
    { 0.001, "mask.keep = 0.001 of 196 patches keeps 0; smallest is 0.0026" },
    { 300, "mask.keep = 300; the model has 196 patches (14x14)" },
    { 1.5, "mask.keep = 1.5; a count is a whole number; " .. allowed },
    { 1, 'mask.keep = 1; ambiguous: write "all" (or "100%") for every patch; one single patch is no teacher\'s view; ' .. allowed },
    { "half", 'mask.keep = "half"; ' .. allowed },
    { "0%", 'mask.keep = "0%"; ' .. allowed },
    { "101%", 'mask.keep = "101%"; ' .. allowed },
    { "50", 'mask.keep = "50"; ' .. allowed },
    { "", 'mask.keep = ""; ' .. allowed },
    { true, 'mask.keep = true; ' .. allowed },
}
for _, row in ipairs(refused) do
    local n, why = keep.count(row[1], 14, 14, "mask.keep")
    t.equal(n, nil, "refused")
    t.equal(why, row[2], "message")
end
t.group "what is refused"
return t.done()
