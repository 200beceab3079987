-- readme: the Lua of the README and of docs/scripts.md does what it says: runs can be planned, criteria build and are used.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local shell = require "shell"
local t = require "harness"

local text = shell.read(shell.here .. "/../../README.md") or ""
local blocks = {}
for block in text:gmatch("```lua\n(.-)```") do blocks[#blocks + 1] = block end
t.equal(#blocks, 2, "Lua blocks of the README")

-- The experiment, on drawn pictures instead of CIFAR-10.
local experiment = shell.folder .. "/experiment.lua"
local changed, n = (blocks[1] or ""):gsub('bauta%.data "images" %b{}', 'bauta.data "scenes" {}')
t.equal(n, 1, "its data set")
shell.write(experiment, changed)
local status, out, err = shell.bauta(("plan '%s'"):format(experiment))
t.equal(status, 0, "plan of the README's experiment: " .. err)
t.check(out:find("teacher sees 32 of 64 patches (student)", 1, true), "it masks: %s", out)
t.group "the experiment"

-- The criterion, in a step of its own.
local criterion = shell.folder .. "/criterion.lua"
shell.write(criterion, 'local bauta = require "bauta"\n' .. (blocks[2] or "") .. [[
local arch = bauta.arch "deit" { dim = 24, depth = 2, heads = 2, image = 32, patch = 4, classes = 10 }
return bauta.distill { name = "x", data = bauta.data "scenes" {}, student = arch, teacher = arch, batch = 8,
    mask = middle { keep = 0.25, pull = 2 }, losses = { bauta.loss "logit" {} } }
]])
status, out, err = shell.bauta(("plan '%s'"):format(criterion))
t.equal(status, 0, "plan with the README's criterion: " .. err)
t.check(out:find("teacher sees 16 of 64 patches (middle)", 1, true), "it masks: %s", out)
t.group "the criterion"
-- Every block of the guides: runs are planned, the probe is run.
for name, wanted in pairs { grids = 1, scripts = 7, losses = 2, masking = 1, seeing = 1 } do
    local guide, n = shell.read(shell.here .. "/../../docs/" .. name .. ".md") or "", 0
    for block in guide:gmatch("```lua\n(.-)```") do
        n = n + 1
        local path = ("%s/%s%d.lua"):format(shell.folder, name, n)
        shell.write(path, block)
        local verb = block:find "\nreturn bauta.grid" and "grid plan --rate 1" or block:find "\nreturn " and "plan" or "lua"
        status, out, err = shell.bauta(verb .. " '" .. path .. "'")
        t.check(status == 0 and err == "", "block %d of docs/%s.md: %s", n, name, err)
    end
    t.equal(n, wanted, "blocks of docs/" .. name .. ".md")
end
t.group "the guides"
shell.clean()
return t.done()
