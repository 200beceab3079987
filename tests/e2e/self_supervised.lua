-- self_supervised: whole runs with losses that need no labels, with the whole and with a masked teacher: that they learn, that queues and averages
-- survive a stop bit for bit, statistics of a teacher, evaluation by neighbours and probes, and what is refused.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local shell = require "shell"
local t = require "harness"

local compare = require "compare"
local path, tables, same_run = compare.path, compare.tables, compare.same_run

local function run(kind, out, more)
    return ("run '%s/unlabelled.lua' --set kind=%s --threads 2 --out '%s' %s"):format(shell.here, kind, path(out), more or "")
end

local function mean(list, from, to)
    local sum = 0
    for i = from, to do sum = sum + list[i] end
    return sum / (to - from + 1)
end

-- ---- statistics ----
local file = path "embeddings.safetensors"
local status, out, err = shell.bauta(("statistics '%s/unlabelled.lua' --to '%s' --clusters 6 --out '%s'"):format(shell.here, file, path "none"))
t.equal(status, 0, "statistics; " .. err)
t.check(out:find("embeddings of 96 pictures, width 36", 1, true) and out:find("6 clusters", 1, true), "said: %s", out)
local first = shell.read(file)
shell.bauta(("statistics '%s/unlabelled.lua' --to '%s' --clusters 6 --threads 1 --out '%s'"):format(shell.here, file, path "none"))
t.check(first and shell.read(file) == first, "the same file again, with another number of threads")
t.group "statistics"

-- ---- every loss ----
local given = "--set epochs=4 --set statistics=" .. file
for _, kind in ipairs { "seed", "compress-1q", "compress-2q", "two-queues", "reg", "simreg", "attndistill", "tokens", "values", "g2sd", "kdep", "cc" } do
    for _, keep in ipairs { 0, 8 } do
        local name = kind .. "-" .. keep
        status, out, err = shell.bauta(run(kind, name, given .. " --set keep=" .. keep))
        t.equal(status, 0, name .. "; " .. err)
        local train = status == 0 and tables(name .. "/run").train
        if train then
            local from = kind == "seed" and 7 or 1 -- until then its queue holds directions drawn at random, which nobody is near
            t.check(mean(train.loss, 19, 24) < mean(train.loss, from, from + 5), "%s: the loss falls: %g, %g", name, mean(train.loss, from, from + 5),
                mean(train.loss, 19, 24))
            local macs = tables(name .. "/run").result.teacher_macs[1]
            if name == "cc-0" then t.check(not train.teacher_top1 and macs == 0, "a teacher whose clusters are known does not run: %g", macs) end
            if name == "kdep-0" then t.check(train.teacher_top1 and macs > 0, "one whose embeddings are asked for does: %g", macs) end
        end
    end
end
t.group "losses without labels, the teacher whole and masked"

-- ---- statistics that a run makes for itself; neighbours at its end ----
for _, kind in ipairs { "kdep", "cc" } do
    status, out, err = shell.bauta(run(kind, kind .. "-auto", "--set epochs=1 --set statistics=auto --set knn=5"))
    local own, r = path(kind .. "-auto/run/" .. kind .. ".statistics.safetensors"), status == 0 and tables(kind .. "-auto/run").result
    t.check(status == 0 and shell.read(own) and out:find(own, 1, true), "%s makes its statistics: %s %s", kind, out, err)
    t.check(r and r.knn_top1[1] >= 0 and r.knn_top1[1] <= 100 and out:find("by 5 neighbours", 1, true), "%s is judged by neighbours", kind)
end
-- Of a masked teacher they are made as it is masked, whatever the criterion asks; the same with another number of threads.
local seen = { [shell.read(path "kdep-auto/run/kdep.statistics.safetensors") or ""] = "whole" }
for _, criterion in ipairs { "student", "random", "teacher", "anneal" } do
    local name, more = "kdep-" .. criterion, "--set epochs=1 --set statistics=auto --set keep=8 --set criterion=" .. criterion
    status, out, err = shell.bauta(run("kdep", name, more))
    local made = shell.read(path(name .. "/run/kdep.statistics.safetensors"))
    t.check(status == 0 and out:find("96 pictures (8 of 16 patches)", 1, true), "%s: %s %s", criterion, out, err)
    t.check(made and made:find('"shown":"8 of 16 patches"', 1, true), "%s: what was shown is in the file", criterion)
    t.check(made and not seen[made], "%s: other patches, other embeddings (as %s)", criterion, made and seen[made])
    if made then seen[made] = criterion end
    shell.bauta(run("kdep", name .. "-1", more .. " --threads 1"))
    t.check(made and shell.read(path(name .. "-1/run/kdep.statistics.safetensors")) == made, "%s: the same again", criterion)
end
status, out, err = shell.bauta(("statistics '%s/unlabelled.lua' --to '%s' --clusters 0 --set keep=8 --out '%s'"):format(shell.here, path "whole.safetensors", path "none"))
t.check(status == 0 and err:find("of whole pictures, and this run shows its teacher less", 1, true), "the verb says what it does: %s", err)
local auto = shell.read(path "cc-auto/run/cc.statistics.safetensors")
status, out, err = shell.bauta(("eval '%s/unlabelled.lua' --set kind=cc --set epochs=1 --set statistics=auto --out '%s' --protocol knn --neighbours 5 --json"):format(
    shell.here, path "cc-auto"))
t.near(tonumber(out:match '"top1": ([%d.]+)') or -1, tables("cc-auto/run").result.knn_top1[1], 1e-9, "as eval judges: " .. err)
t.check(auto and #auto > 96 * 4, "labels of 96 pictures")
status, out, err = shell.bauta(run("seed", "neighbours", "--set epochs=1 --set knn=97"))
t.check(status == 2 and err:find("knn = 97 neighbours of 96 training pictures", 1, true), "more neighbours than pictures: %d %s", status, err)
t.group "statistics on the spot, neighbours"

-- ---- stopped and resumed ----
for _, kind in ipairs { "two-queues", "values" } do
    local whole, stopped = kind .. "-8", kind .. "-stopped"
    t.equal(shell.interrupted(run(kind, stopped, given .. " --set keep=8"), stopped .. "/run/checkpoints/epoch-0002.ckpt", 0, "KILL"), 137, "killed")
    status, _, err = shell.bauta(run(kind, stopped, given .. " --set keep=8 --resume"))
    t.equal(status, 0, "resumed; " .. err)
    same_run(whole .. "/run", stopped .. "/run", kind .. ", killed and resumed")
end
t.group "queues and averages after a kill"

-- ---- protocols ----
local function eval(more)
    return shell.bauta(("eval '%s/unlabelled.lua' --set kind=attndistill %s --out '%s' %s"):format(shell.here, given, path "attndistill-0", more))
end
status, out, err = eval "--protocol knn --neighbours 1,5,500 --json"
t.equal(status, 0, "knn; " .. err)
local knn = require("bauta.json").decode(out)
t.check(knn.images == 40 and knn.gallery == 96 and #knn.all == 2 and knn.all[1].k == 1, "said: %s", out)
for _, protocol in ipairs { "linear", "linear-mae" } do
    status, out, err = eval("--protocol " .. protocol .. " --features class-mean --epochs 2 --lr 0.1 --batch 32 --json")
    t.equal(status, 0, protocol .. "; " .. err)
    local probe = require("bauta.json").decode(out)
    t.check(probe.epochs == 2 and probe.top1 >= probe.last and probe.top5 >= probe.top1, "said: %s", out)
end
status, out, err = eval "--checkpoint last --part student --protocol knn --neighbours 5 --features class-mean"
t.check(status == 0 and out:find("5 neighbours of 96 pictures", 1, true), "of a checkpoint: %s%s", out, err)
t.group "k-NN, linear probes"

-- ---- refusals ----
local function refused(command, text)
    local s, _, e = shell.bauta(command)
    t.check(s == 2 or s == 3, "status %d of %s", s, command)
    t.check(e:find(text, 1, true) and select(2, e:gsub("\n", "\n")) == 1, "one line with '%s': %s", text, e)
end
refused(run("kdep", "refused"), "bauta statistics")
refused(run("cc", "refused", "--set statistics=/nowhere.safetensors"), "/nowhere.safetensors")
refused(run("seed", "refused", "--set batch=24"), "loss seed: enqueue: a queue of 64 rows is no multiple of the 24")
refused(("eval '%s/unlabelled.lua' --protocol knm --out x"):format(shell.here), "did you mean knn?")
refused(("eval '%s/unlabelled.lua' --protocol knn --part ema --out x"):format(shell.here), "--checkpoint")
refused(("eval '%s/unlabelled.lua' --set kind=attndistill --protocol knn --features last4 --out '%s'"):format(shell.here, path "attndistill-0"),
    "at least 4")
refused(("eval '%s/unlabelled.lua' --set kind=attndistill --protocol knn --neighbours x --out '%s'"):format(shell.here, path "attndistill-0"),
    "whole numbers")
refused(("statistics '%s/unlabelled.lua' --out x"):format(shell.here), "--to")
refused(("statistics '%s/unlabelled.lua' --to '%s' --clusters 97 --out x"):format(shell.here, file), "97 of 96")
t.group "refusals"

shell.clean()
return t.done()
