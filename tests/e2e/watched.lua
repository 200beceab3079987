-- watched: a distillation that starts from the weights of known.lua, for bauta run. --data: their file.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bauta = require "bauta"
local known = require "known"

local p = bauta.params {
    bauta.choice("kind", "known", { "known", "larger", "moving", "plain", "ranked", "sampled", "random" },
        "larger: a teacher of larger pictures; moving: criteria that draw anew; plain: no shadows; the others: criteria that draw a part or all of what is kept"),
    bauta.string("name", "run", "the run's name"),
}
local shadow = { bauta.mask "student" {}, bauta.mask "student" { keep = 0.25 }, bauta.mask "bottom-k" {} }
local more = { name = p.name, shadow = shadow }
if p.kind == "plain" then more.shadow = nil end
if p.kind == "larger" then more.teacher = bauta.arch "deit" { dim = 8, depth = 1, heads = 1, image = 48, patch = 12, classes = 10 } end
if p.kind == "moving" then
    more = { name = p.name, mask = bauta.mask "random" { keep = { [0] = 0.5, [2] = 0.25 } }, epochs = 4, probe = 24,
        optimiser = bauta.optimiser "adamw" { lr = 1e-2 }, shadow = { bauta.mask "student" {}, bauta.mask "random" { keep = 0.25 } } }
end
local drawn = { ranked = bauta.mask "student" { keep = 0.5, ranked = 0.25, ranked_from = 0.4 },
    sampled = bauta.mask "student" { keep = 0.5, select = "sampled" }, random = bauta.mask "random" { keep = 0.5 } }
if drawn[p.kind] then more = { name = p.name, mask = drawn[p.kind], epochs = 4, optimiser = bauta.optimiser "adamw" { lr = 1e-2 } } end
return known.distill(arg.data, more)
