-- Every method and every architecture, side by side: a few steps of each, to see that it trains. (methods-table.lua compares them.)
--
--   bauta run experiments/methods.lua                                           50 steps of everything on drawn pictures
--   bauta run experiments/methods.lua --set loss=vitkd --set view=masked        of one method, with half of the patches
--   bauta run experiments/methods.lua --set loss=maskedkd-paper --set student=deit3   of another student (or teacher)
--   bauta run experiments/methods.lua --data cifar10.tar.gz                     the same on CIFAR-10
--   bauta run experiments/methods.lua --set loss=dino --set minutes=1           as long as a minute holds, teachers too
-- The report is a table: the loss of the first pass over the pictures and of the last.
local bauta = require "bauta"

local batch, passes = 32, 5
local list = require "method_list"

local function choices(names, ...)
    local out = { "all", ... }
    for _, name in ipairs(names) do out[#out + 1] = name end
    return out
end

local p = bauta.params {
    bauta.choice("loss", "all", choices(list.names, "architectures"), "which method; architectures: none, but every model as student and as teacher"),
    bauta.choice("student", "all", choices(list.models), "whose loss: all = a DeiT for every method, and every architecture with logit distillation"),
    bauta.choice("teacher", "all", choices(list.models), "who teaches; all as for the student"),
    bauta.choice("view", "both", { "both", "full", "masked" }, "what the teacher sees: every patch, or the half that the student looks at"),
    bauta.int("steps", 50, 10, 1e6, "steps of each run, and of the teacher"),
    bauta.int("seed", 0, 0, 2 ^ 31, "of every random stream"),
}

-- The steps are five passes over the same pictures, so that the first pass and the last can be compared.
local pictures = math.ceil(p.steps / passes) * batch
local function data_with(augment)
    if not arg.data then return bauta.data "scenes" { train = pictures, test = 200, augment = augment } end
    return bauta.data "images" { path = arg.data, limit = math.ceil(pictures / 10), augment = augment }
end
local data = data_with "none"
list.setup { data = data, views = data_with(nil), batch = batch }

local runs, teachers = {}, {}

local function add(name, s)
    s.name, s.batch, s.seed, s.overlays, s.epochs = name, batch, p.seed, 0, passes
    s.data = s.data or data
    s.evaluate_every, s.checkpoint_every = passes, passes
    s.optimiser = bauta.optimiser "adamw" { lr = 1e-3 }
    s.schedule = bauta.schedule "cosine-shifted" { warmup = 0.1 }
    runs[#runs + 1] = (s.teacher and bauta.distill or bauta.train)(s)
    return runs[#runs]
end

-- One trained teacher of each kind that is needed.
local function teacher(kind)
    if list.headless[kind] then return list.make[kind](true) end
    teachers[kind] = teachers[kind] or add("teacher-" .. kind, { student = list.make[kind](true) })
    return list.make[kind](true, teachers[kind])
end

local function add_views(name, losses, student, kind)
    local special = list.special[name] or {}
    for _, view in ipairs { "full", "masked" } do
        local one = list.one_view[name]
        local possible = view == "full" or not (list.whole[kind] or one)
        if possible and (p.view == "both" or p.view == view or one) then
            local s = { losses = losses(), student = list.make[student](), mask = view == "masked" and bauta.mask "student" { keep = 0.5 } or nil }
            for k, v in pairs(special) do s[k] = v end
            s.teacher = s.teacher or teacher(kind)
            add(name .. "-" .. view, s)
        end
    end
end

if list.headless[p.student] then bauta.fail("student = %s has no classes of pictures; it learns without labels only", p.student) end
local student, kind = p.student == "all" and "deit" or p.student, p.teacher == "all" and "deit" or p.teacher
for _, name in ipairs(list.names) do
    if p.loss == "all" or p.loss == name then
        if list.alone[name] then add(name, { losses = list.losses[name](), student = list.make[student]() })
        else add_views(name, list.losses[name], p.student == "all" and list.student[name] or student, kind) end
    end
end
if p.loss == "all" or p.loss == "architectures" then
    for _, model in ipairs(list.models) do
        if p.student == "all" and model ~= "deit" and not list.headless[model] then
            add_views("student-" .. model, list.losses["maskedkd-paper"], model, kind)
        end
        if p.teacher == "all" and model ~= "deit" then
            add_views("teacher-is-" .. model, list.headless[model] and list.tokens_only or list.losses["maskedkd-paper"], student, model)
        end
    end
end

-- ---- the report ----
local function average(list, from, to)
    local sum = 0
    for i = from, to do sum = sum + list[i] end
    return sum / (to - from + 1)
end

local function falls(results)
    local out = { { "run", "loss, first pass", "last pass", "falls", "img/s" } }
    for _, r in ipairs(results) do
        local t = bauta.rows(r.path, "train")
        local some = t.n / passes
        local first, last = average(t.loss, 1, some), average(t.loss, t.n - some + 1, t.n)
        out[#out + 1] = { r.name, ("%.4f"):format(first), ("%.4f"):format(last), last < first and "yes" or "NO", ("%.0f"):format(r.images_per_s) }
    end
    return bauta.table(out)
end

return bauta.suite { name = "methods", runs = runs, report = falls }
