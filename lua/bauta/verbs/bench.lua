-- verb bench: timings. What is measured is in bauta/bench/.
local errors = require "bauta.errors"
local options = require "bauta.options"

local verb = {
    name = "bench", usage = "step|ops|mask|teacher|loader [options]", least = 1, most = 1,
    doc = "measure a training step, its operations, what masking saves and what criteria cost, the teacher's forward pass by kept patches, or " ..
        "the loader; each against what this machine reaches at best, and only after a gate of correctness",
    options = options.join({
        { name = "arch", value = "NAME", default = "deit", doc = "architecture of the student" },
        { name = "size", value = "NAME", default = "tiny", doc = "its size, or its DIM/DEPTH/HEADS (64/3/2)" },
        { name = "teacher-size", value = "NAME", doc = "size of the teacher: small in bench mask and teacher; in step and ops there is one when " ..
            "this or --keep is given" },
        { name = "keep", value = "N", doc = "patches the teacher sees: 98, 0.5, 50%, all; 50% in bench mask, all in step and ops" },
        { name = "image", value = "PIXELS", kind = "int", min = 8, max = 4096, default = 224, doc = "side of the pictures" },
        { name = "patch", value = "PIXELS", kind = "int", min = 1, max = 1024, default = 16, doc = "side of a patch" },
        { name = "classes", value = "N", kind = "int", min = 2, max = 1000000, default = 1000, doc = "outputs of the head" },
        { name = "batch", value = "N", kind = "int", min = 1, max = 65536, default = 32, doc = "images of a step" },
        { name = "precision", value = "NAME", default = "fp32", doc = "fp32, tf32 or bf16" },
        { name = "steps", value = "N", kind = "int", min = 1, max = 1e6, default = 10, doc = "timed steps, after three others" },
        { name = "fp8", doc = "the teacher's blocks in FP8, with scales of 1 (the time is that of others); shares are still of --precision's ceiling" },
        { name = "recompute", doc = "bench step and ops: what the student's blocks compute is computed again for its gradient" },
        { name = "alone", doc = "bench step with --keep: not also the step that sees every patch" },
        { name = "dump", value = "DIR", doc = "bench step: time nothing, but write weights, batches and first losses, for a peer to be held against" },
        { name = "seconds", value = "S", kind = "number", min = 0.1, max = 3600, default = 5, doc = "of each figure of bench loader" },
        { name = "data", value = "PATH", doc = "pictures for bench loader (a folder, a tar, a packed data set, or as cifar:path=FOLDER); otherwise those of --source" },
        { name = "source", value = "NAME", default = "photographs", doc = "bench loader: JPEGs of 500x375 made for it, or a data plugin with its defaults" },
        { name = "rate", value = "N", kind = "int", min = 1, max = 10000000, default = 120, doc = "bench loader: images a second of a step, to say what share of a core they take" },
        { name = "rough", doc = "measure the ceilings in a second, with streams of at most 64 MiB: shares of them are rough" },
        { name = "json", doc = "one line of JSON" },
    }, options.device),
}

local function of(module, name) return function(given) return require("bauta.bench." .. module)[name](given) end end

local what = { step = of("steps", "step"), ops = of("steps", "ops"), teacher = of("teacher", "run"), mask = of("mask", "run"),
    loader = of("loader", "run") }

function verb.run(given)
    local f = what[given[1]]
    if not f then
        errors.raise("arg", errors.unknown("benchmark " .. errors.show(given[1]), given[1], { "step", "ops", "mask", "teacher", "loader" }),
            "command line")
    end
    local teaches = { step = given.keep or given.teacher_size, ops = given.keep or given.teacher_size, mask = true, teacher = true }
    if given.fp8 and not teaches[given[1]] then
        errors.raise("arg", ("--fp8: there is no teacher in this bench %s%s"):format(given[1],
            given[1] == "loader" and "" or "; --teacher-size or --keep expected"), "command line")
    end
    return f(given)
end

return verb
