-- runs: tiny experiments from the command line to their files: tables, state, weights, pictures; equal numbers whatever the
-- number of threads, and through kills and signals.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local bind = require "bauta.bind.run"
local shell = require "shell"
local t = require "harness"

local compare = require "compare"
local path, tables, numbers, same_run = compare.path, compare.tables, compare.numbers, compare.same_run

-- ---- one run, and what it leaves ----
local status, out, err = shell.bauta(shell.tiny("--threads 2", "a"))
t.equal(status, 0, "status; " .. err)
t.equal(err, "", "nothing on standard error")
t.check(out:find("tiny: complete", 1, true), "closing line: %s", out)
local a = tables "a/tiny"
t.equal(a.train.n, 12, "rows of train")
t.equal(a.eval.n, 2, "rows of eval")
t.equal(a.mask.n, 2, "rows of mask")
t.equal(a.result.n, 1, "rows of result")
t.equal(a.mask.kept[1], 8, "kept patches")
for _, column in ipairs { "step", "epoch", "loss", "loss_ce", "loss_kd", "top1", "teacher_top1", "grad_norm", "lr",
    "time_step" } do
    t.check(a.train[column] and #a.train[column] == 12, "column %s of train", column)
end
for i = 1, 12 do
    t.near(a.train.loss[i], a.train.loss_ce[i] + a.train.loss_kd[i], 1e-4, "the losses sum up")
    t.equal(a.train.step[i], i, "steps count from 1")
end
local state = bind.state(path "a/tiny")
t.equal(state.state, "complete", "state")
t.equal(state.step, 12, "step of the state")
t.check(a.result.teacher_macs[1] > 0 and a.result.teacher_papers[1] > a.result.teacher_macs[1], "teacher's cost")
t.check(a.documents.script and a.documents.script:find("smallest distillation", 1, true), "the script is in the log")
t.check(a.documents.settings:find('"temperature": 2', 1, true) and a.documents.settings:find('"drop_path": 0.1', 1, true),
    "settings are in the log")
t.check(a.documents.configuration:find("schedule.floor = ", 1, true), "defaults are in the log")
for _, file in ipairs { "run.h5", "journal.bin", "state.json", "student.safetensors", "report/teacher-view.png",
    "checkpoints/last", "checkpoints/epoch-0002.ckpt" } do
    t.check(shell.read(path("a/tiny/" .. file)), "file %s", file)
end
t.equal(shell.read(path "a/tiny/report/teacher-view.png"):sub(2, 4), "PNG", "picture")
if os.execute "command -v h5dump >/dev/null 2>&1" == 0 then
    local _, dump = shell.sh(("h5dump -H -d /train '%s'"):format(path "a/tiny/run.h5"))
    t.check(dump:find('"teacher_top1"', 1, true), "h5dump reads run.h5")
else t.skip("h5dump", "not installed") end
t.equal(shell.bauta(shell.tiny("--threads 2 --resume", "a")), 0, "a complete run is not run again")
t.equal(tables "a/tiny".result.n, 1, "and not changed")
status, out = shell.bauta(shell.tiny("--set kind=train --set name=longer", "a"))
status, out, err = shell.bauta(shell.tiny("--set kind=train --set name=longer --set epochs=3 --resume --accept-changes", "a"))
t.equal(status, 0, "one epoch more: " .. err)
t.equal(tables "a/longer".eval.n, 3, "evaluations of three epochs")
local now = tables "a/longer".documents
t.check(now.configuration:find("\nepochs = 3\n", 1, true) and now.settings:find('"epochs": 3', 1, true) and now.command:find("--accept-changes", 1, true),
    "the log says what the run is now: %s", now.configuration)
t.check((now.configuration_1 or ""):find("\nepochs = 2\n", 1, true) and (now.settings_1 or ""):find('"epochs": 2', 1, true) and
    (now.command_1 or ""):find("^bauta run .*name=longer$") and not now.script_1 and not now.configuration_2, "and what it was before")
status, out = shell.bauta(("log csv '%s' events"):format(path "a/longer"))
t.check(status == 0 and out:find(",2,12,changed,until here settings_1; epochs: 2 -> 3\n", 1, true), "and since when: %s", out)
status, out = shell.bauta(("show '%s' --settings"):format(path "a/longer"))
t.check(status == 0 and out:find("\nepochs = 3\n", 1, true), "show --settings: %s", out)
status, _, err = shell.bauta(shell.tiny("--set kind=train --set name=longer --set epochs=2 --resume", "a"))
t.check(status == 6 and err:find("epochs: 3 -> 2 (run longer was made with other settings; --resume --accept-changes goes on with it, --restart makes it anew)", 1,
    true), "the first settings are others now: %d %s", status, err)
t.equal(shell.bauta(shell.tiny("--set kind=train --set name=longer --set epochs=3 --resume", "a")), 0, "the present ones are the run's")
status, _, err = shell.bauta(shell.tiny("--set kind=train --set name=longer --set epochs=4 --set recompute=blocks --set optimiser.lr=1e-4 --resume --accept-changes", "a"))
now = tables "a/longer".documents
t.check(status == 0 and (now.configuration_2 or ""):find("\nepochs = 3\n", 1, true) and now.configuration:find("\nepochs = 4\n", 1, true) and
    now.configuration:find('\nrecompute = "blocks"\n', 1, true) and now.configuration_1:find("\nepochs = 2\n", 1, true), "once more: %d %s", status, err)
if os.execute "command -v h5dump >/dev/null 2>&1" == 0 then
    local _, dump = shell.sh(("h5dump -d /about/settings '%s'"):format(path "a/longer/run.h5"))
    t.check(dump:find('"epochs": 4', 1, true), "run.h5 has the present settings: %s", dump:sub(1, 400))
end
t.equal(shell.bauta(shell.tiny("--set kind=train --set name=seldom --set epochs=7 --set evaluate_every=3", "a")), 0, "evaluated seldom")
local seldom = tables "a/seldom"
t.equal(seldom.eval.n, 3, "after epochs 3, 6 and 7")
local evaluating, stepping = 0, 0
for _, s in ipairs(seldom.eval.time_eval) do evaluating = evaluating + s end
for _, s in ipairs(seldom.train.time_step) do stepping = stepping + s end
t.near(seldom.result.time_train[1], stepping, 1e-9, "time_train: every step")
t.check(seldom.result.time_total[1] >= stepping + evaluating - 1e-9, "time_total: every step and every evaluation, %g s of %g and %g",
    seldom.result.time_total[1], stepping, evaluating)
t.group "a run and its files"

-- ---- the same again ----
shell.bauta(shell.tiny("--threads 2", "b"))
same_run("a/tiny", "b/tiny", "a second run")
shell.bauta(shell.tiny("--threads 1 --loaders 1", "c"))
same_run("a/tiny", "c/tiny", "one thread")
shell.bauta(shell.tiny("--threads 3 --loaders 3", "d"))
same_run("a/tiny", "d/tiny", "three threads")
shell.bauta(shell.tiny("--set kind=lua", "e"))
t.equal(numbers("e/tiny", "train"), numbers("a/tiny", "train"), "the criterion written in Lua gives the plugin's numbers")
t.group "equal numbers"

-- ---- killed and resumed ----
shell.bauta(shell.tiny("--set epochs=6 --threads 1", "f"))
local kills = 0
for i, delay in ipairs { 0, 0.02, 0.05, 0.1, 0.2, 0.1, 0.3 } do
    local more = "--set epochs=6 --threads 1 " .. (i == 1 and "--restart" or "--resume")
    local s = shell.interrupted(shell.tiny(more, "g"), "g/tiny/journal.bin", delay, "KILL")
    if s == 137 then kills = kills + 1 end
end
status, out, err = shell.bauta(shell.tiny("--set epochs=6 --threads 1 --resume", "g"))
t.equal(status, 0, ("resumed after %d kills; %s"):format(kills, err))
same_run("f/tiny", "g/tiny", "killed and resumed")
t.group(("killed and resumed (%d kills)"):format(kills))

local arguments = shell.tiny("--set epochs=60 --threads 1", "h")
t.equal(shell.interrupted(arguments, "h/tiny/checkpoints/last", 0, "TERM"), 85, "SIGTERM: saved, start again")
t.equal(bind.state(path "h/tiny").state, "stopped", "state after SIGTERM")
local stopped = bind.state(path "h/tiny").step
t.equal(shell.interrupted(arguments .. " --resume", "h/tiny/checkpoints/last", 0, "INT"), 130, "SIGINT: stopped by Ctrl-C")
t.check(bind.state(path "h/tiny").step >= stopped, "it had gone on")
t.equal(shell.bauta(arguments .. " --resume"), 0, "resumed again")
shell.bauta(shell.tiny("--set epochs=60 --threads 2", "i"))
same_run("i/tiny", "h/tiny", "stopped twice within an epoch")

-- A run of a single step, stopped in it: the epoch that is left without steps must still be ended, judged and logged.
local one_step = "--set epochs=1 --set batch=96 --set student.dim=192 --set student.heads=2 --threads 1"
shell.bauta(shell.tiny(one_step, "j"))
local hits = 0
for i = 0, 24 do
    shell.interrupted(shell.tiny(one_step .. " --restart", "k"), "k/tiny/journal.bin", i * 0.02, "INT")
    local seen = bind.state(path "k/tiny")
    if seen.state == "stopped" and seen.step == 1 then
        hits = hits + 1
        t.equal(shell.bauta(shell.tiny(one_step .. " --resume", "k")), 0, "resumed after its last step")
        same_run("j/tiny", "k/tiny", "stopped at its last step")
    end
    if hits == 2 then break end
end
if hits == 0 then t.skip("a run stopped at its last step", "no signal came within it") end
t.group "signals"

-- ---- a suite ----
status, out, err = shell.bauta(shell.tiny("--set kind=suite", "s"))
t.equal(status, 0, "suite; " .. err)
t.check(out:find("all/student", 1, true) and out:find("teacher MACs", 1, true), "the table: %s", out)
t.check(shell.read(path "s/all/report.txt"), "the table as a file")
local first = numbers("s/all/student", "result")
status, out = shell.bauta(shell.tiny("--set kind=suite", "s"))
t.check(status == 0 and out:find("complete, taken from", 1, true), "complete runs are taken: %s", out)
shell.bauta(shell.tiny("--set kind=suite --restart", "s"))
t.equal(numbers("s/all/student", "result"), first, "restarted: the same numbers")
t.equal(bind.state(path "s/all/student").epoch, 2, "the state of a complete run: whole epochs done")
status, out, err = shell.bauta(shell.tiny("--set kind=suite --set mask.keep=0.25 --restart-changed", "s"))
t.check(status == 0 and out:find("all/teacher: complete, taken from", 1, true) and not out:find("all/student: complete, taken", 1, true),
    "--restart-changed keeps what is the same: %s%s", out, err)
t.check(numbers("s/all/student", "result") ~= first, "and makes the rest anew")
status, out, err = shell.bauta(shell.tiny("--set kind=suite --set teacher_seed=7 --set mask.keep=0.25 --restart-changed", "s"))
t.check(status == 0 and not out:find("taken from", 1, true), "and what takes the weights of a changed run: %s%s", out, err)
status, _, err = shell.bauta(shell.tiny("--set kind=suite --set teacher_seed=8 --set mask.keep=0.25", "s"))
t.check(status == 6 and err:find("seed: 7 -> 8 (run all/teacher was made with other settings; --accept-changes goes on with it, --restart-changed makes it anew, " ..
    "and what takes its weights; --restart all runs of the suite)", 1, true), "a suite that has changed: %d %s", status, err)
local student = shell.read(path "s/all/student/student.safetensors")
status, out, err = shell.bauta(shell.tiny("--set kind=suite --set teacher_seed=8 --set mask.keep=0.25 --accept-changes", "s"))
t.check(status == 0 and out:find("all/student: its teacher took the weights that all/teacher had before; --restart-changed makes it anew", 1, true),
    "a teacher that went on: %d %s%s", status, out, err)
t.equal(shell.read(path "s/all/student/student.safetensors"), student, "its student is as it was")
status, _, err = shell.bauta(shell.tiny("--set kind=suite --set teacher_seed=8 --set mask.keep=0.25 --set epochs=3 --resume --accept-changes", "s"))
t.equal(status, 0, "a complete suite goes on: " .. err)
t.equal(tables "s/all/student".eval.n, 3, "one epoch more")
t.group "suites"

-- ---- looking at runs ----
status, out = shell.bauta(("show '%s'"):format(path "a/tiny"))
t.check(status == 0 and out:find("complete", 1, true) and out:find("top-1", 1, true), "show: %s", out)
status, out = shell.bauta(("show '%s'"):format(path "s"))
t.check(status == 0 and out:find("all/teacher", 1, true), "show a folder: %s", out)
status, out, err = shell.bauta(("eval '%s/tiny.lua' --out '%s' --json"):format(shell.here, path "a"))
t.check(status == 0, "eval: %s", err)
t.near(tonumber(out:match('"top1": ([%d.]+)') or -1), a.result.top1[1], 1e-9, "eval gives the run's accuracy")
status, out, err = shell.bauta(("eval '%s/' --json"):format(path "a/tiny"))
t.check(status == 0 and out:find('"run": "' .. path "a/tiny" .. '"', 1, true), "eval of a folder: %s%s", out, err)
t.near(tonumber(out:match('"top1": ([%d.]+)') or -1), a.result.top1[1], 1e-9, "its accuracy from its log")
status, out, err = shell.bauta(("eval '%s' --json --checkpoint last --part ema"):format(path "a/tiny"))
t.near(tonumber(out:match('"top1": ([%d.]+)') or -1), a.result.ema_top1[1], 1e-9, "its averaged weights: " .. err)
for protocol, said in pairs { ["knn --neighbours 5"] = "with 5 neighbours of 96 pictures", ["linear --epochs 1"] = "linear probe top%-1" } do
    local s_script, by_script = shell.bauta(("eval '%s/tiny.lua' --out '%s' --json --protocol %s"):format(shell.here, path "a", protocol))
    local s_run, by_run = shell.bauta(("eval '%s' --json --protocol %s"):format(path "a/tiny", protocol))
    t.check(s_script == 0 and s_run == 0 and by_run:gsub('"run": "[^"]*"', "") == by_script:gsub('"run": "[^"]*"', ""), "%s: %s and %s", protocol, by_run, by_script)
    status, out = shell.bauta(("eval '%s' --protocol %s"):format(path "a/tiny", protocol))
    t.check(status == 0 and out:find(said), "%s: %s", protocol, out)
end
for _, case in ipairs { { "a/tiny", "--data x", 2, "command line: --data: data scenes lies nowhere: it has no path" },
    { "a/tiny", "--set epochs=3", 2, "command line: --set has no effect on a run's folder: its settings are those of its log" },
    { "a/tiny", "--epochs 3", 2, "command line: --epochs has no effect on protocol classifier; it is for linear, linear-mae" },
    { "a/tiny", "--neighbours 5", 2, "command line: --neighbours has no effect on protocol classifier; it is for knn" },
    { "a/tiny", "--features class", 2, "command line: --features has no effect on protocol classifier; it is for knn, linear, linear-mae" },
    { "a/tiny", "--protocol knn --lr 0.1", 2, "command line: --lr has no effect on protocol knn; it is for linear, linear-mae" },
    { "a/tiny", "--protocol linear --gallery 10", 2, "command line: --gallery has no effect on protocol linear; it is for knn" },
    { "a/tiny", "--weights x --checkpoint last", 2, "command line: --checkpoint has no effect beside --weights; one of them expected" },
    { "a/tiny", "--out x", 2, "command line: --out has no effect on a run's folder: its settings are those of its log" },
    { "a/tiny", "--checkpoint last --part average", 2, path "a/tiny" .. '/checkpoints/last: --part average: it has none; runs that a teacher "ema" teaches (DINO) have' },
    { "a/tiny", "--checkpoint last --part losses", 2, "command line: --part losses: no such part; known: average, ema, student" },
    { "a/tiny", "--run tiny", 2, "command line: --run has no effect on a run's folder: its settings are those of its log" },
    { "s/all", "", 2, path "s/all" .. ": a folder of runs: student, teacher; one of them expected" } } do
    status, out, err = shell.bauta(("eval '%s' %s"):format(path(case[1]), case[2]))
    t.check(status == case[3] and err == "bauta: " .. case[4] .. "\n", "eval %s %s: %d %s", case[1], case[2], status, err)
end
status, out, err = shell.bauta(("export '%s' --to '%s'"):format(path "a/tiny", path "exported.safetensors"))
t.check(status == 0, "export: %s", err)
for _, note in ipairs { "mean", "std", "architecture", "image" } do
    local pattern = "\n *" .. note .. " = ([^\n]+)"
    local _, own = shell.bauta(("inspect '%s'"):format(path "a/tiny/student.safetensors"))
    local _, exported = shell.bauta(("inspect '%s'"):format(path "exported.safetensors"))
    t.check(own:find(pattern), "the run's own file says its %s: %s", note, own)
    t.equal(exported:match(pattern), own:match(pattern), "so does an exported one: " .. note)
end
status, out, err = shell.bauta(("export '%s' --part average"):format(path "a/tiny"))
t.check(status == 2 and err:find("--part average: it has none", 1, true), "export of what the run does not keep: %d %s", status, err)
status, out, err = shell.bauta(("export '%s' --part ema"):format(path "a/tiny"))
t.check(status == 0 and out:find("ema-last.safetensors: ", 1, true), "export of the averaged weights: %d %s%s", status, out, err)
status, out, err = shell.bauta(("eval '%s/tiny.lua' --out '%s' --json --weights '%s'"):format(shell.here, path "a",
    path "exported.safetensors"))
t.near(tonumber(out:match('"top1": ([%d.]+)') or -1), a.result.top1[1], 1e-9, "exported weights: " .. err)
status, out, err = shell.bauta(("eval '%s/tiny.lua' --out '%s' --weights '%s' --set student.prefix=model."):format(shell.here, path "a",
    path "exported.safetensors"))
t.check(status ~= 0 and err:find("missing cls_token", 1, true), "the student's prefix is for --weights too: %d %s", status, err)
status, out, err = shell.bauta(("run '%s/tiny.lua' --out '%s' --set name=begun --set epochs=1 --set student.weights='%s' --set student.keys=plain"):format(shell.here,
    path "a", path "exported.safetensors"))
t.equal(status, 0, "a student that begins with weights: " .. err)
status, out, err = shell.bauta(("export '%s' --to '%s'"):format(path "a/begun", path "again.safetensors"))
t.equal(status, 0, "its export: " .. err)
status, out, err = shell.bauta(("run '%s/tiny.lua' --out '%s' --set name=x --set student.keys=plain"):format(shell.here, path "a"))
t.check(status == 2 and err:find('arch deit.keys = "plain" has no effect: no weights are given', 1, true), "keys of no file: %s", err)
status, out, err = shell.bauta(("log tail '%s' --table eval"):format(path "a/tiny"))
t.check(status == 0 and out:find("best_top1", 1, true), "log tail: %s %s", out, err)
status, out = shell.bauta(("log tail '%s' --table events"):format(path "a/tiny"))
t.check(status == 0 and out:find "%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%dZ", "moments as dates: %s", out)
local _, csv = shell.bauta(("log csv '%s' eval"):format(path "a/tiny"))
local lines = {}
for line in csv:gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
t.equal(lines[1], table.concat(a.eval.names, ","), "the columns of log csv")
t.equal(#lines, a.eval.n + 1, "and its rows")
for i = 1, a.eval.n do
    local c = 0
    for cell in (lines[i + 1] .. ","):gmatch "([^,]*)," do
        c = c + 1
        local v = a.eval[a.eval.names[c]][i]
        t.check(v ~= v and cell == "" or tonumber(cell) == v, "row %d, %s: %s for %.17g", i, a.eval.names[c], cell, v)
    end
end
_, csv = shell.bauta(("log csv '%s' events"):format(path "a/tiny"))
t.check(csv:find('first_step,"begins [%d.]+ s after the program started, [%d.]+ s of that preflight and probe"\n'), "texts with commas are quoted: %s", csv)
_, csv = shell.bauta(("log csv '%s' result"):format(path "a/longer"))
t.check(csv:find "^epochs,step,top1,top5,best_top1,ema_top1,knn_top1,weights,[^\n]*\n4,24,[^,]*,[^,]*,[^,]*,,,%d", "NaN is an empty field: %s", csv)
status, _, err = shell.bauta(("log csv '%s' evl"):format(path "a/tiny"))
t.check(status == 3 and err:find("no such table evl; did you mean eval?", 1, true), "a table that is not there: %d %s", status, err)
status, _, err = shell.bauta(("log repair '%s' eval"):format(path "a/tiny"))
t.check(status == 2 and err:find('"eval": log repair takes a run only', 1, true), "a table of repair: %d %s", status, err)
t.check(require("bauta.archive").documents(path "a/tiny").command:find("^bauta run .*tiny%.lua"), "the log knows the command line")
status, out = shell.bauta(("inspect '%s'"):format(path "a/tiny/student.safetensors"))
t.check(status == 0 and out:find("  mean = 0.485,0.456,0.406\n", 1, true) and out:find('  class_names = ["disk",', 1, true) and out:find("in Python: timm.models." ..
    "vision_transformer.VisionTransformer(img_size=16, patch_size=4, embed_dim=24, depth=2, num_heads=2, num_classes=10)\n", 1, true), "notes: %s", out)
status, out = shell.bauta(("log tables '%s'"):format(path "a/tiny"))
t.check(status == 0 and out:find("events", 1, true) and out:find("epoch, step, top1, top5", 1, true), "the tables of a run: %s", out)
for _, verb in ipairs { "log tail", "export" } do
    status, _, err = shell.bauta(("%s '%s'"):format(verb, path "s/all"))
    t.check(status == 2 and err:find("s/all: a folder of runs: student, teacher; one of them expected", 1, true), "%s: %d %s", verb, status, err)
end
status, _, err = shell.bauta(("export '%s' --checkpoint first"):format(path "a/tiny"))
t.check(status == 3 and err:find("--checkpoint first: no such file; last, best or a path expected", 1, true), "which checkpoint: %s", err)
status, _, err = shell.bauta(("eval '%s/tiny.lua' --out '%s'"):format(shell.here, path "nobody"))
t.check(status == 3 and err:find("nobody/tiny: not run yet: bauta run", 1, true), "eval before any run: %s", err)
os.remove(path "a/tiny/run.h5")
status, out, err = shell.bauta(("log repair '%s'"):format(path "a/tiny"))
t.check(status == 0 and shell.read(path "a/tiny/run.h5"), "log repair: %s", err)
t.group "show, eval, export, log"

shell.clean()
return t.done()
