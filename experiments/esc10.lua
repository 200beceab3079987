-- ESC-10, sounds: a small Audio Spectrogram Transformer as teacher, and one student three times: alone, by logit distillation, and by MaskedKD at half
-- of the patches. --data names the folder of class folders (FOLD-SOURCE-TAKE.ogg or .wav in each). `--set fold=1` ... 5 is the fold that is tested. The
-- default takes all clips; `--scale smoke` only shows that all of it runs. AST's masks over frequencies and time are on; the rate is
-- larger than that of its recipe, because nothing is pre-trained here.
local bauta = require "bauta"

local p = bauta.params {
    bauta.choice("scale", "small", { "smoke", "small" }, "smoke: seconds, few clips of one second; small: all clips, five seconds of each"),
    bauta.int("fold", 1, 1, 5, "the test fold; the other four are trained on"),
    bauta.int("teacher_epochs", 30, 1, 1000, "epochs of the teacher (smoke: 2)"),
    bauta.int("epochs", 20, 1, 1000, "epochs of each student (smoke: 2)"),
    bauta.float("keep", 0.5, 0.01, 0.99, "share of the patches the masked teacher sees"),
    bauta.int("seed", 0, 0, 2 ^ 31, "of every random stream"),
}
if not arg.data then bauta.fail "where is ESC-10? bauta run experiments/esc10.lua --data FOLDER" end

local smoke = p.scale == "smoke"
local bins, frames = smoke and 32 or 128, smoke and 100 or 512
local data = bauta.data "sound" { path = arg.data, fold = p.fold, bins = bins, frames = frames, limit = smoke and 6 or 0,
    frequency_mask = smoke and 6 or 24, time_mask = smoke and 20 or 96 }

local function ast(dim, depth, weights)
    return bauta.arch "ast" { dim = dim, depth = depth, heads = dim / 32, bins = bins, frames = frames, stride = smoke and 12 or 16, classes = data.classes,
        weights = weights }
end
local function teacher(weights) return ast(smoke and 64 or 96, smoke and 2 or 4, weights) end

local function run(s)
    s.data, s.batch, s.seed = data, 16, p.seed
    s.student = s.student or ast(64, smoke and 1 or 3)
    s.epochs = smoke and 2 or s.epochs or p.epochs
    s.optimiser = bauta.optimiser "adam" { lr = 1e-3 }
    s.schedule = bauta.schedule "cosine-shifted" { warmup = math.min(1, s.epochs / 4) }
    s.losses = { bauta.loss "cross-entropy" { smoothing = 0 }, s.teacher and bauta.loss "logit" {} or nil }
    return (s.teacher and bauta.distill or bauta.train)(s)
end

local first = run { name = "teacher", student = teacher(), epochs = p.teacher_epochs }

return bauta.suite {
    name = "esc10",
    runs = {
        first,
        run { name = "student-alone" },
        run { name = "student-logit", teacher = teacher(first) },
        run { name = "student-masked", teacher = teacher(first), mask = bauta.mask "student" { keep = p.keep, rows = "extra" } },
    },
    report = bauta.summary,
}
