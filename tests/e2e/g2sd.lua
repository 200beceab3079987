-- g2sd: both stages as one suite, from script to file: the second student begins with the encoder of the first and learns with both heads from a masked
-- teacher that takes the mean of its patches; positions stay in the first stage and learn in the second; bauta inspect knows the file.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local shell = require "shell"
local compare = require "compare"
local t = require "harness"
local bauta = require "bauta"
local bind = require "bauta.bind.weights"

shell.write(shell.folder .. "/g2sd.lua", [[
local bauta = require "bauta"
local data = bauta.data "scenes" { size = 16, train = 64, test = 32 }
local function mae(dim, more)
    local s = { dim = dim, depth = 2, heads = 2, image = 16, patch = 4, classes = data.classes, decoder_dim = dim, decoder_heads = 2 }
    for k, v in pairs(more) do s[k] = v end
    return bauta.arch "mae"(s)
end
local generic = bauta.distill { name = "generic", recipe = "g2sd-generic", data = data, epochs = 2, batch = 16, seed = 1, overlays = 0, probe = 0,
    student = mae(24, { pool = "class", decoder = true, decoder_depth = 2 }), teacher = mae(36, { pool = "class", decoder = true, decoder_depth = 3 }),
    mask = bauta.mask "random" { keep = 0.25, who = "both" }, losses = { bauta.loss "g2sd" { layer = 1 } },
    schedule = bauta.schedule "cosine" { warmup = 0 } }
local specific = bauta.distill { name = "specific", recipe = "g2sd-specific", data = data, epochs = 2, batch = 16, seed = 1, overlays = 0, probe = 0,
    student = mae(24, { pool = "class", distilled = true, weights = generic, partial = "head,dist_token,decoder,mask_token" }), teacher = mae(36, {}),
    optimiser = bauta.optimiser "adamw" { lr = 1e-4 }, mask = bauta.mask "student" { keep = 0.5 }, losses = bauta.losses "deit-hard" {}, schedule = bauta.schedule "cosine" { warmup = 0 } }
return bauta.suite { name = "g2sd", runs = { generic, specific } }
]])

local out = shell.folder .. "/out"
local status, _, err = shell.bauta(("run '%s/g2sd.lua' --threads 1 --out '%s' --no-preflight"):format(shell.folder, out))
t.equal(status, 0, "both stages: " .. err)

-- A tensor of a run's student: its numbers; nil where there is none.
local function weights(run, name)
    local file = bind.open(("%s/g2sd/%s/student.safetensors"):format(out, run))
    local dims, store = nil, bauta.store(1)
    for _, w in ipairs(file:list()) do
        if w.name == name then dims = w.shape end
    end
    if dims then
        local part = shell.folder .. "/" .. name
        for i, w in ipairs(file:list()) do
            if w.name == name then file:write(part, { { at = i, name = name } }, {}) end
        end
        store:add(name, dims)
        store:load(part, {})
    end
    file:free()
    return dims and store:read(name), dims and table.concat(dims, ",")
end
local function apart(a, b)
    local most = 0
    for i = 1, #a do most = math.max(most, math.abs(a[i] - b[i])) end
    return most
end
local before, first = weights("generic", "pos_embed")
local after, second = weights("specific", "pos_embed")
t.check(first == "1,17,24" and second == first, "tables of positions: %s and %s", tostring(first), tostring(second))
t.equal(before[1] .. " " .. before[24 + 7], "0 1", "the first stage leaves them: a class token at 0, the cosine of column 0")
t.check(apart(before, after) > 0, "the second trains them")
t.check(not weights("generic", "head_dist.weight") and weights("specific", "head_dist.weight") and weights("specific", "dist_token"), "what each stage has")
-- The file of the first stage has a head, drawn with deviation 0.02; eight steps at small rates do not bring the new one there.
local function deviation(x)
    local sum = 0
    for _, v in ipairs(x) do sum = sum + v * v end
    return math.sqrt(sum / #x)
end
local old, new = deviation(weights("generic", "head.weight")), deviation(weights("specific", "head.weight"))
t.check(old > 0.015 and new > 0 and new < 0.01, "the class head begins anew: %g, then %g", old, new)
t.check(not weights("specific", "decoder_embed.weight"), "the decoder stays behind")

local train = compare.tables("out/g2sd/specific").train
t.check(train.n == 8 and train.loss_ce and train.loss_hard, "both losses are logged: %s", table.concat(train.names, " "))
status, out, err = shell.bauta(("inspect '%s/g2sd/specific/student.safetensors'"):format(out))
t.equal(status, 0, "inspect: " .. err)
t.check(out:find('fits mae with dim = 24, depth = 2, patch = 4, distilled = true, pool = "class", image = 16', 1, true), out)
t.group "from stage 1 to stage 2"

shell.write(shell.folder .. "/headless.lua", [[
local bauta = require "bauta"
local data = bauta.data "scenes" { size = 32, train = 32, test = 16 }
return bauta.train { name = "run", data = data, epochs = 1, batch = 8, overlays = 0, head_deviation = 0.01,
    student = bauta.arch "segmenter" { dim = 24, heads = 2, depth = 1, decoder_depth = 1, patch = 8, image = 32, classes = data.classes } }
]])
status, _, err = shell.bauta(("run '%s/headless.lua' --threads 1 --out '%s/headless'"):format(shell.folder, shell.folder))
t.check(status == 2 and err:find("head_deviation = 0.01: arch segmenter has no class head", 1, true), "a model without a class head: %d %s", status, err)
t.group "refusals"

shell.clean()
return t.done()
