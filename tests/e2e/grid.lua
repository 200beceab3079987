-- grid: a tiny grid from the command line: its cost beforehand, its runs, what changes with the script, cells that fail, kills and
-- signals at any moment, the report.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local bind = require "bauta.bind.run"
local shell = require "shell"
local t = require "harness"

local function grid(verb, more, out)
    return ("grid %s '%s/grid_tiny.lua' --out '%s/%s' %s"):format(verb, shell.here, shell.folder, out or "runs", more or "")
end
local function path(name) return shell.folder .. "/" .. name end

-- The accuracy of a run, from its log.
local function accuracy(folder)
    local log = bind.log(folder)
    local top1 = log:table "result".top1[1]
    log:free()
    return top1
end

-- Runs by label: { name, state } from the folders themselves.
local function runs(out)
    local found, n = {}, 0
    local _, list = shell.sh(("ls -1 '%s/%s/tiny'"):format(shell.folder, out or "runs"))
    for name in list:gmatch "[^\n]+" do
        local label = name:match "^(.+)%-%x+$"
        if label and #name > #label + 12 then found[label], n = path((out or "runs") .. "/tiny/" .. name), n + 1 end
    end
    return found, n
end

-- ---- plan, run, status ----
local status, out, err = shell.bauta(grid("plan", "--rate 1"))
t.equal(status, 0, "plan; " .. err)
t.check(out:find("6 cells, 7 runs with what they share", 1, true) and out:find("teacher +missing"), "plan: %s", out)
t.check(out:find("at 1 GMAC/s (--rate)", 1, true), "the rate that was given: %s", out)
t.equal(shell.read(path "runs/tiny"), nil, "a plan leaves nothing")
status, out, err = shell.bauta(grid("run", "--jobs 2 --threads 2"))
t.equal(status, 0, "run; " .. err .. out)
t.check(out:find("[7/7]", 1, true) and out:find("tiny: 7 complete", 1, true), "run: %s", out)
t.check(out:find("[1/7] teacher: complete", 1, true), "what is shared goes first: %s", out)
local made, n = runs()
t.equal(n, 7, "runs on the disk")
local mark = shell.read(made.student_s0 .. "/journal.bin")
status, out = shell.bauta(grid("run", ""))
t.check(status == 0 and not out:find("[1/", 1, true), "nothing is done twice: %s", out)
t.equal(shell.read(made.student_s0 .. "/journal.bin"), mark, "nothing was touched")
status, out = shell.bauta(grid("status", "--json"))
local complete = select(2, out:gsub('"state": "complete"', ""))
t.check(status == 0 and complete == 7, "status: %s", out)
status, out = shell.bauta(grid("plan", ""))
t.check(status == 0 and out:find("of the runs that are complete", 1, true) and out:find("0 s to do", 1, true), "plan of a complete grid: %s", out)
t.group "plan, run, status"

-- ---- the script changes ----
status, out = shell.bauta(grid("status", "--set epochs=3"))
t.check(status == 0 and out:find("student_s0 changed since student_s0%-%x+: epochs: 2 %-> 3") ~= nil, "what has changed: %s", out)
t.check(out:find("6 missing", 1, true) and out:find("1 complete", 1, true), "the teacher has not: %s", out)
status, out = shell.bauta(grid("run", "--set seeds=3 --only student_"))
t.check(status == 0 and out:find("[1/1] student_s2", 1, true), "one seed more, one criterion: %s", out)
t.group "changes"

-- ---- failures ----
status, out, err = shell.bauta(grid("run", "--set broken=one", "broken"))
t.equal(status, 1, "a cell has failed")
t.check(out:find("tiny: 6 complete, 1 failed", 1, true) and out:find("random_s0: failed: ", 1, true) and out:find("the loss is nan (loss_spoilt nan) at step 1", 1, true),
    "the others go on, and it says why: %s", out)
status, out = shell.bauta(grid("run", "--set broken=all --on-fail stop", "stop"))
t.check(status == 1 and out:find("5 not begun", 1, true), "--on-fail stop: %s", out)
status, out = shell.bauta(grid("run", "--set broken=all", "three"))
t.check(status == 1 and out:find("three runs in a row", 1, true) and out:find("3 failed", 1, true), "three equal failures stop: %s", out)
status, out = shell.bauta(grid("run", "--set broken=one --on-fail retry:1 --only random_s0", "retry"))
t.check(status == 1 and out:find("tried again", 1, true), "--on-fail retry: %s", out)
status, out = shell.bauta(grid("report", "--set broken=one", "broken"))
local report = shell.read(path "broken/tiny/report/report.md") or ""
t.check(status == 0 and report:find("1 have failed", 1, true) and report:find("loss_spoilt nan", 1, true), "the report says it: %s", report)
t.group "failures"

-- ---- weights that are not there, or do not fit, are said before the first run ----
local missing = { "none_s0 and 3 more: teacher's weights: no-such-file.safetensors: No such file or directory",
    "random_s0 and 1 more: teacher's weights: none-for-random.safetensors: No such file or directory" }
status, out, err = shell.bauta(grid("run", "--set weights=missing", "missing"))
t.equal(status, 3, "files that are not there")
t.equal(err, ("bauta: %s/grid_tiny.lua: %s\n"):rep(2):format(shell.here, missing[1], shell.here, missing[2]), "a line for each")
t.equal(out .. (shell.read(path "missing/tiny") or ""), "", "nothing was begun")
status, out = shell.bauta(grid("plan", "--rate 1 --set weights=missing", "missing"))
t.check(status == 0 and out:find("6 cells, 6 runs", 1, true), "the plan is made all the same: %s", out)
for _, line in ipairs(missing) do t.check(out:find("grid run will refuse this: " .. line, 1, true), "and says so: %s", out) end
status, _, err = shell.bauta(grid("run", "--set weights=wide", "missing"))
t.check(status == 3 and err:find("none_s0 and 5 more: teacher's weights: run wide fits width 36", 1, true) and select(2, err:gsub("\n", "")) == 1,
    "a run that will not fit: %s", err)
status, _, err = shell.bauta(grid("run", "--set weights=missing --only random_s1", "missing"))
t.equal(err, ("bauta: %s/grid_tiny.lua: random_s1: %s\n"):format(shell.here, missing[2]:match ": (.*)"), "of the cells that are asked for")
t.group "weights"

-- ---- cells that cannot be planned ----
shell.write(path "classes.lua", [[
local bauta = require "bauta"
local data = bauta.data "scenes" { train = 100, test = 40, size = 16 }
local function vit(classes) return bauta.arch("deit", { dim = 8, depth = 1, heads = 1, image = 16, patch = 8, classes = classes }) end
local teacher = bauta.train { name = "teacher", data = data, student = vit(10), epochs = 1, batch = 16 }
return bauta.grid { name = "classes", axes = { classes = { 10, 7, 5 }, seed = { 0, 1 } }, cell = function(c)
    local model = c.seed == 1 and c.classes == 10 and bauta.arch("deit", { dim = 8, depth = 1, heads = 1, image = 16, patch = 8, classes = 10, weights = teacher })
    return bauta.distill { data = data, student = vit(10), teacher = model or vit(c.classes), seed = c.seed, epochs = 1, batch = c.classes == 5 and 1000 or 16,
        losses = { bauta.loss "cross-entropy" {}, c.classes == 5 and bauta.loss "fitnet" {} or bauta.loss "logit" {} } }
end }
]])
status, out, err = shell.bauta(("grid plan '%s' --rate 1 --out '%s'"):format(path "classes.lua", path "classes"))
t.equal(err, "", "cells that cannot be planned do not keep the others from it")
t.check(status == 2 and out:find "classes10_s0 +missing +%d" and out:find "classes7_s0 +missing +broken +%-", "a row for each: %d %s", status, out)
t.check(out:find("\n4 of 7 runs cannot be planned:\n", 1, true), "they are counted: %s", out)
for _, line in ipairs { "plugin logit: student has 10 classes, teacher has 7", "batch 1000 > 100 samples of data scenes: that would be 0 steps" } do
    t.check(out:find("and 1 more: [^\n]*classes%.lua:%d+: " .. line:gsub("%p", "%%%0") .. "[^\n]*\n"), "%s: %s", line, out)
end
t.check(out:find("\nclasses10_s0 and 4 more: the teacher has no weights: it keeps what it was initialised with\n", 1, true), "teachers without weights: %s", out)
status, out = shell.bauta(("grid plan '%s' --rate 1 --json --out '%s'"):format(path "classes.lua", path "classes"))
t.check(status == 2 and select(2, out:gsub('"error": "[^"]*classes.lua:%d+: ', "")) == 4 and select(2, out:gsub('"macs": ', "")) == 3, "as JSON: %s", out)
local classes7 = ("grid run '%s' --out '%s' --only classes7_s1"):format(path "classes.lua", path "classes")
status, out, err = shell.bauta(classes7)
t.check(status == 2 and err:find("classes%.lua:%d+: classes/classes7_s1%-%x+: plugin logit: student has 10 classes, teacher has 7[^\n]*\n$") and out == "",
    "grid run finds it before anything begins: %d %s%s", status, out, err)
t.equal(shell.sh(("test -e '%s'"):format(path "classes")), 1, "and leaves no folder")
status, _, err = shell.bauta(("eval '%s/grid_tiny.lua'"):format(shell.here))
t.check(status == 2 and err:find("the script returned a grid; bauta eval RUNFOLDER judges a cell, bauta grid status names their folders", 1, true), "eval of a grid: %s", err)
status, out, err = shell.bauta(("eval '%s' --json"):format(made.student_s0))
t.near(tonumber(out:match '"top1": ([%d.]+)' or "nan"), accuracy(made.student_s0), 1e-9, "eval of a cell: " .. err)
t.group "cells that cannot be planned"

-- ---- the teacher of a cell ----
shell.bauta(grid("run", "--set teacher_epochs=1 --set seeds=1 --only student_")) -- another teacher beside the first
local function shown(cell, more)
    local s, o, e = shell.bauta(("mask show 0 1 --run '%s' --criterion student,teacher --out '%s' %s"):format(cell, path "seen.png", more or ""))
    t.equal(s, 0, "mask show; " .. e .. o)
    return shell.read(path "seen.png")
end
local picture = shown(made.student_s0)
t.check(picture and picture == shown(made.student_s0, ("--teacher 'deit:dim=24:depth=2:heads=2:image=16:patch=4:classes=10:weights=%s/student.safetensors'"):format(
    made.teacher)), "a cell is drawn with its own teacher")
t.group "mask show"

-- ---- a path is one word for the shell ----
status, out = shell.bauta(grid("slurm", ('--threads 2 --set epochs=5 --to "%s"'):format(path "it's a script.sh")))
local command = out:match "submit them with: bash ([^\n]+)\n"
t.check(status == 0 and command, "slurm: %s", out)
t.equal(shell.sh("bash -n " .. tostring(command)), 0, tostring(command))
t.check(shell.read(path "it's a script.sh"):find "cpus%-per%-task=2", "so many processors are asked for")
status, out, err = shell.bauta(grid("slurm", "--set epochs=5"))
t.check(status == 2 and err:find("grid slurm: --threads N expected", 1, true), "how many has to be said: %d %s", status, err)
t.group "slurm"

local function fails(want_status, want, arguments)
    local s, _, e = shell.bauta(arguments)
    t.equal(s, want_status, arguments)
    t.equal(e, "bauta: " .. want .. "\n", arguments)
end
fails(2, 'command line: "rnu": run, plan, status, report or slurm expected', grid "rnu")
fails(2, "command line: a script expected: bauta grid run SCRIPT", "grid run")
fails(2, 'command line: --on-fail = "never"; continue, stop or retry:N expected', grid("run", "--on-fail never"))
fails(2, 'command line: --only "nobody": no cell\'s label holds it', grid("run", "--only nobody"))
fails(2, shell.here .. "/grid_tiny.lua: --set epocks: no parameter of the script and no setting of its runs; did you mean epochs?", grid("run", "--set epocks=3"))
fails(2, shell.here .. "/grid_tiny.lua: the script returned a grid; bauta grid run carries it out",
    ("run '%s/grid_tiny.lua'"):format(shell.here))
fails(2, shell.here .. "/tiny.lua: the script returned an experiment; return bauta.grid { ... }", ("grid plan '%s/tiny.lua'"):format(shell.here))
fails(2, shell.here .. '/grid_tiny.lua: cell "99"; a number 1..7 expected', grid("cell", "99"))
fails(6, shell.here .. "/grid_tiny.lua: cell 1, teacher, is another run since the script has changed", grid("cell", "1 --expect 0000"))
fails(2, 'command line: --sbatch "time"; an option of sbatch as --time=12:00:00 expected', grid("slurm", "--threads 1 --sbatch time", "slurm"))
fails(2, "command line: --to has no effect on grid run; bauta grid --help says where it has one", grid("run", "--to x"))
fails(2, "command line: --sbatch has no effect on grid plan; bauta grid --help says where it has one", grid("plan", "--sbatch --time=1"))
fails(2, "command line: --json has no effect on grid report; bauta grid --help says where it has one", grid("report", "--json"))
t.check(select(2, shell.bauta(grid("run", "--help"))):find("teacher_epochs", 1, true), "help of the script")
t.group "refusals"

-- ---- killed, stopped, and the same in the end ----
local function weights(where)
    local sums, list = {}, runs(where)
    for label, folder in pairs(list) do sums[#sums + 1] = label .. " " .. bind.file_digest(folder .. "/student.safetensors") end
    table.sort(sums)
    return table.concat(sums, "\n")
end
local settings = "--set epochs=30 --set seeds=1 --jobs 2 --threads 2"
t.equal(shell.bauta(grid("run", settings, "calm")), 0, "undisturbed")
local kills = 0
for _, delay in ipairs { 0.3, 0.6, 0.9, 1.2 } do
    local s = shell.sh(("'%s' %s & p=$!; sleep %.2f; kill -KILL $p 2>/dev/null; wait $p"):format(shell.program, grid("run", settings, "storm"),
        delay + math.random() / 2))
    kills = kills + (s == 137 and 1 or 0)
end
status, out, err = shell.bauta(grid("run", settings, "storm"))
t.equal(status, 0, ("after %d kills; %s%s"):format(kills, out, err))
t.equal(weights "storm", weights "calm", "the same weights")
t.equal(select(2, runs "storm"), 4, "no run twice")
status = shell.interrupted(grid("run", "--set epochs=4000 --set seeds=1 --threads 1 --only student", "term"),
    "term/tiny/log", 3, "TERM")
t.equal(status, 85, "SIGTERM: saved, start again")
local _, json = shell.bauta(grid("status", "--set epochs=4000 --set seeds=1 --json", "term"))
t.check(not json:find '"running"' and not json:find '"killed"', "every run has saved: %s", json)
t.group(("kills (%d) and signals"):format(kills))

-- ---- the report ----
status, out, err = shell.bauta(grid("report", ""))
t.equal(status, 0, "report; " .. err)
report = shell.read(path "runs/tiny/report/report.md")
local page = shell.read(path "runs/tiny/report/index.html")
local csv = shell.read(path "runs/tiny/report/cells.csv")
t.check(report:find("| student | ", 1, true) and report:find("±", 1, true) and report:find("## Differences to criterion = none", 1, true),
    "Markdown: %s", report)
t.check(report:find("## Paper | measured | difference: printed", 1, true) and report:find(" 75.50 | ", 1, true) and report:find(" +25.25 | ", 1, true),
    "paper | measured: %s", report)
t.check(page:find("student and teacher agree %", 1, true) and not page:find("probe.agreement", 1, true), "columns have titles: %s", page)
t.check(page:find('<th class="n">top-1 %', 1, true), "numbers stand to the right, heads too")
t.check(page:find("<svg", 1, true) and page:find("data:image/png;base64,iVBOR", 1, true) and page:find("</html>", 1, true), "the page")
t.check(not page:find("<script", 1, true) and not page:find('src="http', 1, true) and not page:find("url(", 1, true), "it needs nothing else")
t.equal(select(2, csv:gsub("\n", "")), 7, "lines of cells.csv")
local sum, count = 0, 0
for top1 in csv:gmatch "\nstudent_s%d,student,%d,complete,[^,]*,[^,]*,([%d.]+)," do sum, count = sum + tonumber(top1), count + 1 end
local mean = shell.read(path "runs/tiny/report/means.csv"):match "student,top1,2,([%d.]+),"
t.equal(count, 2, "students in cells.csv")
t.near(tonumber(mean or "nan"), sum / 2, 1e-9, "mean of means.csv")
status, out = shell.bauta(grid("report", "", "nothing"))
t.check(status == 0 and out:find("0 of 6 cells", 1, true), "the report of a grid that was not begun: %s", out)
t.group "report"

-- ---- an experiment of the papers ----
local script = shell.here .. "/../../experiments/maskedkd/table6b.lua"
status, out, err = shell.bauta(("grid run '%s' --scale smoke --jobs 2 --out '%s'"):format(script, path "papers"))
t.equal(status, 0, "table 6b; " .. err .. out)
status, out, err = shell.bauta(("grid report '%s' --scale smoke --out '%s'"):format(script, path "papers"))
report = shell.read(path "papers/maskedkd/smoke/table6b/report/report.md") or ""
t.check(status == 0 and report:find("| last | ", 1, true) and not report:find("The paper: ", 1, true), "no papers at the smoke scale: %s%s", err, report)
t.group "an experiment of the papers"

shell.clean()
return t.done()
