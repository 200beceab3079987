-- own_files: criteria and losses in Lua as files of their own on the plugin path: found, listed, run, edited, and refused in one line.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local shell = require "shell"
local t = require "harness"

local strat = shell.folder .. "/strat"
os.execute(("mkdir -p '%s/mask' '%s/loss' '%s/other'"):format(strat, strat, shell.folder))

local function criterion(name, score)
    return ([[
local bauta = require "bauta"
return bauta.mask.define { doc = "a %s", name = "%s", params = { bauta.int("times", 2, 1, 9, "factor") }, score = function(m)
    %s
end }]]):format(name, name, score or "return m.class_attention {}:mean { axis = 1 } * m.params.times")
end
shell.write(strat .. "/bell.lua", criterion "bell")
shell.write(strat .. "/mask/chime.lua", criterion "chime")
shell.write(strat .. "/loss/soft.lua", [[
local bauta = require "bauta"
return bauta.loss.define { name = "soft", doc = "small logits", build = function(l) return (l.logits {} * l.logits {}):mean { axis = -100 } end }]])
-- A script that defines a criterion of another name is no criterion's file, wherever it lies.
shell.write(strat .. "/script.lua", criterion "another" .. "\nerror 'not to be read'")

local function bauta(arguments, folder)
    return shell.sh(("BAUTA_PLUGIN_PATH='%s' '%s' %s"):format(folder or strat, shell.program, arguments))
end
local function fails(status, want, arguments, folder)
    local s, _, err = bauta(arguments, folder)
    t.equal(s, status, arguments .. ": status; " .. err)
    t.equal(err:gsub("\n$", ""), "bauta: " .. want, arguments)
end

local s, out, err = bauta "plugins"
t.check(s == 0 and err == "" and not out:find "refused", "plugins: %s%s", out, err)
for _, line in ipairs { "mask%s+bell%s+Lua%s+a bell %(" .. strat:gsub("%p", "%%%0") .. "/bell.lua%)", "mask%s+chime%s+Lua", "loss%s+soft%s+Lua", "mask%s+centre%s+Lua" } do
    t.check(out:find(line), "listed: %s: %s", line, out)
end
t.check(not out:find("another", 1, true), "a script beside them is none: %s", out)
s, out = bauta "plugins mask chime"
t.check(s == 0 and out:find(strat .. "/mask/chime.lua", 1, true) and out:find("times", 1, true), "its settings: %s", out)
t.group "found and listed"

local run = shell.folder .. "/run.lua"
shell.write(run, [[
local bauta = require "bauta"
local vit = bauta.arch "deit" { dim = 8, depth = 1, heads = 2, image = 32, patch = 8, classes = 10 }
return bauta.distill { name = "x", data = bauta.data "scenes" { train = 32, test = 16 }, student = vit, teacher = vit, epochs = 1, batch = 16, probe = 0, overlays = 0,
    mask = bauta.mask "bell" { keep = 0.5, times = 3 }, losses = { bauta.loss "cross-entropy" {}, bauta.loss "soft" { weight = 0.1 } } }]])
local line = ("run '%s' --out '%s/runs' --threads 1"):format(run, shell.folder)
s, out, err = bauta(line)
t.check(s == 0 and out:find("x: complete", 1, true), "a run: %s%s", out, err)
t.equal(bauta(line .. " --resume"), 0, "the same criterion: the run is complete")
shell.write(strat .. "/bell.lua", criterion("bell", "return m.class_attention {}:mean { axis = 1 } * -m.params.times"))
t.equal(bauta(line .. " --resume"), 6, "an edited criterion is another one")
t.equal(bauta(("plan '%s' --set mask=chime"):format(run)), 0, "by --set")
s, out = bauta(("mask show 1 --data scenes --student deit:dim=8:depth=1:heads=2:image=32:patch=8:classes=10 --criterion bell:times=4,student --out '%s/m.png'"):format(shell.folder))
t.check(s == 0 and out:find("bell", 1, true), "mask show: %s", out)
fails(4, "no mask 'bel'; did you mean 'bell'? (there are: anneal, bell, bottom-k, centre, chime, detail, dino, disagreement, diverse, none, random, rollout, student, " ..
    "teacher, value-norm; searched: " .. strat .. ":" .. shell.program:gsub("core/bauta$", "plugins") .. ")", "plugins mask bel")
t.group "used"

local other = shell.folder .. "/other"
os.execute(("mkdir -p '%s/mask'"):format(other))
local function refused(name, text, want)
    local path = ("%s/mask/%s.lua"):format(other, name)
    shell.write(path, text)
    fails(want.status or 2, (want[1]:gsub("PATH", (path:gsub("%%", "%%%%")))), "plugins mask " .. name, other .. ":" .. strat)
    local _, listed = bauta("plugins mask", other .. ":" .. strat)
    t.check(listed:find("refused: " .. path, 1, true), "%s is listed as refused: %s", name, listed)
    os.remove(path)
end
refused("broken", "local x = = 3", { "PATH:1: unexpected symbol near '='" })
refused("empty", "return 3", { 'PATH: defines no criterion empty; bauta.mask.define { name = "empty", ... } expected' })
refused("wrong", criterion "right", { 'PATH: defines no criterion wrong; bauta.mask.define { name = "wrong", ... } expected' })
refused("late", criterion "late":gsub("return bauta", "bauta") .. "\nlocal t\nt.x = 1", { "PATH:6: attempt to index local 't' (a nil value)" })
refused("binary", "\27LJ", { "PATH: binary chunk refused" })
refused("chime", criterion "chime", { "criterion chime is there twice: PATH and " .. strat .. "/mask/chime.lua", status = 4 })
refused("centre", criterion "centre", { "criterion centre is there twice: " .. shell.here:gsub("tests/e2e$", "lua/bauta/strategies/centre.lua") .. " and PATH", status = 4 })
refused("student", criterion "student", { "criterion student is there twice: PATH and " .. shell.program:gsub("core/bauta$", "plugins/mask/student.so"), status = 4 })
t.group "refused"

-- A script does not take a name away either.
local function script_fails(name, want)
    local path = shell.folder .. "/mine.lua"
    shell.write(path, "local bauta = require 'bauta'\nbauta.mask.define { name = '" .. name .. "', score = print }\nreturn 5")
    fails(2, path .. ":" .. want, ("plan '%s'"):format(path))
end
script_fails("student", "2: mask.define: there is a criterion student already, " .. shell.program:gsub("core/bauta$", "plugins/mask/student.so") .. "; another name expected")
script_fails("centre", "2: mask.define: there is a criterion centre already, " .. shell.here:gsub("tests/e2e$", "lua/bauta/strategies/centre.lua") .. "; another name expected")
script_fails("bell", "2: mask.define: there is a criterion bell already, " .. strat .. "/bell.lua; another name expected")
local path = shell.folder .. "/mine.lua"
shell.write(path, "local bauta = require 'bauta'\nbauta.mask.define { name = 'mine', score = print }\nreturn 5")
fails(2, path .. ": the script returned 5; return bauta.train { ... }, bauta.distill { ... } or bauta.suite { ... }", ("plan '%s'"):format(path), shell.folder)
t.group "names of scripts"

shell.clean()
return t.done()
