-- packing: bauta data pack, and what is packed as --data: the same sums, the same run; other sizes and codings; what it refuses.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local shell = require "shell"
local t = require "harness"

local function path(name) return shell.folder .. "/" .. name end
local function bauta(arguments)
    local status, out, err = shell.bauta(arguments)
    t.equal(status, 0, arguments .. ": " .. err)
    return out, err
end

-- ---- a folder of pictures, which mask show draws ----
local picture = path "picture.png"
local draw = ("mask show %%d --data scenes:size=32:train=64:test=64 --student deit:dim=24:depth=2:heads=2:image=32:patch=4 --out '%s'"):format(picture)
for i = 0, 11 do
    local folder = path(("tree/%s/%s"):format(i % 3 == 2 and "test" or "train", i % 2 == 0 and "round" or "square"))
    shell.sh(("mkdir -p '%s'"):format(folder))
    bauta(draw:format(i))
    shell.write(("%s/%02d.png"):format(folder, i), shell.read(picture))
end
local tree, list, file = path "tree", path "sums.txt", path "tree.pack"
bauta(("data check '%s' --list '%s'"):format(tree, list))
for _, quality in ipairs { "raw", "same" } do
    local out = bauta(("data pack '%s' '%s' --quality %s --threads 2"):format(tree, file, quality))
    t.check(out:find("tree.pack: 8 train and 4 test pictures, ", 1, true), "%s", out)
    out = bauta(("data check '%s' --compare '%s'"):format(file, list))
    t.check(out:find("0 of 12 pictures differ", 1, true) and out:find("8 pictures in 2 classes", 1, true), "%s: %s", quality, out)
end
t.group "the pictures of the source"

-- ---- a run on each ----
local script = path "packed.lua"
shell.write(script, [[
local bauta = require "bauta"
local data = bauta.data "images" { path = arg.data, augment = "crop" }
return bauta.train { name = "run", data = data, student = bauta.arch "deit" { dim = 24, depth = 1, heads = 2, image = 48, patch = 16, classes = data.classes },
    optimiser = bauta.optimiser "adamw" { lr = 1e-3 }, epochs = 2, batch = 4, seed = 1 }
]])
shell.sh(("mkdir '%s'"):format(path "raw"))
bauta(("data pack '%s' '%s' --quality raw"):format(tree, path "raw/tree.pack")) -- the student's file notes the pictures by this name
for _, name in ipairs { "tree", "tree.pack", "raw/tree.pack" } do
    bauta(("run '%s' --data '%s' --out '%s' --threads 1"):format(script, path(name), path("on-" .. name:gsub("/", "-"))))
end
t.check(shell.same("on-tree/run/student.safetensors", "on-tree.pack/run/student.safetensors"), "another run on the packed files")
t.check(shell.same("on-tree/run/student.safetensors", "on-raw-tree.pack/run/student.safetensors"), "another run on the packed pixels")
bauta(("data pack '%s' '%s' --size 20x24"):format(tree, file))
local out = bauta(("data check '%s'"):format(file))
t.check(out:find("test: 4 pictures in 2 classes, 2 in each", 1, true), "%s", out)
t.group "a run on a packed data set"

-- ---- made without files ----
out = bauta(("data pack scenes:size=40:train=30:test=10 '%s' --size 24 --quality 90 --bilinear --splits train"):format(file))
t.check(out:find("30 train pictures, 0.0 MiB", 1, true), "%s", out)
t.group "drawn pictures as JPEG"

-- ---- refusals: one line, nothing left ----
local function refused(arguments, code, want)
    local got, _, text = shell.bauta(arguments)
    t.check(got == code and text:find(want, 1, true) and select(2, text:gsub("\n", "\n")) == 1, "%s: %d %s", arguments, got, text)
end
local function q(name) return "'" .. path(name) .. "'" end
refused("data pak x y", 2, "did you mean pack?")
refused("data pack scenes", 2, "data pack: DATA and FILE expected")
refused("data check scenes x", 2, "data check: DATA alone expected")
refused("data pack scenes " .. q "x" .. " --size 0", 2, "--size 0: 72 (the shorter side)")
refused("data pack scenes " .. q "x" .. " --size 64x", 2, "--size 64x: ")
refused("data pack scenes " .. q "x" .. " --size 64x5000", 2, "sides of 1 to 4096")
refused("data pack scenes " .. q "x" .. " --quality 101", 2, "--quality 101: raw")
refused("data pack scenes " .. q "x" .. " --quality best", 2, "--quality best: raw")
refused("data pack scenes " .. q "x" .. " --splits val", 2, "--splits val: both, train or test")
refused("data pack scenes:train=5:test=5 " .. q "x" .. " --quality same", 2, "sample 0 has no JPEG or PNG file of its own")
refused("data pack '" .. tree .. "' " .. q "x" .. " --quality same --size 8", 2, "cannot have another size")
refused("data pack /nowhere " .. q "x", 3, "/nowhere")
refused("data pack scenes " .. q "no/x", 5, "No such file or directory")
refused("data check " .. q "tree.pack", 3, "packed without test pictures")
refused("data check cifar:path=" .. file, 3, "is a packed data set; the data plugin images reads it, and no other")
refused("data check images:path=" .. path "raw/tree.pack" .. ":upright=true", 2, "pack it with this setting")
shell.write(path "cut.pack", shell.read(path "raw/tree.pack"):sub(1, -2))
refused("data check " .. q "cut.pack", 3, "(cut off?)")
t.check(shell.read(path "x") == nil, "nothing is left of what was refused")
t.equal(select(2, shell.sh(("ls -A '%s' | grep -c tmp"):format(shell.folder))):match "%d+", "0", "no temporary files")
t.group "refused"
shell.clean()
return t.done()
