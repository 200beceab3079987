-- bench/dump: what a peer needs to be held against this program: the weights a step begins with, the batches it sees, and what it makes
-- of them: the losses of its first steps, the norm of the first gradient, the patches it keeps. bench_pair.py reads it.
local rig = require "bauta.bench.rig"

local dump = {}

local rounds = 3

local function write(path, bytes)
    local f, why = io.open(path, "wb")
    if not f then require("bauta.errors").raise("arg", "--dump: " .. why, "command line") end
    local ok, problem = f:write(bytes)
    f:close()
    if not ok then require("bauta.errors").raise("machine", problem, path) end
end

function dump.write(given, batches)
    local json, ffi = require "bauta.json", require "bauta.ffi"
    local folder, one = given.dump, rig.compiled(given, rig.teacher(given))
    local t = one.e.settings.teachers[1]
    ffi.make_folder(folder)
    for i = 1, rounds do
        write(("%s/images.%d.u8"):format(folder, i), ffi.bytes(batches[i], given.batch * given.image * given.image * 3))
    end
    one.stores.student:save(folder .. "/student.safetensors")
    if t then one.stores[t:called()]:save(folder .. "/teacher.safetensors") end
    local facts = rig.facts(given, one.e.precision)
    facts.labels, facts.losses, facts.teacher_size = batches.labels, {}, t and (given.teacher_size or "small") or nil
    facts.kept = t and one.e:kept() or nil
    rig.ready(one, batches)
    for i = 1, rounds do
        rig.step(one, batches, i)
        facts.losses[i] = one.loss
        if i == 1 then
            facts.grad_norm = one.program:read "grad_norm"
            facts.first_kept = facts.kept and one.program:read "kept" or nil
        end
    end
    write(folder .. "/facts.json", json.encode(facts) .. "\n")
    rig.free { one }
    io.stdout:write(("%s: weights, %d batches and the losses of as many steps\n"):format(folder, rounds))
    return 0
end

return dump
