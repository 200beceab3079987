-- grids: descriptions of grids and what is wrong with them, what a cell is known by, statistics, drawings, and other processes.
package.path = arg[0]:match("^(.*)/") .. "/?.lua;" .. package.path
local bauta = require "bauta"
local bind = require "bauta.bind.run"
local ffi = require "bauta.ffi"
local pool = require "bauta.grid.pool"
local results = require "bauta.grid.results"
local session = require "bauta.session"
local base64 = require "bauta.grid.base64"
local statistics = require "bauta.grid.statistics"
local svg = require "bauta.grid.svg"
local t = require "harness"

local data = bauta.data "scenes" { size = 16, train = 96, test = 40 }

local function vit(more)
    local s = { dim = 12, depth = 2, heads = 2, image = 16, patch = 4, classes = 10 }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.arch("deit", s)
end

local function run(c) return bauta.train { data = data, student = vit(), seed = c.seed, epochs = 1, batch = 16 } end

local function grid(more)
    local s = { name = "unit", axes = { a = { 1, 2 }, seed = { 0, 1 } }, cell = run }
    for k, v in pairs(more) do s[k] = v end
    return bauta.grid(s)
end

-- ---- descriptions ----
local g = grid { axes = { size = { "b", "a" }, keep = { 0.5, "25%", 98 }, seed = { 0, 1 } }, cell = function(c)
    return bauta.train { data = data, student = vit(), seed = c.seed, epochs = c.size == "a" and 1 or 2, batch = c.keep == 98 and 8 or 16 }
end }
t.equal(#g.cells, 12, "every combination")
t.equal(table.concat(g.names, " "), "keep size seed", "the axis averaged over is the last")
t.equal(g.cells[1].label, "keep0.5_b_s0", "a cell's label")
t.equal(g.cells[3].label, "keep0.5_a_s0", "the last axis is the fastest")
t.equal(#g.tasks, 8, "equal settings are one run")
t.equal(#g.twins, 4, "and that is noticed")
t.equal(#g:groups(), 6, "groups of seeds")
t.equal(#grid({ skip = function(c) return c.a == 2 and c.seed == 1 end }).cells, 3, "skip")
t.equal(grid({ order = { "seed", "a" } }).cells[2].label, "s0_a2", "the order of the axes")
t.group "cells"

t.raises("grid.axes is empty; expected named lists of values", function() grid { axes = {} } end)
t.raises("grid is empty: axis 'a' has no values", function() grid { axes = { a = {}, seed = { 0 } } } end)
t.raises("grid is empty: skip leaves no cell", function() grid { skip = function() return true end } end)
t.raises("grid.axes.a is 3; expected a list of values", function() grid { axes = { a = 3 } } end)
t.raises("grid.axes: the name \"A b\"; lower-case letters, digits and _ expected", function() grid { axes = { ["A b"] = { 1 } } } end)
t.raises("grid.axes.a[2] is a table; expected a number, a text or true/false", function() grid { axes = { a = { 1, {} } } } end)
t.raises('grid.axes.a: "x y" and "x-y" would have one folder name, x-y', function() grid { axes = { a = { "x y", "x-y" } } } end)
t.raises("grid.order: axis seed is named 0 times; once expected", function() grid { order = { "a" } } end)
t.refused(function() grid { order = { "a", "seed", "b" } } end, "an axis that is not there")
t.raises("grid.cell returned nil for the cell a1_s0; expected bauta.train { ... } or bauta.distill { ... }",
    function() grid { cell = function() end } end)
t.raises("cell.b: no such axis; did you mean a? (cell a1_s0)", function() grid { cell = function(c) return run { seed = c.b } end } end)
t.raises("cell.a: a cell's values are read only (cell a1_s0)", function() grid { cell = function(c) c.a = 3 end } end)
t.raises("report.against: 7 is no value of the axis a", function() grid { report = { against = { a = 7 } } } end)
t.raises("report.curves[1].minus: no such axis b; did you mean a?", function() grid { report = { curves = { { minus = { b = 1 } } } } } end)
t.refused(function() grid { report = { papers = { { table = {}, column = "x", row = print } } } } end, "a table that is none")
t.refused(function() grid { report = { title = 5 } } end, "a title that is a number")
local function unknown_column(name) return ("no such column of the table result: %s; known: "):format(name) end
for what, report in pairs { ["report.metrics[2]"] = { metrics = { "top1", "final_loss" } }, ["report.curves[1].y"] = { curves = { { x = "a", y = "final_loss" } } },
    ["report.curves[1].x"] = { curves = { { x = "final_loss", y = "top1" } } },
    ["report.papers[1].metric"] = { papers = { { table = { id = "t", columns = { "name", "acc" }, rows = {} }, column = "acc", metric = "final_loss", row = print } } } } do
    local ok, e = pcall(grid, { report = report })
    t.check(not ok and e.lines[1]:find(what .. ": " .. unknown_column "final_loss" .. "best_top1, ", 1, true) and e.where:find "grids%.lua:%d+$", "%s: %s", what, tostring(e))
end
t.raises("report.metrics[1]: no such column of the table result: top2; did you mean top1?", function() grid { report = { metrics = { "top2" } } } end)
t.check(pcall(grid, { report = { metrics = { "memory_peak", "knn_top1" }, curves = { { x = "a", y = "total_macs" }, { x = "teacher_papers", y = "top1" } } } }), "columns")
local many = {}
for i = 1, 400 do many[i] = i end
t.raises("grid has 160000 cells; limit 100000 (--max-cells)", function() grid { axes = { a = many, seed = many } } end)
t.group "refusals"

-- ---- what a cell is known by ----
local function id(e) return require("bauta.grid.identity").of(e) end
local function distilled(more, mask)
    local s = { data = data, name = "x", student = vit(), teacher = vit(), epochs = 1, batch = 16, mask = mask or bauta.mask "student" { keep = 0.5 },
        losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" {} } }
    for k, v in pairs(more or {}) do s[k] = v end
    return bauta.distill(s)
end
local one = id(distilled())
t.check(one:find "^%x+$" and #one == 64, "64 hex digits: %s", one)
t.equal(id(distilled { name = "another" }), one, "the name does not count")
t.equal(id(distilled { losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" { weight = 1 } } }), one, "a default that is written out")
for what, other in pairs { seed = distilled { seed = 1 }, keep = distilled({}, bauta.mask "student" { keep = 0.25 }),
    criterion = distilled({}, bauta.mask "random" { keep = 0.5 }), depth = distilled { student = vit { depth = 3 } } } do
    t.check(id(other) ~= one, "%s counts", what)
end
local function taught(seed) return distilled { teacher = vit { weights = bauta.train { name = "t" .. seed, data = data, student = vit(),
    seed = seed % 10 } } } end
t.equal(id(taught(0)), id(taught(10)), "a teacher from a run with the same settings")
t.check(id(taught(0)) ~= id(taught(1)), "and with others")
local file = os.tmpname()
local function put(text)
    bind.put(file, text)
    package.loaded["bauta.grid.identity"] = nil -- it reads a file once in a process
    return id(distilled { teacher = vit { weights = file } })
end
local before = put "one"
t.check(put "two" ~= before, "weights count by their content")
t.equal(put "one", before, "and by nothing else")
os.remove(file)
local mine = bauta.mask.define { name = "mine", score = function(m) return m.random { name = "a" } end }
local yours = bauta.mask.define { name = "yours", score = function(m) return m.random { name = "b" } end }
t.check(id(distilled({}, mine { keep = 0.5 })) ~= id(distilled({}, yours { keep = 0.5 })), "criteria in Lua")
t.group "identity"

-- ---- numbers ----
local s = statistics.of { 2, 4, 4, 4, 5, 5, 7, 9 }
t.near(s.mean, 5, 1e-12, "mean")
t.near(s.deviation, math.sqrt(32 / 7), 1e-12, "deviation")
t.check(statistics.of({}).mean ~= statistics.of({}).mean and statistics.of({ 3 }).deviation ~= statistics.of({ 3 }).deviation, "too few")
t.equal(statistics.of({ 1, 0 / 0, 3 }).n, 2, "NaN does not count")
t.near(statistics.beta(0.5, 2, 3), 0.6875, 1e-12, "incomplete beta")
t.near(statistics.tail(1, 1), 0.5, 1e-12, "Cauchy")
t.near(statistics.tail(2, 10), 0.07338803477083733, 1e-9, "Student, 10")
t.near(statistics.tail(0.3, 2.5), 0.7873423714952008, 1e-7, "Student, 2.5")
t.near(statistics.tail(12.7062047361747, 1), 0.05, 1e-9, "a quantile")
local d = statistics.difference(statistics.of { 1, 2, 3 }, statistics.of { 2, 4, 9 })
t.near(d.gap, -3, 1e-12, "gap")
t.near(d.error, math.sqrt(14 / 3), 1e-12, "error of the gap")
t.near(d.pooled, math.sqrt(7), 1e-12, "pooled deviation")
t.near(d.p, 0.28383440496174106, 1e-7, "Welch")
t.equal(d.exceeds, true, "the gap is larger than the deviation")
t.equal(statistics.difference(statistics.of { 1 }, statistics.of { 2, 4 }).exceeds, nil, "one seed says nothing")
t.equal(statistics.difference(statistics.of { 2, 2 }, statistics.of { 2, 2 }).p, 1, "no difference, no deviation")
for _ = 1, 50 do
    local x, a, b = math.random(), 0.2 + 5 * math.random(), 0.2 + 5 * math.random()
    t.near(statistics.beta(x, a, b) + statistics.beta(1 - x, b, a), 1, 1e-10, ("beta is symmetric at %g %g %g"):format(x, a, b))
end
t.group "statistics"

for text, want in pairs { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", ["\0\255\128"] = "AP+A" } do t.equal(base64(text), want, "base64") end
t.equal(bind.digest "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "SHA-256")
t.refused(function() bind.file_digest "/no/such/file" end, "a file that is not there")
t.group "encodings"

-- Every element that is opened is closed, and every number is one.
local function well_formed(text, what)
    local open = {}
    for close, name, rest in text:gmatch "<(/?)(%a+)([^>]*)>" do
        if close == "/" then t.equal(table.remove(open), name, what .. ": a closing tag")
        elseif rest:sub(-1) ~= "/" then open[#open + 1] = name end
    end
    t.equal(#open, 0, what .. ": all closed")
    t.check(not text:find "nan" and not text:find "inf", "%s: no nan, no inf", what)
end
for n = 1, 12 do
    local series = {}
    for k = 1, n do
        series[k] = { label = "<" .. k .. ">", paper = k == 3, points = {} }
        for x = 1, n do series[k].points[x] = { x = x, y = n > 2 and 100 * math.random() or 5, d = x % 2 == 0 and math.random() or 0 / 0 } end
    end
    local chart = { xlabel = "a & b", ylabel = "y %", series = series, whole = true, limits = { 0, 100 } }
    local drawn = svg.chart(chart)
    well_formed(drawn, "a chart of " .. n)
    t.equal(svg.bands(chart), n <= 5, "bands of at most four, the paper's curve not counted")
    t.check(n <= 5 or not drawn:find("opacity", 1, true), "and no more: %d", n)
    for _, tick in drawn:gmatch '(text%-anchor="end"[^>]*)>([-%d.]+)<' do
        t.check(tonumber(tick) >= 0 and tonumber(tick) <= 100, "ticks of percentages: %s", tick)
    end
end
well_formed(svg.chart { xlabel = "x", ylabel = "y", categories = { "a", "b" }, series = { { label = "m", points = {
    { x = 1, y = 1e7, d = 3 }, { x = 2, y = 1.1e7, d = 0 / 0 } } } } }, "categories")
well_formed(require("bauta.grid.maps").draw({ { label = "g", panels = { { caption = "c", values = { 0, 50, 100, 25 } } }, columns = 2 } }, "t"), "maps")
local oblong = require("bauta.grid.maps").draw({ { label = "g", panels = { { caption = "c", values = { 0, 0, 0, 0, 0, 100 } } }, columns = 3 } }, "t")
t.check(oblong:find('<rect x="186.00" y="42.00" width="28.00" height="28.00" fill="#08306b"/>', 1, true), "2 rows of 3 patches: %s", oblong)
t.group "drawings"

-- ---- other processes ----
local out = os.tmpname()
local function await(words, seconds)
    local pid = bind.start(words, out)
    local ended, status = bind.ended(seconds)
    return pid, ended, status
end
local pid, ended, status = await({ "/bin/sh", "-c", "echo said; exit 7" }, 10)
t.check(pid == ended and status == 7, "an exit status: %s %s %s", pid, ended, status)
t.equal(io.open(out):read "*a", "said\n", "what it says goes to the file")
pid, ended = await({ "/bin/sleep", "100" }, 0.05)
t.equal(ended, nil, "it goes on")
bind.kill(pid, 15)
ended, status = bind.ended(10)
t.check(ended == pid and status == 128 + 15, "the number of a signal: %s %s", ended, status)
bind.kill(pid, 15) -- has ended: nothing happens
_, ended, status = await({ "/no/such/program" }, 10)
t.equal(status, 127, "a program that is not there")
t.refused(function() bind.start({ "/bin/true" }, "/no/such/folder/out") end, "a folder that is not there")
t.refused(function() bind.kill(1, 15) end, "the first process")
local begun = ffi.clock()
t.equal(bind.ended(5), nil, "nobody is left")
t.check(ffi.clock() - begun < 1, "and nobody is waited for")
local pipe = io.popen "exit 3"
_, ended, status = await({ "/bin/sh", "-c", "sleep 0.2; exit 4" }, 10)
t.equal(status, 4, "a child of its own, not somebody else's")
pipe:close()
bind.nap(0.05)
t.check(ffi.clock() - begun > 0.2, "a nap")
os.remove(out)
t.group "processes"

-- ---- the pool, with a program that does nothing but end ----
local function folder_new()
    local path = os.tmpname()
    os.remove(path)
    ffi.make_folder(path)
    return path
end
local function pretended(label, needs)
    local folder = "g/" .. label .. "-000000000000"
    return { label = label, number = 1, id = "0", needs = needs, run = { folder = folder, path = function() return folder end } }
end
local function pooled(script, tasks, more)
    local place = folder_new()
    ffi.make_folder(place .. "/g")
    ffi.make_folder(place .. "/g/log")
    bind.put(place .. "/program", "#!/bin/sh\n" .. script)
    os.execute("chmod +x " .. place .. "/program")
    local program, o = session.places.program, { file = "x.lua", words = {}, out = place, jobs = 1, on_fail = "continue", retries = 0 }
    for k, v in pairs(more or {}) do o[k] = v end
    session.places.program = place .. "/program"
    local p = pool.run({ folder = "g", name = "g" }, tasks, o)
    session.places.program = program
    os.execute("rm -r " .. place)
    return p
end
local first = pretended("first", {})
local second = pretended("second", { first })
local third = pretended("third", { second })
for status_of, want in pairs { [85] = { "stopped", "first was stopped" }, [1] = { "failed", "first has failed" } } do
    local p = pooled("exit " .. status_of, { third })
    t.equal(p.state[first], want[1], "a run that ends with " .. status_of)
    t.equal(p.state[second] .. ": " .. tostring(p.why[second]), "blocked: " .. want[2], "what needs it")
    t.equal(p.state[third] .. ": " .. tostring(p.why[third]), "blocked: second cannot begin", "and what needs that")
end
local long = pooled("head -c 3000000 /dev/zero | tr '\\0' '\\n'; echo; echo 'bauta: the last word'; exit 1", { first })
t.equal(long.why[first], "the last word", "the complaint at the end of a long log")
local patient = pooled("test -f $0.2 && exit 3; test -f $0.1 && { touch $0.2; exit 7; }; touch $0.1; exit 7", { first })
t.check(patient.state[first] == "failed" and patient.tries[first] == 1, "one that another process has is tried until it ends")
t.group "the pool"

-- ---- curves ----
local function fake(values, tables) return { label = values.a .. values.b, values = values, cells = { { tables = tables, result = {}, state = "complete" } } } end
local function evals(...) return { eval = { n = select("#", ...), names = { "epoch", "top1" }, epoch = { 1, 2 }, top1 = { ... } } } end
local all = { grid = { over = "seed", axes = { a = { "x", "y" }, b = { 1, 2 } }, grouping = function() return { "a", "b" } end }, groups = {
    fake({ a = "x", b = 1 }, evals(10, 20)), fake({ a = "y", b = 1 }, evals(11, 22)), fake({ a = "x", b = 2 }, evals(30, 40)),
    fake({ a = "y", b = 2 }, evals(33, 44)) } }
local function line(series)
    local out = {}
    for i, p in ipairs(series.points) do out[i] = ("%d:%g"):format(p.x, p.y) end
    return series.label .. " " .. table.concat(out, " ")
end
local function lines_of(curve)
    local out = {}
    for i, s in ipairs(results.curve(all, curve).series) do out[i] = line(s) end
    return table.concat(out, ", ")
end
t.equal(lines_of { x = "epoch", y = "top1", minus = { a = "x" } }, "x1 1:0 2:0, y1 1:1 2:2, x2 1:0 2:0, y2 1:3 2:4", "each less its own reference")
all.groups[3] = nil
all.groups[3] = all.groups[4]
all.groups[4] = nil
t.equal(lines_of { x = "epoch", y = "top1", minus = { a = "x" } }, "x1 1:0 2:0, y1 1:1 2:2, y2 1:23 2:24", "or the only one there is")
all.groups = { fake({ a = "x", b = 1 }, { probe = { n = 4, names = { "epoch", "teacher", "kl" }, epoch = { 1, 1, 2, 2 }, teacher = { "big", "small", "big", "small" },
    kl = { 1, 5, 2, 6 } }, shadow = { n = 2, names = { "epoch", "teacher", "criterion", "recall" }, epoch = { 1, 1 }, teacher = { "big", "big" },
    criterion = { "random", "dino" }, recall = { 7, 8 } } }) }
t.equal(lines_of { x = "epoch", y = "kl" }, "x1 1:1 2:2", "the first teacher's rows, not the mean over teachers")
t.equal(lines_of { x = "epoch", y = "probe.kl", teacher = "small" }, "x1 1:5 2:6", "another teacher's")
t.equal(lines_of { x = "epoch", y = "recall", criterion = "dino" }, "x1 1:8", "a shadow's")
t.raises("no such row of kl for teacher smal; did you mean small?", function() lines_of { x = "epoch", y = "kl", teacher = "smal" } end)
t.raises("no such column of a table by epoch: probe.kk; did you mean probe.kl?", function() lines_of { x = "epoch", y = "probe.kk" } end)
t.raises('report.curves[1].by has no meaning for x = "epoch"', function() grid { report = { curves = { { by = { "a" } } } } } end)
t.raises('report.curves[1].minus has no meaning for x = "a"', function() grid { report = { curves = { { x = "a", minus = { a = 1 } } } } } end)
t.raises("report.curves[1].by: no such axis aa; did you mean a?", function() grid { report = { curves = { { x = "seed", by = { "aa" } } } } } end)
t.group "curves"
return t.done()
