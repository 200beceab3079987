-- recompute: blocks that are computed again for the gradient: the bits of the run that keeps everything, less memory, FLOPs that are counted.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local compare = require "compare"
local shell = require "shell"
local t = require "harness"

local deep = "--set student.depth=4 --set student.drop_path=0.3 --threads 1 "

local function run(out, more)
    local status, _, err = shell.bauta(shell.tiny(deep .. more, out))
    t.equal(status, 0, out .. ": " .. err)
    return out .. "/tiny"
end

-- What is learned and measured; the cost of a step is another.
local measured = { "train", "eval", "mask", "probe" }

local function same(a, b, what)
    for _, name in ipairs(measured) do t.check(#compare.numbers(a, name) > 20, "%s: table %s has rows", what, name) end
    compare.same_run(a, b, what, measured)
end

local again = "--set recompute=blocks "
for i, case in ipairs { { "fp32, drop path", "" }, { "two threads", "--threads 2 " }, { "bf16", "--tier tiles --set precision=bf16 " }, { "micro-batches", "--set micro=4 " },
    { "the student masked", "--set mask.who=student " }, { "both masked", "--set mask.who=both " } } do
    same(run("keep" .. i, case[2]), run("again" .. i, case[2] .. again), case[1])
end
t.group "the same bits: drop path, bf16, micro-batches, masked students"

-- Two teachers; views of which the student alone sees the small ones; mixing, erasing and a loss that reads tokens; a reducer in the teacher.
local function composed(kind, how)
    local name = kind .. "-" .. how
    local status, _, err = shell.bauta(("run '%s/composed.lua' --threads 1 --set kind=%s --set epochs=2 --set recompute=%s --out '%s/%s'"):format(shell.here, kind, how,
        shell.folder, name))
    t.equal(status, 0, name .. ": " .. err)
    return name .. "/run"
end
for _, kind in ipairs { "two", "views", "recipe", "drop" } do same(composed(kind, "none"), composed(kind, "blocks"), kind) end
t.group "the same bits: two teachers, views, mixing and tokens, a reducer"

-- ---- a run goes on with the other setting: it changes no number ----
local long = "--set epochs=12 "
run("whole", long)
t.equal(shell.interrupted(shell.tiny(deep .. long, "other"), "other/tiny/checkpoints/last", 0, "INT"), 130, "it was stopped before its end")
run("other", long .. again .. "--resume")
same("whole/tiny", "other/tiny", "resumed with blocks computed again")
local status, _, err = shell.bauta(shell.tiny(deep .. "--set epochs=5 " .. again .. "--resume", "other"))
t.check(status ~= 0 and err:find "epochs" and not err:find "recompute", "another length is another run, another way to compute is none: %s", err)
t.group "resumed with the other setting"

-- ---- the plan ----
local function plan(more)
    local code, out, said = shell.bauta(("plan '%s/tiny.lua' --json --set student.depth=8 --set batch=96 %s"):format(shell.here, more))
    t.equal(code, 0, "plan: " .. said)
    local roles = out:match '"roles": (%b{})' or ""
    local function of(role, what) return tonumber((roles:match('"' .. role:gsub("%.", "%%.") .. '": (%b{})') or ""):match('"' .. what .. '": ([%d.e+-]+)')) end
    return { arena = tonumber(out:match '"arena": (%d+)'), saved = tonumber(out:match '"saved": (%d+)'), of = of,
        more = tonumber(out:match '"recompute": {.-"flops": ([%d.e+]+)'), flops = tonumber(out:match '"total": {.-"flops": ([%d.e+]+)'), papers = tonumber(out:match '"total": {.-"papers": ([%d.e+]+)') }
end
local kept, repeated = plan "", plan(again)
t.check(repeated.arena < 0.4 * kept.arena, "%d of %d bytes", repeated.arena, kept.arena)
t.equal(repeated.saved, kept.arena - repeated.arena, "what it saves")
t.equal(kept.saved, 0, "nothing is saved without it")
t.near(repeated.more, repeated.flops - kept.flops, 1e-6 * kept.flops, "the FLOPs that it costs")
t.equal(repeated.papers, kept.papers, "the papers' count")
t.equal(repeated.of("student", "flops"), kept.of("student", "flops"), "forward")
t.equal(repeated.of("student.backward", "flops"), kept.of("student.backward", "flops"), "backward")
-- of a block all but the second matrix of its MLP, which its gradient does not ask for; nothing in front of the blocks or behind them
t.check(repeated.of("student.recompute", "macs") < 0.75 * kept.of("student", "macs"), "%g of %g", repeated.of("student.recompute", "macs"), kept.of("student", "macs"))
local parts = plan(again .. "--set micro=4")
t.check(parts.arena < repeated.arena and parts.saved > 0 and parts.more == repeated.more, "in parts: %d bytes, %d saved", parts.arena, parts.saved)
local code, out = shell.bauta(("plan '%s/tiny.lua' %s"):format(shell.here, again))
t.check(code == 0 and out:find "\nrecompute = blocks: [%d.]+ %a+ less memory %(without it [%d.]+ %a+ of activations and gradients%), [%d.]+ [kM]FLOPs more an image %([%d.]+ %%%)\n"
    and out:find "\nstudent%.recompute ", "plan as text: %s", out)
t.group "plan: memory saved, FLOPs added"

-- ---- refusals ----
local function refused(more, want)
    local failed, _, why = shell.bauta(shell.tiny(more, "none"))
    t.equal(failed, 2, more)
    t.check(why:find(want, 1, true) and select(2, why:gsub("\n", "")) == 1, "%s: %s", more, why)
end
refused("--set recompute=all", "recompute = \"all\"")
refused("--set recompute=", "recompute")
refused(again .. "--set trains=head", "recompute = blocks has no effect: no gradient needs what blocks compute")
run("rests", again .. "--set freeze=blocks,patch_embed,cls_token,pos_embed --set freeze_epochs=1")
t.group "refusals; weights that rest at first"
shell.clean()
return t.done()
