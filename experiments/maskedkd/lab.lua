-- lab: what the experiments of this folder share: three scales, the models and recipe of each, and how a cell is written.
--
--   local lab = require "lab" { teacher = "small", student = "tiny" }
--
-- --scale paper: ImageNet (--data FOLDER with train/ and val/) and the papers' models and recipe; teachers are safetensors files with
-- timm's names in --set weights=FOLDER. --scale small: CIFAR-10 (--data cifar10.tar.gz) or Tiny ImageNet (--set data_set=tiny-imagenet),
-- small models, a teacher that the grid trains first. --scale smoke: drawn pictures, seconds.
local bauta = require "bauta"

local lab = {}
local sizes = {
    small = { image = 32, patch = 4, teacher = { dim = 96, depth = 4, heads = 3 }, student = { dim = 64, depth = 3, heads = 2 } },
    smoke = { image = 16, patch = 4, teacher = { dim = 24, depth = 3, heads = 2 }, student = { dim = 12, depth = 3, heads = 2 } },
}
local defaults = { -- by scale: epochs of a cell and of the teacher, batch, learning rate (of the papers: their recipe's), seeds
    paper = { epochs = 300, teacher_epochs = 300, batch = 1024, seeds = 3 },
    small = { epochs = 3, teacher_epochs = 8, batch = 32, lr = 1e-3, seeds = 3 },
    smoke = { epochs = 2, teacher_epochs = 2, batch = 16, lr = 1e-3, seeds = 2 },
}
local files = { base = "deit_base_patch16_224", small = "deit_small_patch16_224", tiny = "deit_tiny_patch16_224",
    dino = "vit_small_patch16_224.dino" }

local function parameters(extra)
    local rows = {
        bauta.choice("scale", "smoke", { "paper", "small", "smoke" }, "size of the experiment; also --scale"),
        bauta.choice("data_set", "cifar10", { "cifar10", "tiny-imagenet" }, "of --scale small, whose files --data names"),
        bauta.string("weights", "weights", "of --scale paper: folder of the teachers' files"),
        bauta.int("seeds", 0, 0, 100, "runs of each cell; 0: 3 (smoke: 2)"),
        bauta.int("cell_epochs", 0, 0, 10000, "epochs of each cell; 0: the scale's"),
        bauta.int("teacher_epochs", 0, 0, 10000, "epochs of the teacher, where it is trained; 0: the scale's"),
        bauta.int("limit", 0, 0, 1e6, "of --scale small: training images of each class; 0: all"),
    }
    for _, row in ipairs(extra or {}) do rows[#rows + 1] = row end
    return bauta.params(rows)
end

-- ---- data and models of a scale ----

local function pictures(p)
    if p.scale == "smoke" then return bauta.data "scenes" { size = 16, train = 96, test = 40 }, 10 end
    if p.scale == "paper" then
        return bauta.data "images" { path = arg.data or "imagenet", augment = "crop" }, 1000
    end
    if not arg.data then bauta.fail "--scale small: where is the data? --data cifar10.tar.gz" end
    if p.data_set == "cifar10" then return bauta.data "images" { path = arg.data, limit = p.limit }, 10 end
    return bauta.data "images" { path = arg.data, augment = "pad", border = 8, limit = p.limit }, 100
end

-- role: "teacher", "student" or "dino". name: its size at the scale of the paper.
local function model(self, role, name, weights)
    if self.p.scale == "paper" then
        return bauta.arch "deit" { size = name, image = 224, patch = 16, classes = self.classes, weights = weights,
            drop_path = role == "student" and 0.1 or 0 }
    end
    local geometry = sizes[self.p.scale]
    local s = { image = geometry.image, patch = geometry.patch, classes = self.classes, drop_path = 0, weights = weights }
    if self.p.data_set == "tiny-imagenet" and self.p.scale == "small" then s.image, s.patch = 64, 8 end
    for k, v in pairs(geometry[role] or geometry.teacher) do s[k] = v end
    return bauta.arch("deit", s)
end

-- ---- one run ----

-- At the papers' scale DeiT's recipe whole, or its light form for DeiT-Ti (what "light" leaves on nobody says: --set recipe=deit-light-jitter is
-- timm's reading); below, AdamW on a cosine.
local function recipe(self, s, teacher_run)
    local d = self.d
    s.data, s.batch = self.data, d.batch
    s.epochs = teacher_run and d.teacher_epochs or d.epochs
    if self.p.scale == "paper" then
        s.recipe = self.hard and "deit" or "deit-light"
        return s
    end
    s.optimiser = bauta.optimiser "adamw" { lr = d.lr, weight_decay = 0.05 }
    s.schedule = bauta.schedule "cosine-shifted" { warmup = math.min(1, s.epochs / 4) }
    return s
end

-- The trained teacher of a scale without files: one run, shared by all cells.
local function trained(self, role, seed)
    return bauta.train(recipe(self, { name = role, student = model(self, "teacher"), seed = seed,
        losses = { bauta.loss "cross-entropy" { smoothing = 0 } } }, true))
end

local function weights_of(self, role)
    if self.p.scale == "paper" then return ("%s/%s.safetensors"):format(self.p.weights, files[role == "dino" and "dino" or self.pair.teacher]) end
    self.runs[role] = self.runs[role] or trained(self, role, role == "dino" and 1001 or 1000)
    return self.runs[role]
end

function lab:teacher() return model(self, "teacher", self.pair.teacher, weights_of(self, "teacher")) end
function lab:student() return model(self, "student", self.pair.student) end

-- The model of the criterion dino. Below the paper's scale there is no DINO: a second teacher, trained with labels from another seed,
-- stands in for it, and the reports say so.
function lab:dino()
    if self.p.scale ~= "paper" then return model(self, "dino", "small", weights_of(self, "dino")) end
    return bauta.arch "deit" { size = "small", image = 224, patch = 16, classes = 1000, drop_path = 0, weights = weights_of(self, "dino"),
        partial = "head" } -- the file has no head
end

-- So many of the 196 patches of the papers, in patches of this scale.
function lab:keep(of196)
    if of196 >= 196 then return "all" end
    if self.p.scale == "paper" then return of196 end
    local n = self.one_student.patches
    return math.max(2, math.floor(of196 / 196 * n + 0.5))
end

-- bauta.mask with what the criterion needs besides. settings.keep: of 196.
function lab:mask(name, settings)
    local s = {}
    for k, v in pairs(settings or {}) do s[k] = v end
    s.keep = s.keep and self:keep(s.keep)
    if name == "dino" then s.model = self:dino() end
    if s.keep == "all" then return bauta.mask "none" {} end
    return bauta.mask(name, s)
end

-- One distillation: { mask, seed, reducer, losses, ... } as of bauta.distill. without = true: no teacher at all.
function lab:run(s)
    local losses = { bauta.loss "cross-entropy" { smoothing = self.p.scale == "paper" and 0.1 or 0, weight = 0.5 } }
    local make = bauta.train
    if not s.without then
        make = bauta.distill
        s.teacher = self:teacher()
        losses[2] = bauta.loss "logit" { weight = 0.5 }
    end
    s.without, s.student, s.losses = nil, self:student(), s.losses or losses
    return make(recipe(self, s))
end

-- ---- the grid ----

local texts = {
    paper = "ImageNet with the papers' models and recipe.",
    small = "Small models on small pictures: absolute numbers are not comparable with the paper's, the order of the rows and the size of " ..
        "the gaps beside the deviation are.",
    smoke = "Drawn pictures and models of a few thousand weights: this shows that the experiment runs, and nothing else.",
}

-- bauta.grid with the axis `seed` added, the name and the text of the scale.
function lab:grid(s)
    s.axes.seed = {}
    for i = 1, self.d.seeds do s.axes.seed[i] = i - 1 end
    s.name = ("maskedkd/%s/%s"):format(self.p.scale, s.name)
    s.folder = ("maskedkd/%s/runs"):format(self.p.scale) -- one for all tables: a cell that two of them have is one run
    s.images = s.images or self.p.scale == "paper" and 1281167 or nil
    s.report = s.report or {}
    if self.p.scale == "smoke" then s.report.papers = nil end -- a few steps on drawn pictures say nothing about the papers' numbers
    s.report.text = texts[self.p.scale] .. (s.report.text and " " .. s.report.text or "")
    return bauta.grid(s)
end

-- Stands for the paper's curves in a figure: at its own scale only, where the axes mean the same.
function lab:papers(list) return self.p.scale == "paper" and list or nil end

lab.__index = lab

-- given: { teacher, student (sizes at the scale of the paper), params (more parameters) }
return function(given)
    local self = setmetatable({ pair = given, p = parameters(given.params), runs = {}, d = {} }, lab)
    for k, v in pairs(defaults[self.p.scale]) do self.d[k] = v end
    local changed = { epochs = self.p.cell_epochs, teacher_epochs = self.p.teacher_epochs, seeds = self.p.seeds }
    for k, v in pairs(changed) do self.d[k] = v > 0 and v or self.d[k] end
    self.hard = given.student ~= "tiny"
    self.data, self.classes = pictures(self.p)
    self.one_student = self:student()
    return self
end
