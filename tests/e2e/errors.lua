-- errors: what a command line and a script can get wrong: the exit status and exactly one line on standard error.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local shell = require "shell"
local t = require "harness"

-- before: variables of the environment.
local function fails(want_status, want, arguments, what, before)
    local status, _, err = shell.sh(("%s'%s' %s"):format(before or "", shell.program, arguments))
    t.equal(status, want_status, (what or arguments) .. ": status; " .. err)
    local line = err:gsub("\n$", "")
    t.check(not line:find "\n", "%s: one line expected, got %s", what or arguments, line)
    if want then t.equal(line, "bauta: " .. want, what or arguments) end
end

local n = 0
local function script(text, more)
    n = n + 1
    local path = shell.folder .. "/s" .. n .. ".lua"
    shell.write(path, text)
    return ("run '%s' --out '%s/runs' %s"):format(path, shell.folder, more or ""), path
end

local function script_fails(status, want, text, more)
    local arguments, path = script(text, more)
    fails(status, want and want:gsub("SCRIPT", (path:gsub("%%", "%%%%"))), arguments, text:sub(1, 60))
end

-- ---- the command line ----
fails(2, 'command line: no such verb "rnu"; did you mean run?; bauta --help lists them', "rnu x.lua")
fails(2, nil, "run")
fails(2, "command line: no such option --resmue; did you mean --resume?; bauta run --help lists what there is",
    "run x.lua --resmue")
fails(2, "command line: --threads = \"many\"; an integer 0..1024 expected; bauta run --help lists what there is",
    "run x.lua --threads many")
fails(2, "command line: --threads = \"-1\"; an integer 0..1024 expected; bauta run --help lists what there is",
    "run x.lua --threads=-1")
fails(2, "command line: --threads: N expected after it; bauta run --help lists what there is", "run x.lua --threads")
fails(2, "command line: --resume takes no value; bauta run --help lists what there is", "run x.lua --resume=yes")
fails(2, "command line: no such option -x; options are written --name; bauta run --help lists what there is", "run x.lua -x")
fails(2, 'command line: --set "epochs": key=value expected, as epochs=2 or student.depth=3',
    ("run '%s/tiny.lua' --set epochs"):format(shell.here))
fails(2, "command line: --resume and --restart exclude each other", ("run '%s/tiny.lua' --resume --restart"):format(shell.here))
fails(2, "command line: --restart-changed: the script describes one run; --restart makes it anew",
    ("run '%s/tiny.lua' --restart-changed"):format(shell.here))
fails(2, 'command line: no such kind "maks"; did you mean mask?', "plugins maks")
fails(2, "command line: bauta.optimiser is no plugin; its settings are in docs/reference/plugins.md, which bauta plugins --markdown prints", "plugins optimiser")
fails(4, nil, "plugins mask nosuch")
fails(2, "plugins: '/not/there' is not a folder", "plugins mask none --plugins /not/there")
fails(0, "BAUTA_PLUGIN_PATH: '/not/there' is not a folder; no plugins are taken from there", "plugins mask none", "a search path with a folder that is not there",
    "BAUTA_PLUGIN_PATH=/not/there ")
fails(2, 'command line: no such action "shw"; did you mean show?; bauta mask --help lists what there is', "mask shw")
local _, listed = shell.bauta "plugins mask"
for name in ("centre rollout diverse detail disagreement anneal student"):gmatch "%S+" do
    t.check(listed:find("mask  " .. name, 1, true), "criteria of both kinds are listed: %s", listed)
end
fails(2, 'command line: no such operation "topkk"; did you mean topk?', "ops topkk")
fails(3, "/nonexistent: no such run", "show /nonexistent")
fails(2, 'command line: no such benchmark "stpe"; did you mean step?', "bench stpe")
fails(2, nil, ("run '%s/tiny.lua' --device nosuch"):format(shell.here))
fails(2, nil, "selftest --device nosuch")
fails(2, "command line: no such option --epocks; settings are written --set NAME=VALUE; bauta run --help lists what there is", "run x.lua --epocks 3")
t.group "the command line"

for _, verb in ipairs { "run", "grid", "plan", "eval", "show", "export", "statistics", "plugins", "plugin", "ops", "bench", "doctor", "selftest", "log",
    "version" } do
    local status, out, err = shell.bauta(verb .. " --help")
    t.check(status == 0 and out:find("usage: bauta " .. verb, 1, true) and err == "", "%s --help: %s%s", verb, out, err)
end
t.equal(shell.bauta "--help", 0, "--help")
t.equal(shell.bauta "version", 0, "version")
t.equal(shell.bauta "help run", 0, "help run")
local status, out = shell.bauta(("run '%s/tiny.lua' --help"):format(shell.here))
t.check(status == 0 and out:find("epochs", 1, true) and out:find('"distill", "train"', 1, true), "help of a script: %s", out)
t.check(out:find("\n  optimiser.  lr, beta1", 1, true) and out:find("\n  losses.logit.  weight, temperature", 1, true), "settings of its runs: %s", out)
t.group "help"

-- ---- scripts ----
script_fails(2, "SCRIPT:2: 'end' expected near '<eof>'", "local x = 1\nif x then")
script_fails(2, "SCRIPT:3: attempt to index local 't' (a nil value)", "local bauta = require 'bauta'\nlocal t\nprint(t.x)")
script_fails(2, "SCRIPT:1: variable 'epohcs' is not declared", "print(epohcs)")
script_fails(2, "SCRIPT:1: variable 'epochs' is not declared; write local epochs = ...", "epochs = 3")
script_fails(2, "SCRIPT: the script returned nothing; return bauta.train { ... }, bauta.distill { ... } or bauta.suite { ... }",
    "local x = 1")
script_fails(2, "SCRIPT: the script returned 5; return bauta.train { ... }, bauta.distill { ... } or bauta.suite { ... }",
    "return 5")
script_fails(2, "SCRIPT: the script is empty", "")
script_fails(2, "SCRIPT: the script is empty", " \n\n")
script_fails(2, "SCRIPT: binary chunk refused", "\27LJ\2\2")
script_fails(2, "SCRIPT:2: optimiser.lrr: no such setting; did you mean lr?",
    "local bauta = require 'bauta'\nreturn bauta.optimiser 'adamw' { lrr = 3 }")
script_fails(2, 'SCRIPT:3: mask student.keep = 0; a share 0 < keep < 1, a count >= 2, a label as "50%", "all" or a schedule as { [0] = "all", [10] = 0.5 } expected',
    "local bauta = require 'bauta'\n\nlocal m = bauta.mask 'student' { keep = 0 }")
script_fails(2, "SCRIPT: still running after 1 s of processor time (--script-timeout)", "while true do end", "--script-timeout 1")

-- A function of a script is called while a step is described: it has a limit, and its mistakes are its own.
local function own_criterion(body, more)
    return ([[
local bauta = require "bauta"
local own = bauta.mask.define { name = "own", params = { bauta.int("most", 3, 0, 9, "patches") }, score = function(m)
    local s = m.class_attention {}:mean { axis = 1 }
    %s
end }
local vit = bauta.arch "deit" { dim = 8, depth = 1, heads = 2, image = 32, patch = 8, classes = 10 }
return bauta.distill { name = "own", data = bauta.data "scenes" { train = 32, test = 16 }, student = vit, teacher = vit, epochs = 1, batch = 16,
    mask = own { keep = 0.5 }, losses = { bauta.loss "logit" {} }, probe = 0, overlays = 0 %s }]]):format(body, more or "")
end
local late = "SCRIPT:4: criterion own: score: still running after 1 s of processor time (--script-timeout)"
script_fails(2, late, own_criterion "while true do end", "--script-timeout 1")
script_fails(2, late, own_criterion "while true do pcall(function() while true do end end) end", "--script-timeout 1")
script_fails(2, "SCRIPT: still running after 1 s of processor time (--script-timeout)", "while true do pcall(function() while true do end end) end",
    "--script-timeout 1")
script_fails(2, late, own_criterion "local c = coroutine.wrap(function() while true do end end) c()", "--script-timeout 1")
script_fails(2, late, own_criterion "while true do local c = coroutine.create(function() while true do end end) coroutine.resume(c) end", "--script-timeout 1")
script_fails(2, late, own_criterion "while true do m.constant({ 1 }, { 1 }) end", "--script-timeout 1")
script_fails(2, "SCRIPT:4: bad argument #1 to 'math.min' (number expected, got table)", own_criterion "return math.min(s, s)")
script_fails(2, "SCRIPT:5: bad argument #2 to 'tonumber' (base out of range)", own_criterion "\nreturn tonumber('x', 99)")
script_fails(2, "SCRIPT:1: bad argument #1 to 'math.min' (number expected, got string)", "return math.min 'x'")
script_fails(2, "SCRIPT:4: stack overflow", own_criterion "local function f() return 1 + f() end return f()")
script_fails(2, 'SCRIPT:4: constant: number 2 is "x"', own_criterion "return m.constant({ 1, 'x' }, { 2 })")
script_fails(2, "SCRIPT:4: my own words", own_criterion "error('my own words', 0)")
script_fails(2, "SCRIPT:4: criterion own: params.mots: no such parameter; did you mean most?", own_criterion "return s * m.params.mots")
script_fails(2, "SCRIPT:8: bad argument #1 to 'math.min' (number expected, got table) (in after_epoch, at step 2)",
    own_criterion("return s", ", after_epoch = function(run) return math.min(run, 1) end"))
script_fails(2, "SCRIPT:8: attempt to index field 'nothing' (a nil value) (in after_epoch, at step 2)",
    own_criterion("return s", ", after_epoch = function(run) return run.nothing.there end"), "--restart")
local grid_of = "local bauta = require 'bauta'\nreturn bauta.grid { name = 'g', axes = { a = { 1 } }, cell = function(c)\n%s\nend }"
script_fails(2, "SCRIPT:3: bad argument #1 to 'math.min' (number expected, got string) (cell a1)", grid_of:format "return math.min 'x'")
script_fails(2, "SCRIPT:3: grid.cell: still running after 1 s of processor time (--script-timeout) (cell a1)", grid_of:format "while true do end",
    "--script-timeout 1")

-- Without a limit a second signal ends it at once, in every state.
local function ends_at_second(signal, wanted)
    local began = shell.folder .. "/began-" .. signal
    local arguments = script(own_criterion(("io.open('%s', 'w'):close() while true do end"):format(began)), "--restart --script-timeout 0")
    local status = shell.sh(("'%s' %s & p=$!; until [ -e '%s' ] || ! kill -0 $p; do sleep 0.05; done; kill -%s $p; sleep 4; kill -0 $p && kill -%s $p; wait $p")
        :format(shell.program, arguments, began, signal, signal))
    t.equal(status, wanted, "a second SIG" .. signal)
end
ends_at_second("INT", 130)
ends_at_second("TERM", 143)

local _, mistaken = script "local bauta = require 'bauta'\nbauta.mask.define { name = 'studious', score = print }\nbauta.mask 'studnet' {}"
local _, _, message = shell.bauta(("run '%s'"):format(mistaken))
t.check(message:find(":3: no mask 'studnet'; did you mean 'student'? (there are: anneal, bottom-k, ", 1, true) and message:find("studious", 1, true),
    "criteria of the script are among those that there are: %s", message)
script_fails(3, "SCRIPT:2: /nope.tar: No such file or directory", "local bauta = require 'bauta'\nlocal data = bauta.data 'images' { path = '/nope.tar' }\n" ..
    "local n = data.classes")
script_fails(2, nil, "local t = {} for i = 1, 1e9 do t[i] = { i } end")
script_fails(2, nil, "error 'my own words'")
script_fails(2, nil, "error({})")
script_fails(2, nil, "require 'nosuchmodule'")
script_fails(2, nil, "local f = load(string.char(27) .. 'LJ') f()")
script_fails(2, "SCRIPT: --data: this script does not use arg.data", "return 5", "--data /tmp")
fails(2, "/nonexistent/x.lua: no such script", "run /nonexistent/x.lua")
fails(2, shell.folder .. ": is a folder; the path of a Lua script expected", ("run '%s'"):format(shell.folder))
for _, head in ipairs { "\239\187\191", "#!/usr/bin/env bauta\n", "" } do
    local arguments = script(head .. "return 5\r\n")
    local s, _, err = shell.bauta(arguments)
    t.check(s == 2 and err:find("returned 5", 1, true), "BOM, #! and CRLF are taken: %s", err)
end
script_fails(3, "SCRIPT:5: data scenes gives square pictures, segmenter sees 27 rows and 38 columns; equal sides expected", [[
local bauta = require "bauta"
local data = bauta.data "scenes" { train = 16, test = 16 }
local big = bauta.arch "segmenter" { dim = 12, depth = 1, heads = 1, decoder_depth = 1, rows = 27, columns = 38, patch = 8, classes = 10 }
return bauta.distill { name = "x", data = data, student = bauta.arch "deit" { dim = 8, depth = 1, heads = 1, image = 32, patch = 8, classes = 10 }, teacher = big,
    losses = { bauta.loss "kdep" { statistics = "auto" } }, epochs = 1, batch = 8 }]])
t.group "scripts"

-- ---- settings from the command line ----
local function tiny_fails(status, want, more) fails(status, want and want:gsub("TINY", shell.here .. "/tiny.lua"),
    shell.tiny(more), more) end
tiny_fails(2, "TINY: --set epohcs: no parameter of the script and no setting of its runs; did you mean epochs?", "--set epohcs=2")
tiny_fails(2, "TINY: --set optimizer.lr: no parameter of the script and no setting of its runs; did you mean optimiser.lr?", "--set optimizer.lr=4")
tiny_fails(2, "TINY: --set runs.tyni.epochs: no such run; did you mean tiny?", "--set runs.tyni.epochs=2")
tiny_fails(2, "TINY: --set runs.tiny.epohcs: run tiny: no such setting; did you mean epochs?", "--set runs.tiny.epohcs=2")
tiny_fails(2, "TINY: --set runs.tiny.wheels: run tiny: no such setting; --help of the script lists them", "--set runs.tiny.wheels=2")
tiny_fails(2, "TINY: --set wheels: no parameter of the script and no setting of its runs; bauta run TINY --help lists both", "--set wheels=4")
tiny_fails(2, '--set student.detph: arch deit.detph: no such setting; did you mean depth?', "--set student.detph=2")
tiny_fails(2, '--set student.depth: arch deit.depth = "x" is not a number; expected an integer 0..1000', "--set student.depth=x")
tiny_fails(2, '--set mask.keep: mask student.keep = 1.5; a count is a whole number; a share 0 < keep < 1, a count >= 2, a label as "50%", "all" or a schedule as { [0] = "all", [10] = 0.5 } expected', "--set mask.keep=1.5")
tiny_fails(2, nil, "--set mask.keep=17")
tiny_fails(2, nil, "--set epochs=0")
tiny_fails(2, nil, "--set kind=nosuch")
tiny_fails(2, nil, "--set batch=97")
tiny_fails(2, nil, "--set student.patch=5")
tiny_fails(3, nil, "--set student.classes=11 --set teacher.classes=11")
tiny_fails(3, nil, "--set teacher.weights=/nonexistent.safetensors")
-- What can be known before the first step of a suite is said before it.
local function suite_fails(want, more)
    for _, verb in ipairs { "run", "plan" } do
        local _, _, err = shell.bauta(("%s '%s/tiny.lua' --out '%s/begins' --set kind=suite %s"):format(verb, shell.here, shell.folder, more))
        t.check(err:find(want, 1, true) and not err:gsub("\n$", ""):find "\n", "%s %s: %s", verb, more, err)
        t.equal(shell.read(shell.folder .. "/begins/all/teacher/state.json"), nil, verb .. ": nothing was begun")
    end
end
suite_fails("all/student: teacher's weights: /nonexistent.safetensors: No such file or directory", "--set teacher.weights=/nonexistent.safetensors")
suite_fails(shell.here .. "/tiny.lua:39: all/student: teacher's weights: run teacher fits width 24, patch 4x4, depth 2, 10 classes; ", "--set teacher.dim=36")
suite_fails("all/student: teacher's weights: run teacher fits width 24, patch 4x4, depth 2, 10 classes; 12 of its tensors do not match: surplus blocks.1.",
    "--set teacher.depth=1")
t.group "settings from the command line"

-- ---- runs ----
shell.bauta(shell.tiny("--set epochs=1"))
tiny_fails(2, nil, "--set epochs=1")
tiny_fails(6, nil, "--set epochs=2 --resume")
tiny_fails(6, nil, "--set epochs=1 --resume --set optimiser.lr=0.1")
-- Killed somewhere behind its checkpoint, and not resumed because a setting differs: all files are as they were.
local kept = "--set name=kept --set epochs=900 "
t.equal(shell.interrupted(shell.tiny(kept), "runs/kept/checkpoints/epoch-0002.ckpt", 0, "KILL"), 137, "killed")
local function files() return select(2, shell.sh(("cd '%s/runs/kept' && find . -type f | sort | xargs sha256sum"):format(shell.folder))) end
local before = files()
tiny_fails(6, nil, kept .. "--resume --set optimiser.lr=0.1")
t.check(#before > 300 and files() == before, "a resume that is refused changes nothing: before\n%safter\n%s", before, files())
local s, _, err = shell.bauta(shell.tiny("--set name=diverges --set kind=nan --set epochs=20"))
t.equal(s, 1, "a loss that is no number: " .. err)
t.check(err:find("at step", 1, true) and not err:gsub("\n$", ""):find "\n", "one line about it: %s", err)
local busy = shell.tiny "--set name=busy --set epochs=900"
local begun = ("until [ -e '%s/runs/busy/state.json' ]; do sleep 0.05; done"):format(shell.folder)
s = shell.sh(("'%s' %s & p=$!; %s; '%s' %s --resume; s=$?; kill -9 $p; exit $s"):format(shell.program, busy, begun, shell.program, busy))
t.equal(s, 7, "already running")
fails(5, nil, ("run '%s/tiny.lua' --out /proc/nosuch"):format(shell.here), "a folder that cannot be made")
s, _, err = shell.sh(("'%s' %s | head -c 1"):format(shell.program, shell.tiny "--set name=piped --set epochs=1"))
t.equal(s, 0, "a closed pipe: " .. err)
t.group "runs"

shell.clean()
return t.done()
