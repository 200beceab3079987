-- architectures: every one as student and as masked teacher in a tiny run; weights under other people's names; bauta inspect and bauta convert.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local shell = require "shell"
local t = require "harness"

shell.write(shell.folder .. "/script.lua", [[
local bauta = require "bauta"
local p = bauta.params { bauta.string("student", "deit", "architecture"), bauta.string("teacher", "deit", "architecture"),
    bauta.string("weights", "", "of the teacher"), bauta.string("keys", "auto", "whose names"), bauta.choice("masked", "yes", { "yes", "no" }, "the teacher"),
    bauta.choice("precision", "fp32", { "fp32", "bf16" }, "of the run") }
local data = bauta.data "scenes" { size = 32, train = 32, test = 16 }
local own = { swin = { dim = 8, depths = "1,1", heads = "1,2", window = 4 }, convvit = { dim = 24, heads = 2, depth = 2, stem_depth = 1 },
    convit = { dim = 24, heads = 4, depth = 3, local_blocks = 2, patch = 8 } }
local function model(name, more)
    local s = own[name] or { dim = 24, heads = 2, depth = 2, patch = 8 }
    local out = { image = 32, classes = data.classes }
    for k, v in pairs(s) do out[k == "local_blocks" and "local" or k] = v end
    for k, v in pairs(more or {}) do out[k] = v end
    return bauta.arch(name)(out)
end
return bauta.distill { name = "run", data = data, epochs = 1, batch = 8, seed = 1, overlays = 0, student = model(p.student),
    teacher = model(p.teacher, p.weights ~= "" and { weights = p.weights, keys = p.keys } or nil), precision = p.precision,
    mask = p.masked == "yes" and bauta.mask "student" { keep = 0.5 } or nil, optimiser = bauta.optimiser "adamw" { lr = 1e-3 },
    losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" {} } }
]])

local runs = 0
local function run(more)
    runs = runs + 1
    return shell.bauta(("run '%s/script.lua' --threads 1 --out '%s/%d' %s"):format(shell.folder, shell.folder, runs, more))
end

for _, name in ipairs { "cait", "clip", "convit", "convvit", "deit3", "mae", "swin" } do
    local status, _, err = run("--set student=" .. name)
    t.equal(status, 0, name .. " as student: " .. err)
    local _, said = shell.bauta(("inspect '%s/%d/run/student.safetensors'"):format(shell.folder, runs))
    t.check(said:find("\nfits " .. name .. " with ", 1, true), "inspect does not know a %s: %s", name, said)
    if name ~= "swin" then
        status, _, err = run("--set teacher=" .. name)
        t.equal(status, 0, name .. " as masked teacher: " .. err)
    end
end
t.group "every architecture as student and as masked teacher"

local status, _, err = run "--set teacher=swin"
t.equal(status, 2, "swin masked: status")
t.check(err:find("swin: cannot be masked: without some patches", 1, true), "swin masked: " .. err)
status, _, err = run "--set teacher=swin --set masked=no"
t.equal(status, 0, "swin as whole teacher: " .. err)
t.group "what cannot be masked"

-- A file with the names of DeiT III's authors, made from our own.
local bind, weights = require "bauta.bind.weights", shell.folder .. "/theirs.safetensors"
status, _, err = run "--set student=deit3"
t.equal(status, 0, "a model to take weights from: " .. err)
local file = bind.open(("%s/%d/run/student.safetensors"):format(shell.folder, runs))
local renamed = {}
for i, w in ipairs(file:list()) do renamed[i] = { at = i, name = (w.name:gsub("ls(%d)%.gamma$", "gamma_%1")) } end
file:write(weights, renamed, {})
file:free()
status, out, err = run("--set teacher=deit3 --set weights=" .. weights)
t.equal(status, 0, "their names: " .. err)
t.check((out .. err):find("names of DeiT III's authors", 1, true), "it is not said whose names they are: " .. out .. err)
status, _, err = run("--set teacher=deit3 --set keys=plain --set weights=" .. weights)
t.equal(status, 3, "their names taken for ours")
t.check(err:find("missing blocks.0.ls1.gamma (nearest: blocks.0.gamma_1)", 1, true), err)
status, _, err = run("--set teacher=cait --set weights=" .. weights)
t.equal(status, 3, "another architecture: " .. err)
t.check(err:find("teacher's weights: theirs.safetensors fits deit3 with dim = 24, depth = 2, patch = 8, image = 32, classes = 10, heads unknown, and the model is a cait; ", 1, true)
    and not err:gsub("\n$", ""):find "\n", "which one it is said in one line: %s", err)
t.group "weights of other people"

status, out, err = shell.bauta(("inspect '%s'"):format(weights))
t.equal(status, 0, "inspect: " .. err)
t.check(out:find("blocks.*.attn.qkv.weight F32[72,24]  x2", 1, true), out)
t.check(out:find("fits deit3 with dim = 24, depth = 2, patch = 8, image = 32", 1, true), out)
status, out, err = shell.bauta(("convert '%s' '%s/part.safetensors' --prefix blocks.0."):format(weights, shell.folder))
t.equal(status, 0, "convert: " .. err)
status, out = shell.bauta(("inspect '%s/part.safetensors' --all"):format(shell.folder))
t.check(status == 0 and out:find("attn.qkv.weight F32[72,24]", 1, true) and out:find("no architecture of ours", 1, true), out)
shell.write(shell.folder .. "/old.pth", "\128\2}q\0.")
status, _, err = shell.bauta(("inspect '%s/old.pth'"):format(shell.folder))
t.check(status == 3 and err:find("before PyTorch 1.6", 1, true), err)
status, _, err = shell.bauta(("convert '%s' '%s/out.bin'"):format(weights, shell.folder))
t.check(status == 2 and err:find("ends in .safetensors", 1, true), err)
status, _, err = shell.bauta(("convert '%s' '%s/x.safetensors' --prefix nobody."):format(weights, shell.folder))
t.check(status == 3 and err:find('no name begins with "nobody."', 1, true), err)
status, _, err = shell.bauta(("inspect '%s' --prefix nobody."):format(weights))
t.check(status == 3 and err:find('no name begins with "nobody."', 1, true), err)
t.group "inspect and convert"
shell.clean()
return t.done()
