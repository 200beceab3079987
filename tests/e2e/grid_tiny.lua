-- grid_tiny: a grid of seconds for the tests of grids: a teacher, criteria by seeds.
local bauta = require "bauta"

local p = bauta.params {
    bauta.int("epochs", 2, 1, 100000, "epochs of each cell"),
    bauta.int("teacher_epochs", 2, 1, 100000, "epochs of the teacher"),
    bauta.int("seeds", 2, 1, 50, "seeds"),
    bauta.choice("broken", "nothing", { "nothing", "one", "all" }, "cells that fail at their first step: a loss that is not a number"),
    bauta.choice("weights", "run", { "run", "missing", "wide" }, "the teacher's: as made, a file that is not there, those of a wider model"),
    bauta.string("name", "tiny", "the grid's folder"),
}
local data = bauta.data "scenes" { size = 16, train = 96, test = 40 }
local seeds = {}
for i = 1, p.seeds do seeds[i] = i - 1 end

local function vit(more)
    local s = { dim = 24, depth = 2, heads = 2, image = 16, patch = 4, classes = data.classes, drop_path = 0.1 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch "deit"(s)
end

local teacher = bauta.train { name = "teacher", data = data, student = vit(), epochs = p.teacher_epochs, batch = 16 }

local printed = { id = "printed", title = "what a paper would print", source = "this test", setup = "none", columns = { "criterion", "acc" },
    rows = { { id = "printed/none", "none", 50.25 }, { id = "printed/student", "student", 75.5 },
        { id = "printed/random", "random", 60 } } }

local wide = bauta.train { name = "wide", data = data, student = vit { dim = 36 }, epochs = p.teacher_epochs, batch = 16 }

local function breaks(c) return p.broken == "all" or p.broken == "one" and c.criterion == "random" and c.seed == 0 end

-- With "missing" the cells of a criterion have another file than those of the others.
local function weights_of(c)
    if p.weights == "missing" then return c.criterion == "random" and "none-for-random.safetensors" or "no-such-file.safetensors" end
    return p.weights == "wide" and wide or teacher
end

local spoilt = bauta.loss.define { name = "spoilt", build = function(l) -- the logarithm of a negative number
    return ((l.logits {}:square():mean { axis = -100 } + 1) * -1):log()
end }

return bauta.grid {
    name = p.name, axes = { criterion = { "none", "random", "student" }, seed = seeds },
    cell = function(c)
        return bauta.distill {
            data = data, student = vit { dim = 12 }, teacher = vit { weights = weights_of(c) }, seed = c.seed, epochs = p.epochs, batch = 16,
            mask = bauta.mask(c.criterion, { keep = c.criterion == "none" and "all" or 0.5 }),
            losses = { bauta.loss "cross-entropy" {}, breaks(c) and spoilt {} or bauta.loss "logit" {} }, optimiser = bauta.optimiser "adamw" { lr = 1e-3 },
        }
    end,
    report = { title = "A tiny grid", against = { criterion = "none" },
        papers = { { table = printed, column = "acc", against = "printed/none", row = function(c) return "printed/" .. c.criterion end } },
        curves = { { x = "epoch", y = "probe.agreement" } } },
}
