-- fp8: teachers whose blocks are computed in FP8: scales that are found once and saved, the test without which they are not used, what is refused.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local bind = require "bauta.bind.run"
local bauta = require "bauta"
local compare = require "compare"
local shell = require "shell"
local t = require "harness"

-- A suite's teacher, trained for long enough to be sure of its answers, and a student who is taught by it. Widths are multiples of 16.
local wide = "--set kind=suite --set student.dim=32 --set teacher.dim=32 --set epochs=8 --threads 1 "
local fp8 = "--set teacher_precision=fp8 --set teacher_precision.difference=2 --set teacher_precision.same=90 "

local function run(out, more)
    local status, said, err = shell.bauta(shell.tiny(wide .. more, out))
    t.equal(status, 0, out .. ": " .. err)
    return out .. "/all/student", said
end

local function tables(folder)
    local log, out = bind.log(compare.path(folder)), {}
    for _, name in ipairs { "fp8", "agreement", "train", "events" } do out[name] = log:table(name) end
    log:free()
    return out
end

local of = { "train", "eval", "mask", "probe", "result" }
local plain, used, said = run("plain", ""), run("fp8", fp8)
local log = tables(used)
local layers = { "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2" }
t.equal(log.fp8 and log.fp8.n, 8, "four layers a block, two blocks")
for i = 1, 8 do
    local scale, largest = log.fp8.scale[i], log.fp8.largest[i]
    t.equal(log.fp8.layer[i], ("blocks.%d.%s"):format(math.floor((i - 1) / 4), layers[(i - 1) % 4 + 1]), "layer " .. i)
    t.equal((math.frexp(scale)), 0.5, "a power of two")
    t.check(largest / scale > 224 and largest / scale <= 448, "%s: %g by %g fills the range", log.fp8.layer[i], largest, scale)
end
t.equal(log.agreement.n, 1, "one teacher was tested")
t.check(log.agreement.same[1] >= 90 and log.agreement.same[1] <= 100 and log.agreement.kl[1] >= 0 and log.agreement.kl[1] < 0.05 and
    log.agreement.difference[1] > 0,
    "agreement: %g %%, %g nats, %g", log.agreement.same[1], log.agreement.kl[1], log.agreement.difference[1])
t.equal(log.agreement.pictures[1], 40, "all test pictures")
t.check(said:find "the teacher in fp8: scales of 8 layers from 96 training pictures" and said:find "fp8 on this device: its numbers, at no gain in speed"
    and said:find "the teacher in fp8 and in fp32: the same class on [%d.]+ %% of 40 test pictures %(at least 90%), KL [%d.e-]+ nats %(at most 0.05%)", "what is said: %s", said)
t.equal(tables(plain).fp8, nil, "no such table without it")
local a, b = compare.tables(plain).train.loss_kd, compare.tables(used).train.loss_kd
t.check(#a == #b and b[1] ~= a[1], "the teacher's answers are others")
for i = 1, #a do t.near(b[i], a[i], 0.05 * (1 + a[i]), "and not far: loss of step " .. i) end
t.group "a teacher in FP8: scales, agreement, what is written"

compare.same_run(used, (run("again", fp8 .. "--threads 2 ")), "two threads", of)
t.group "the same bits with two threads"

-- ---- stopped, and gone on with ----
t.equal(shell.interrupted(shell.tiny(wide .. fp8, "other"), "other/all/student/checkpoints/last", 0, "INT"), 130, "it was stopped before its end")
local status, _, err = shell.bauta(shell.tiny(wide .. "--resume ", "other"))
t.check(status == 6 and err:find "teacher_precision", "another precision is another run: %d %s", status, err)
run("other", fp8 .. "--resume ")
compare.same_run(used, "other/all/student", "resumed", of)
t.equal(tables("other/all/student").fp8.n, 8, "scales are found once")
t.group "killed and resumed"

-- ---- the test refuses ----
local function refused(more, want, code, out)
    local failed, _, why = shell.bauta(shell.tiny(wide .. more, out or "none"))
    t.equal(failed, code or 2, more)
    t.check(why:find(want) and select(2, why:gsub("\n", "")) == 1, "%s: %s", more, why)
end
for _, more in ipairs { "--set teacher_precision.same=100 --set teacher_precision.kl=0 ", "--no-preflight --set teacher_precision.kl=0 " } do
    refused(fp8 .. more, "the teacher in fp8 and in fp32: the same class on .-KL [%d.e-]+ nats %(at most 0%).-it is not used: precision \"run\", or other limits", 3)
end
t.equal(tables("none/all/student").agreement.n, 1, "the figures of a run that was refused are in its log")

-- One enormous weight, whose unit nobody reads, takes the whole range of its layer's scale: all others become zero in FP8.
local spoilt = compare.path "spoilt.safetensors"
local function spoil(from, to)
    local vit = bauta.arch "deit" { dim = 32, depth = 2, heads = 2, image = 16, patch = 4, classes = 10 }
    local s = bauta.store(0)
    bauta.graph({ batch = 1, image = 16 }, function(g) g:fetch("y", g:model("student", vit, { store = s })) end):free()
    s:load(from, {})
    local fc1, fc2 = s:read "blocks.0.mlp.fc1.weight", s:read "blocks.0.mlp.fc2.weight"
    fc1[5] = 1e6
    for row = 0, 31 do fc2[128 * row + 1] = 0 end
    s:write("blocks.0.mlp.fc1.weight", fc1)
    s:write("blocks.0.mlp.fc2.weight", fc2)
    s:save(to, {})
    s:free()
end
spoil(compare.path "plain/all/teacher/student.safetensors", spoilt)
refused("--set teacher_precision=fp8 --no-preflight --set teacher.weights=" .. spoilt .. " ", "the teacher in fp8 and in fp32: the same class on .-it is not used", 3, "spoilt")
t.group "a teacher that does not agree is not used"

-- ---- ways to teach ----
local function composed(kind, more)
    local code, out, why = shell.bauta(("run '%s/composed.lua' --threads 1 --set kind=%s --set epochs=1 --out '%s/%s' %s"):format(shell.here, kind, shell.folder, kind, more))
    t.equal(code, 0, kind .. ": " .. why)
    return kind .. "/run", out
end
-- Untrained teachers are sure of nothing: the limits are open.
local open = "same=0 --set %s.kl=10 --set %s.difference=10 "
local function asked(path) return ("--set %s=fp8 --set %s.%s"):format(path, path, open:format(path, path)) end
for _, kind in ipairs { "student", "both", "drop", "own" } do
    local folder = composed(kind, "--set teacher.dim=32 " .. asked "teacher_precision")
    t.equal(tables(folder).fp8.n, 8, kind)
end
local two = composed("two", "--set teachers.big.model.dim=32 " .. asked "teachers.big.precision")
t.equal(tables(two).agreement.n, 1, "one of two")
t.equal(tables(two).agreement.teacher[1], "big", "the one that is asked for")
t.equal(tables(two).fp8.n, 8, "its layers alone")
t.group "students masked, a reducer, one of two teachers"

-- ---- the plan ----
local function nodes(more)
    local code, out, why = shell.bauta(("plan '%s/tiny.lua' --nodes --set teacher.dim=48 %s"):format(shell.here, more))
    t.equal(code, 0, "plan: " .. why)
    return out
end
local listed = nodes "--set teacher_precision=fp8 "
t.equal(select(2, listed:gsub("quantise_fp8[^\n]- once", "")), 8, "weights become codes once")
t.equal(select(2, listed:gsub("\nteacher +linear_fp8[^\n]- step", "")), 9, "and are multiplied at each step, in the last block queries of the class token apart")
t.check(not nodes(""):find "fp8", "none without it")
local function variables(more)
    local code, out, why = shell.bauta(("plan '%s/tiny.lua' --json --tier tiles --set precision=bf16 --set teacher.dim=48 %s"):format(shell.here, more))
    t.equal(code, 0, "plan: " .. why)
    return tonumber(out:match '"variables": (%d+)')
end
-- Two blocks of 12 x 48^2 weights: a byte less each than in bf16; for each of eight layers two scales of four bytes.
t.equal(variables "" - variables "--set teacher_precision=fp8 ", 24 * 48 ^ 2 - 8 * 8, "bytes of weights")
t.group "the plan"

-- ---- refusals ----
refused("--set teacher_precision=int8 ", 'teacher_precision = "int8"; expected "run", "fp8" or bauta.fp8', 2)
refused("--set teacher_precision=fp8 --set teacher_precision.same=101 ", "fp8.same = 101; expected a number 0..100", 2)
refused("--set teacher_precision=fp8 --set teacher_precision.pictures=3 ", "fp8.pictures: no such setting", 2)
refused("--set teacher_precision=fp8 --set teacher.dim=24 --set student.dim=24 ",
    "blocks.0.attn.qkv: 24 inputs and 72 outputs; FP8 products need multiples of 16", 2, "narrow")
t.group "refusals"
shell.clean()
return t.done()
