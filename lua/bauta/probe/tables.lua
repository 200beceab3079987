-- tables: what the probe writes into a run's log.
local tables = {}

local function f(name, unit, doc) return { name, "f64", unit, doc } end
local function i(name, unit, doc) return { name, "i64", unit, doc } end

local head = { i("epoch", "epochs", "epochs done; 0: before the first step"),
    { "teacher", "text", nil, "whose criterion it is", size = 24 } }

local function under(rows)
    local out = { head[1], head[2] }
    for _, row in ipairs(rows) do out[#out + 1] = row end
    return out
end

local function choice(whose)
    return f("saliency", "%", "share of the student's class attention (last block) that the kept patches hold"),
        f("on_object", "%", "kept patches whose centre lies on the object; NaN when the data knows no boxes"),
        f("recall", "%", "patches on the object that are kept; NaN when the data knows no boxes"),
        f("teacher_top1", "%", "the teacher is right about what " .. whose .. " shows it")
end

local saliency, on_object, recall, shown = choice "the criterion"
local probe = under {
    i("pictures", "pictures", "of the probe"), i("kept", "patches", "kept by the criterion"), saliency,
    f("overlap", "%", "intersection over union of a picture's kept patches with those of the evaluation before; NaN at first"),
    on_object, f("object_share", "%", "patches on the object, of all: what a random choice would give"), recall,
    f("student_top1", "%", "the student is right, on whole pictures"), shown,
    f("teacher_top1_full", "%", "the teacher is right about whole pictures"),
    f("agreement", "%", "student and teacher name the same class, the teacher on what it is shown"),
    f("agreement_full", "%", "the same, the teacher on whole pictures"),
    f("kl", "nats", "KL(teacher || student), the teacher on what it is shown"),
    f("kl_full", "nats", "the same, the teacher on whole pictures"),
    f("cosine", nil, "of the two probability vectors, the teacher on what it is shown"),
    f("cosine_full", nil, "the same, the teacher on whole pictures"),
    f("time_probe", "s", "the whole probe, all teachers and shadows"),
}

saliency, on_object, recall, shown = choice "the shadow"
local shadow = under {
    { "criterion", "text", nil, "the shadow; a number is added to the second of a name", size = 32 },
    i("kept", "patches", "kept by the shadow"),
    f("overlap", "%", "intersection over union with what the run's own criterion keeps, mean over pictures; NaN when it keeps all"),
    saliency, on_object, recall, shown,
}

local frequency = under { i("patch", nil, "row by row, from 0"), f("share", "%", "of the pictures in which it is kept") }

local pictures = under { i("picture", nil, "of the test split, from 0"), i("label", nil, "its class"),
    { "kept", "text", nil, "for each patch, row by row, 1 when it is kept", size = 4096 } }

-- Most patches whose choice fits into the table of pictures.
tables.most_patches = 4096

function tables.declare(run)
    run:stream("probe", "what the criterion chooses on the probe, and how teacher and student compare there", probe)
    run:stream("shadow", "what other criteria would choose on the probe", shadow)
    run:stream("frequency", "how often each patch is kept on the probe", frequency)
    run:stream("pictures", "which patches of a few pictures of the probe are kept", pictures)
end

return tables
