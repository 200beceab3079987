-- show: pictures side by side with what criteria keep of them, as one PNG; nothing is trained.
local bind = require "bauta.bind.data"
local bind_graph = require "bauta.bind.graph"
local bind_run = require "bauta.bind.run"
local builder = require "bauta.builder"
local errors = require "bauta.errors"
local ffi = require "bauta.ffi"
local keep = require "bauta.keep"
local masks = require "bauta.masks"
local plugin = require "bauta.plugin"
local report = require "bauta.report"
local session = require "bauta.session"
local spec = require "bauta.seeing.spec"

local show = {}

local most_pictures = 64

local function usage(fmt, ...) errors.raise("arg", fmt:format(...), "command line") end

-- ---- models ----

-- The participants: student, teacher, model (a criterion's own), each a description or nil; and the data.
local function participants(given)
    local out = given.run and spec.run(given.run) or {}
    for _, name in ipairs { "student", "teacher", "model" } do
        if given[name] then out[name] = spec.describe("arch", given[name], nil, "--" .. name) end
    end
    if given.data then out.data = require("bauta.seeing.data").described(given.data, "--data") end
    out.student = out.student or spec.describe("arch", "deit:size=small", nil, "--student")
    return out
end

-- Reads weights as the settings of a model say.
local function read(store, arch, path)
    local told = arch:load(store, path)
    if told then io.stdout:write(("%s: names of %s\n"):format(path, told)) end
end

-- Where the student's weights come from: load(store) or nil, and words for the title.
local function student_weights(given, all)
    local function from(path) return function(store) read(store, all.student, path) end end
    if given.weights then return from(given.weights), given.weights end
    local own = all.student.settings
    if given.run and not given.student then
        local file = given.run .. "/student.safetensors"
        if session.exists(file) then return function(store) store:load(file, {}) end, given.run end
        local saved = given.run .. "/checkpoints/last"
        if not session.exists(saved) then errors.raise("data", "has neither student.safetensors nor a checkpoint", given.run) end
        return function(store)
            local c = bind_run.checkpoint(saved)
            c:load("student", store)
            c:free()
        end, given.run .. " (last checkpoint)"
    end
    if own.weights then return from(own.weights), own.weights end
    return nil, "untrained"
end

local function load_own(store, arch)
    if arch.settings.weights and store:count() > 0 then read(store, arch, arch.settings.weights) end
end

-- ---- pictures ----

local function crop(image, file, data)
    local own = data and data.settings or {}
    local a = { image = image, policy = (file or image > 32) and "evaluate" or "none", crop = own.test_crop or 0.875,
        interpolation = own.test_interpolation }
    if image <= 32 then a.crop = 1 end
    return a
end

-- { name, pixels (raw) } of each argument: a file, or the number of a test sample.
local function pictures_of(list, all, given)
    local image, out = all.student.image_rows, {}
    for i, text in ipairs(list) do
        local number = tonumber(text)
        if number and not session.exists(text) then
            if not all.data then usage("%s is a number: the test sample of which data? --data or --run expected", text) end
            local test = all.data:split "test"
            if number ~= math.floor(number) or number < 0 or number >= test.count then
                usage("sample %s; 0..%d expected", text, test.count - 1)
            end
            local label = test:read(number).label
            out[i] = { name = ("%d: %s"):format(number, test:class_name(label)), pixels = test:show(number, crop(image, false, all.data)) }
        else
            out[i] = { name = text:match "[^/]*$", pixels = bind.picture(text, given.upright, crop(image, true, all.data)) }
        end
    end
    return out
end

local function fill(list, image)
    local bytes = image * image * 3
    local all = ffi.array("uint8_t", #list * bytes)
    for i, one in ipairs(list) do ffi.copy(all + (i - 1) * bytes, one.pixels, bytes) end
    return all
end

-- ---- criteria ----

-- The model that a criterion may ask. One that asks what is not there is refused by the option that names it.
local function model_for(name, all)
    local found, asked = plugin.find("mask", name), false
    for _, need in ipairs(found.needs or {}) do
        local who = need:match "^[^.]+"
        if (who == "teacher" or who == "teacher_full") and not all.teacher then
            usage("mask %s asks the teacher: --teacher ARCH:weights=FILE expected", name)
        elseif who == "auxiliary" and not all.model then
            usage("mask %s asks a model of its own: --model ARCH:weights=FILE expected", name)
        end
        asked = asked or who == "auxiliary"
    end
    return (asked or found.define) and all.model or nil -- what criteria in Lua ask shows later
end

local function criteria_of(given, all)
    local out, whom = {}, all.teacher or all.student
    local wanted, bad = keep.judge(tonumber(given.keep) or given.keep, "--keep")
    if wanted == nil then usage("%s", bad) end
    for text in (given.criterion .. ","):gmatch "([^,]*)," do
        local model = text ~= "" and model_for(text:match "^[^:]*", all) or nil
        local mask = spec.describe("mask", text, { keep = wanted, model = model }, "--criterion")
        if mask.name == "none" then usage "mask none keeps every patch; there is nothing to show" end
        local k, why = keep.count(mask.settings.keep, whom.grid_rows, whom.grid_columns, "keep")
        if not k then usage("%s", why) end
        out[#out + 1] = { mask = mask, text = text, k = k, whom = whom }
    end
    return out
end

local function helpers(all, mask, list, normalise)
    local out = {}
    local function add(name, arch, who)
        if arch then out[name] = { who = who, arch = arch, given = { store = list[who], role = who, normalise = normalise } } end
    end
    add("teacher", all.teacher, "teacher_full")
    add("teacher_full", all.teacher, "teacher_full")
    add("auxiliary", mask.settings.model, "auxiliary")
    return out
end

-- The program that gives kept1, kept2, ... for B pictures.
local function compile(all, criteria, B, given, load)
    local device, image = session.device(), all.student.image_rows
    local normalise, list = all.data and all.data.settings.normalise or "imagenet", {}
    local b = builder.new { device = device, seed = given.seed, batch = B }
    for _, who in ipairs { "student", "teacher_full", "auxiliary" } do list[who] = bind_graph.store(device, given.seed) end
    b:pictures(B, all.student)
    b:model("student", all.student, { store = list.student, normalise = normalise })
    for i, c in ipairs(criteria) do
        local whom = "masked" .. i
        b:declare(whom, c.whom)
        local scores = b:score(c.mask, whom, helpers(all, c.mask, list, normalise))
        b:fetch("kept" .. i, b:keep(scores, c.k, c.mask.settings, whom, c.mask.name))
    end
    if load then load(list.student) end
    if all.teacher then load_own(list.teacher_full, all.teacher) end
    if all.model then load_own(list.auxiliary, all.model) end
    return b:finish()
end

-- For each criterion the sets of all pictures.
local function choices(program, criteria, pixels, B)
    local labels = {}
    for i = 1, B do labels[i] = 0 end
    for name, value in pairs { images = pixels, labels = labels, step = 1, epoch = 0, progress = 0 } do
        program:feed(name, value)
    end
    program:run()
    for i, c in ipairs(criteria) do
        c.sets = {}
        masks.collect(program:view("kept" .. i), B, c.k, c.sets)
    end
end

-- ---- what is seen ----

local function draw(path, title, list, criteria, image)
    local scale = math.max(1, math.floor(192 / image))
    local sheet = bind_run.sheet(1 + #criteria, #list, image * scale, image * scale, true, title)
    for row, one in ipairs(list) do
        sheet:picture(0, row - 1, one.pixels, image, image, scale)
        sheet:caption(0, row - 1, one.name)
        for column, c in ipairs(criteria) do
            sheet:picture(column, row - 1, one.pixels, image, image, scale)
            sheet:mask(column, row - 1, c.whom.grid_rows, c.whom.grid_columns, c.sets[row])
            sheet:caption(column, row - 1, ("%s  %d/%d"):format(c.text, c.k, c.whom.patches))
        end
    end
    sheet:write(path)
    sheet:free()
end

local function overlaps(criteria)
    local rows = { { "criterion", "kept", "of", "overlap with " .. criteria[1].text .. " %" } }
    for _, c in ipairs(criteria) do
        rows[#rows + 1] = { c.text, ("%d"):format(c.k), ("%d"):format(c.whom.patches),
            report.number(masks.mean_overlap(c.sets, criteria[1].sets)) }
    end
    return report.table(rows)
end

-- list: files or numbers of test samples. Returns the exit status.
function show.run(list, given)
    if #list > most_pictures then usage("%d pictures; at most %d on one sheet", #list, most_pictures) end
    local all = participants(given)
    if all.student.channels ~= 3 then
        usage("student %s sees spectrograms; mask show draws pictures (the report of a run draws spectrograms)", all.student.name)
    end
    if all.data and all.data.channels ~= 3 then usage("data %s gives spectrograms; mask show draws pictures", all.data.name) end
    if all.student.image_rows ~= all.student.image_columns then usage "square pictures expected" end
    local load, origin = student_weights(given, all)
    local criteria = criteria_of(given, all)
    local found = pictures_of(list, all, given)
    local program = compile(all, criteria, #found, given, load)
    choices(program, criteria, fill(found, all.student.image_rows), #found)
    program:free()
    draw(given.out, ("student %s, %s"):format(all.student.name, origin), found, criteria, all.student.image_rows)
    if not load then io.stdout:write "the student is untrained: its weights are random (--weights or --run gives others)\n" end
    io.stdout:write(overlaps(criteria), "\n", given.out, "\n")
    return 0
end

return show
