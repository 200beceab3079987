-- test: what the pictures promise, in numbers. Run with `bauta lua --plugins FOLDER-OF-THE-PLUGIN test.lua`.
local bauta = require "bauta"

local data = bauta.data "example" { size = 16, train = 40, test = 8, classes = 4 }
local train = data:split "train"
local passed, failed = 0, 0
local function check(ok, what)
    passed, failed = passed + (ok and 1 or 0), failed + (ok and 0 or 1)
    if not ok then print("not ok - " .. what) end
end

check(train.count == 40 and train.classes == 4, "40 pictures of 4 classes")
for i = 0, 7 do
    local s = train:read(i)
    check(s.label == i % 4, ("label %d of sample %d"):format(s.label, i))
    -- Class 0 varies along the rows only: every row is the same; class 2 along the columns only.
    local rows, columns = true, true
    for y = 0, 15 do
        for x = 0, 15 do
            rows = rows and s.pixels[(y * 16 + x) * 3] == s.pixels[x * 3]
            columns = columns and s.pixels[(y * 16 + x) * 3] == s.pixels[y * 16 * 3]
        end
    end
    check(rows == (s.label == 0), ("sample %d: equal rows"):format(i))
    check(columns == (s.label == 2), ("sample %d: equal columns"):format(i))
end
print(("%d passed, %d failed, 0 skipped"):format(passed, failed))
return failed == 0 and 0 or 1
