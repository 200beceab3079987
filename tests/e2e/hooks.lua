-- hooks: after_epoch logs grey pictures and numbers, and run.h5 has them; what is neither is the script's mistake, with its line, and the run can go on.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local bind = require "bauta.bind.run"
local shell = require "shell"
local t = require "harness"

local function path(p) return shell.folder .. "/" .. p end

shell.write(path "script.lua", [[
local bauta = require "bauta"
local p = bauta.params { bauta.int("epochs", 2, 1, 9, "epochs"), bauta.string("fault", "", "a call that is wrong") }
local data = bauta.data "scenes" { train = 32, test = 20, size = 16 }
local vit = bauta.arch "deit" { dim = 16, depth = 1, heads = 1, image = 16, patch = 8, classes = data.classes }
return bauta.train { name = "a", data = data, student = vit, batch = 16, epochs = p.epochs, overlays = 0, after_epoch = function(run)
    run:image("heat", 2, 3, { run.epoch, 0.4, 0.5, 100, 254.6, 255 })
    run:image("other", 1, 1, { run.step })
    run:note("half/top1", run.top1 / 2)
    run:note("epochs", run.epoch)
    if p.fault ~= "" then
        assert(loadstring("local run = ...; " .. p.fault, "@script"))(run)
    end
end }
]])
local function run(out, more) return shell.bauta(("run '%s' --out '%s' %s"):format(path "script.lua", path(out), more or "")) end

-- The numbers of a data set of run.h5, as h5dump prints them.
local function numbers(out, name)
    local _, text = shell.sh(("h5dump -w 0 -d /images/%s '%s/a/run.h5'"):format(name, path(out)))
    local list = {}
    for row in (text:match "DATA {(.-)}" or ""):gmatch "%): ([^\n]*)" do list[#list + 1] = (row:gsub("[, ]+", " ")) end
    return table.concat(list, " "):gsub(" +", " "):gsub(" $", ""), text
end

local status, out, err = run "a"
t.check(status == 0 and err == "", "status %d, %s%s", status, out, err)
if os.execute "command -v h5dump >/dev/null 2>&1" == 0 then
    local got, text = numbers("a", "heat")
    t.equal(got, "1 0 1 100 255 255 2 0 1 100 255 255", "two pictures, rounded")
    t.check(text:find("( 2, 2, 3 ) / ( 2, 2, 3 )", 1, true) and text:find("U8", 1, true), "their form: %s", text)
    t.equal((numbers("a", "other")), "2 4", "the other series")
    t.equal(run("a", "--resume --accept-changes --set epochs=3"), 0, "one epoch more")
    t.equal((numbers("a", "other")), "2 4 6", "a resumed run goes on with its series")
else t.skip("h5dump", "not installed") end
t.group "pictures in run.h5"

run("n", "--set epochs=3")
local log = bind.log(path "n/a")
local noted, eval = log:table "noted", log:table "eval"
log:free()
t.equal(noted.n, 6, "two numbers an epoch")
for i = 1, 3 do
    t.equal(("%s %s %g"):format(noted.name[2 * i - 1], noted.name[2 * i], noted.value[2 * i]), ("half/top1 epochs %d"):format(i), "names and values")
    t.equal(noted.value[2 * i - 1], eval.top1[i] / 2, "of the evaluation before")
    t.equal(noted.epoch[2 * i], i, "epoch")
    t.equal(noted.step[2 * i], 2 * i, "step")
end
local _, csv = shell.bauta(("log csv '%s' noted"):format(path "n/a"))
t.check(csv:find "^epoch,step,name,value\n1,2,", "log csv: %s", csv)
t.group "numbers in run.h5"

for fault, says in pairs {
    ["run:image('heat', 3, 2, { 1, 2, 3, 4, 5, 6 })"] = "image heat: 3 x 2; those before it are 2 x 3",
    ["run:image('h', 2, 2, { 1, 2, 3 })"] = "image h: 3 numbers; a list of 2 x 2 numbers expected",
    ["run:image('h', 1, 2, { 1, 256 })"] = "image h: number 2 is 256; 0 to 255 expected",
    ["run:image('h', 1, 2, { 0 / 0, 1 })"] = "image h: number 1 is nan; 0 to 255 expected",
    ["run:image('h', 1, 1, { 'x' })"] = "image h: number 1 is \"x\"; 0 to 255 expected",
    ["run:image('h', 0, 5, {})"] = "image h: 0 x 5; at most 4096 x 2048 expected",
    ["run:image('h', 1.5, 2, {})"] = "rows = 1.5; a whole number below 2^53 expected",
    ["run:image('h', 1, 1)"] = "image h: nil; a list of 1 x 1 numbers expected",
    ["run:image('a/b', 1, 1, { 0 })"] = "image 'a/b': 1 to 63 letters, digits, _ . - expected",
    ["run:note('a b', 1)"] = 'note "a b": 1 to 32 letters, digits, _, -, . and / expected',
    ["run:note('', 1)"] = 'note "": 1 to 32 letters, digits, _, -, . and / expected',
    ["run:note(('x'):rep(33), 1)"] = "1 to 32 letters, digits, _, -, . and / expected",
    ["run:note('a', '1')"] = 'note a: a number expected, got "1"',
    ["run:note('a')"] = "note a: a number expected, got nil",
    ["run.note('a', 1)"] = "note 1: 1 to 32 letters",
    ["run.image('h', 1, 1, { 0 })"] = "image: a text expected, got 1",
} do
    status, out, err = run("b", ("--restart --set 'fault=%s'"):format(fault:gsub("'", "'\\''")))
    t.check(status == 2 and err:find(says, 1, true) and err:find("in after_epoch, at step 2", 1, true), "%s: status %d, %s", fault, status, err)
end
t.equal(bind.state(path "b/a").state, "failed", "state")
status, out, err = run("b", "--resume --accept-changes --set fault=''")
t.check(status == 0, "it can go on: %d %s%s", status, out, err)
t.group "what is no picture and no number"
shell.clean()
return t.done()
