-- tiles: a whole distillation in bf16 on AMX's tiles, emulated in C: the same kernels and the same program that a processor with AMX runs. And on the
-- processor's own tiles, or pairs in AVX-512's registers, where it has them.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local compare = require "compare"
local shell = require "shell"
local t = require "harness"

local run = compare.student
local function losses(folder) return compare.tables(folder).train.loss end

local plain, half = run("plain", ""), run("half", "--tier tiles --set precision=bf16 --threads 1")
local a, b = losses(plain), losses(half)
t.check(#a > 5 and #a == #b, "as many steps: %d and %d", #a, #b)
for i = 1, #a do t.near(b[i], a[i], 0.03 * (1 + a[i]), ("loss of step %d"):format(i)) end
t.check(b[1] ~= a[1], "bf16 was used")
t.group "bf16 follows fp32 within its rounding"

compare.same_run(half, (run("two", "--tier tiles --set precision=bf16 --threads 2")), "two threads")
t.group "the number of threads does not show in a bit"

local status, out, err = shell.bauta "doctor --tier tiles"
t.check(status == 0 and out:find("tiles kernels", 1, true) and out:find("bf16 on emulated tiles", 1, true), "doctor: %s%s", out, err)
for tier, says in pairs { amx = "fast bf16 %(AMX%)", avx512bf16 = "bf16 .-AVX%-512" } do
    status, out, err = shell.bauta("doctor --tier " .. tier)
    if status == 0 then
        t.check(out:find(says), "doctor on %s: %s", tier, out)
        local one = run(tier, ("--tier %s --set precision=bf16 --threads 1"):format(tier))
        local c = losses(one)
        for i = 1, #b do t.near(c[i], b[i], 0.01 * (1 + b[i]), ("loss of step %d, %s"):format(i, tier)) end
        t.check(c[1] ~= a[1], "%s: bf16 was used", tier)
        compare.same_run(one, (run(tier .. "-two", ("--tier %s --set precision=bf16 --threads 2"):format(tier))), tier .. ", two threads")
    else
        t.check(tier ~= "avx512bf16" or not shell.read("/proc/cpuinfo"):find "avx512_bf16", "the processor has pairs of bf16, but: %s%s", out, err)
        t.skip("a run on " .. tier, "this processor has none")
        status, out, err = shell.bauta(shell.tiny("--tier " .. tier, "none"))
        t.equal(status, 5, tier .. ", which is not there: exit status")
        t.check(err:find(("^bauta: .*tier '%s': this processor %%(or build%%) does not have it; the best here is '%%w+'"):format(tier)), "one line says why: %s", err)
        t.equal(select(2, err:gsub("\n", "")), 1, tier .. ", which is not there: lines")
    end
end
status, out, err = shell.bauta(shell.tiny("--tier mmx", "none"))
t.check(status ~= 0 and err:find("tier 'mmx': auto, plain, avx2, avx512, avx512bf16, amx or tiles", 1, true), "an unknown tier: %s", err)
t.group "tiers by name"
shell.clean()
return t.done()
