-- emulated: a distillation on the CUDA device's kernels, run by the emulator: device memory that only the device touches, another
-- order of threads, the CPU's numbers. A GPU runs the same kernels and the same host code, but for runtime_cuda.c.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local compare = require "compare"
local shell = require "shell"
local t = require "harness"

-- Six steps and an evaluation: what an emulator does in seconds.
local function run(name, more, before) return compare.student(name, "--set epochs=1 " .. more, before) end

local function column(folder, name, column_name) return compare.tables(folder)[name][column_name] end

local cpu, gpu = run("cpu", "--threads 1"), run("gpu", "--device emulated")
compare.follows(cpu, gpu)
t.group "the losses of a run on the CUDA kernels are those of the CPU"

compare.same_run(gpu, run("again", "--device emulated", "BAUTA_EMULATE_ORDER=1"), "threads in another order")
compare.same_run(gpu, run("third", "--device emulated --set recompute=blocks", "BAUTA_EMULATE_ORDER=2"), "a third order, and blocks computed again",
    { "train", "eval", "mask", "probe" })
t.group "the order of threads does not show in a bit, nor does what is computed again"

local bf16 = run("bf16", "--device emulated --set precision=bf16")
local a, b = column(cpu, "train", "loss"), column(bf16, "train", "loss")
for i = 1, #a do t.near(b[i], a[i], 0.03 * (1 + a[i]), ("bf16: loss of step %d"):format(i)) end
t.check(b[1] ~= a[1], "bf16 was used")
t.group "bf16 follows fp32 within its rounding"

-- Codes are the same bits on both; sums in another order now and then take an input to the next code.
local narrow = "--set student.dim=32 --set teacher.dim=32 --set teacher_precision=fp8 --set teacher_precision.same=0 --set teacher_precision.kl=10 --set teacher_precision.difference=10 "
local wide8, gpu8 = run("cpu8", narrow .. "--threads 1"), run("gpu8", narrow .. "--device emulated")
a, b = column(wide8, "train", "loss_kd"), column(gpu8, "train", "loss_kd")
for i = 1, #a do t.near(b[i], a[i], 5e-3 * (1 + a[i]), ("FP8: distillation of step %d"):format(i)) end
a, b = column(wide8, "fp8", "scale"), column(gpu8, "fp8", "scale")
for i = 1, #a do t.equal(b[i], a[i], "scale " .. i) end
t.group "a teacher in FP8 has the CPU's scales and teaches the same"

local status, _, err = shell.bauta(shell.tiny("--device cuda", "none"))
if status == 0 then t.skip("the refusal of --device cuda", "this machine has a GPU") else
    t.equal(status, 5, "no device: exit status")
    t.check(err:find "^bauta: .*device 'cuda' cannot be had: " or err:find "^bauta: cuda: ", "one line says why: %s", err)
    t.equal(select(2, err:gsub("\n", "")), 1, "no device: lines")
end
status, _, err = shell.bauta(shell.tiny("--device auto", "auto"))
t.equal(status, 0, "auto: " .. err)
t.check(err:find "bauta: device cpu: .*cuda" or err:find "bauta: device cuda: ", "auto says which it took: %s", err)
t.group "no GPU is one line; auto takes what there is and says so"

-- The timings pass their gate on these kernels too; how long they take here says nothing, and instrumented they take minutes.
if arg[2] == "sanitized" then t.skip("bench on the emulated device", "too slow under AddressSanitizer") else
    local status, out, err = shell.bauta "bench teacher --device emulated --teacher-size tiny --image 16 --patch 4 --classes 10 --batch 2 --steps 1 --rough"
    t.check(status == 0 and out:find "^emulated: " and out:find("gate: operations within", 1, true), "bench teacher: %s%s", out, err)
end
t.group "bench"
shell.clean()
return t.done()
