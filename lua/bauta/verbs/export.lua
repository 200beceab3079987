-- verb export: the student of a run as a safetensors file with timm's names.
local errors = require "bauta.errors"
local options = require "bauta.options"

local verb = {
    name = "export", usage = "RUN [options]", least = 1, most = 1,
    doc = "write the student of a run's checkpoint as a safetensors file with timm's names",
    options = options.join({
        { name = "checkpoint", value = "WHICH", default = "last", doc = "last, best or a path" },
        { name = "part", value = "NAME", default = "student", doc = "student, ema, or average (the teacher of DINO)" },
        { name = "to", value = "FILE", doc = "the file; RUN/PART-WHICH.safetensors when left out" },
    }, options.device),
}

-- How often a part of a run was right after so many steps, by the log's table of evaluations; nil where it was not judged then.
local function accuracy(evaluations, part, step)
    local column = ({ student = "top1", ema = "ema_top1" })[part]
    for i = 1, evaluations and column and evaluations.n or 0 do
        if evaluations.step[i] == step then return evaluations[column][i] end
    end
end

function verb.run(given)
    local bind, builder, graph = require "bauta.bind.run", require "bauta.builder", require "bauta.bind.graph"
    local session, spec = require "bauta.session", require "bauta.seeing.spec"
    local path = given[1]:gsub("/+$", "")
    local log = bind.log(path)
    local configuration = log:documents().configuration or errors.raise("data", "the log holds no settings", path)
    local evaluations = log:table "eval"
    log:free()
    local arch = spec.student(configuration)
    local store = graph.store(session.device(), 0)
    local b = builder.new { device = session.device() }
    b:pictures(1, arch)
    b:model("student", arch, { store = store })
    local which = given.checkpoint
    local c = require("bauta.archive").load(path, which, given.part, store)
    local to = given.to or ("%s/%s-%s.safetensors"):format(path, given.part, which:match("([^/]+)$"))
    local card, name, settings = require "bauta.card", spec.recorded(configuration, "data")
    store:save(to, card.of(arch, settings, nil, card.judged({ run = path, epoch = tostring(c.epoch) }, accuracy(evaluations, given.part, c.step),
        name, settings, arch)))
    io.stdout:write(("%s: %d weights of epoch %d\n"):format(to, store:size(), c.epoch))
    return 0
end

return verb
