-- verb mask: what criteria keep: of any picture, without training; and of a run's probe, from its log.
local errors = require "bauta.errors"
local options = require "bauta.options"

local verb = {
    name = "mask", usage = "show IMAGE... | report RUN [options]", least = 2, most = 65,
    doc = "show: draw pictures (files, or numbers of test samples) side by side with what criteria keep of them; report: draw how often " ..
        "a run's criterion keeps each patch",
    options = options.join({
        { name = "criterion", value = "LIST", default = "student",
            doc = "criteria, commas between, with settings: student:layer=5,random,bottom-k" },
        { name = "keep", value = "KEEP", default = "0.5", doc = 'patches kept: a share, a count or a label as "75%"' },
        { name = "run", value = "FOLDER", doc = "student, teacher and data of this run" },
        { name = "student", value = "ARCH", doc = "the model that ranks, with settings; otherwise deit:size=small" },
        { name = "weights", value = "FILE", doc = "of the student, safetensors; without them it is untrained" },
        { name = "teacher", value = "ARCH", doc = "the model that is masked (deit:size=base:weights=FILE); otherwise the student's grid" },
        { name = "model", value = "ARCH", doc = "the model that criteria as dino ask (deit:size=small:weights=FILE)" },
        { name = "data", value = "DATA", doc = "whose test samples numbers mean: a folder, a tar, scenes, images:path=FOLDER" },
        { name = "upright", doc = "turn photographs as their EXIF orientation says" },
        { name = "seed", value = "N", kind = "int", min = 0, max = 2 ^ 53, default = 0, doc = "of random numbers and untrained weights" },
        { name = "out", value = "FILE", default = "mask.png", doc = "of show: the picture that is written" },
    }, options.device),
}

local function show(given)
    local list = { unpack(given, 2) }
    return require("bauta.seeing.show").run(list, given)
end

local function report(given)
    local folder = given[2]:gsub("/+$", "")
    if #given > 2 then errors.raise("arg", "bauta mask report RUN expected", "command line") end
    local bind = require "bauta.bind.run"
    local log = bind.log(folder)
    local text = require("bauta.seeing.summary").text(log)
    log:free()
    if not text then errors.raise("data", "its log has no probe (probe = 0, or nothing was distilled)", folder) end
    io.stdout:write(text, "\n\n")
    for _, path in ipairs(require("bauta.seeing.heat").write(folder)) do io.stdout:write(path, "\n") end
    return 0
end

verb.actions = { show = show, report = report }

function verb.run(given) return verb.actions[given[1]](given) end

return verb
