-- method_list: every loss and every architecture of the tree is in experiments/method_list.lua, by an entry or as the list completes itself: who adds one
-- that the list's defaults do not suit is told here.
-- bauta lua tests/lua/method_list.lua EXPERIMENTS PLUGINS
local experiments, plugins = arg[1], arg[2]
package.path = experiments .. "/?.lua;" .. package.path
local bauta = require "bauta"
local bind = require "bauta.bind.plugin"
local errors = require "bauta.errors"
local list = require "method_list"
local t = require "harness"

list.setup { data = bauta.data "scenes" { train = 40, test = 20 }, batch = 8 }

-- Names of the tree's plugins of a kind; those of other folders are somebody else's.
local function built(kind)
    local out = {}
    for _, p in ipairs(bind.scan()) do
        if p.kind == kind and p.path:sub(1, #plugins + 1) == plugins .. "/" then out[#out + 1] = p.name end
    end
    t.check(#out > 8, "%d plugins of kind %s in %s", #out, kind, plugins)
    return out
end

-- What a constructor of the list makes; a check that fails where it can make nothing.
local function made_by(what, name, make, ...)
    local ok, made = pcall(make, ...)
    t.check(ok, "method_list.lua makes the %s %s, which is refused: %s; write an entry for it", what, name, ok or errors.text(errors.wrap(made)))
    return ok and made or nil
end

for _, name in ipairs(list.names) do
    t.check(list.losses[name], "%s has losses", name)
    made_by("method", name, list.losses[name])
end
local all, main = list.used(list.names), list.used(list.main)
for _, name in ipairs(built "loss") do
    t.check(all[name], "no method of method_list.lua has the loss %s: add one to list.names", name)
    t.check(main[name], "no method of list.main has the loss %s", name)
end
local named = {}
for _, name in ipairs(list.names) do
    t.check(not named[name], "%s is there twice", name)
    named[name] = true
end
for name in pairs(list.losses) do t.check(named[name], "%s has losses and is not in list.names", name) end
for _, name in ipairs(list.main) do t.check(named[name], "%s of list.main is in list.names", name) end
for _, set in ipairs { "alone", "one_view", "student", "special" } do
    for name in pairs(list[set]) do t.check(named[name], "list.%s names the method %s", set, name) end
end
t.group "losses"

local made = {}
for _, name in ipairs(list.models) do
    for _, big in ipairs { false, true } do
        local arch = made_by("architecture", name, list.make[name], big)
        if arch then
            made[arch.name] = true
            t.check(list.headless[name] or arch.classes == 10, "%s has the data's classes: %d", name, arch.classes)
        end
    end
end
for _, name in ipairs(built "arch") do
    t.check(made[name] or list.elsewhere[name], "method_list.lua does not make the architecture %s: add it to list.models, or say in list.elsewhere why not", name)
    t.check(not (made[name] and list.elsewhere[name]), "%s is among the models and elsewhere", name)
end
t.group "architectures"

-- Those that the list has never heard of: among the methods with labels, of the table too; nothing is there twice.
local names, models = #list.names, #list.models
list.complete({ "never-heard-of", "fitnet", "logit", "kdep" }, { "of-tomorrow", "deit", "ast" })
t.equal(#list.names, names + 1, "methods besides the known ones")
t.equal(#list.models, models + 1, "models besides the known ones")
for _, set in ipairs { list.names, list.main } do
    local at
    for i, name in ipairs(set) do at = name == "never-heard-of" and i or at end
    t.check(at and not list.unlabelled(set[at - 1]) and list.unlabelled(set[at + 1]), "is the last of those with labels: %s", at)
end
for name, make in pairs { ["never-heard-of"] = list.losses["never-heard-of"], ["of-tomorrow"] = list.make["of-tomorrow"] } do
    local ok, why = pcall(make, false)
    t.check(not ok and errors.is(why) and why.lines[1]:find("'" .. name .. "'", 1, true), "%s is looked for by its name", name)
end
table.remove(list.models)
t.raises('bauta.plugins: no such kind "los"; did you mean loss?', function() bauta.plugins "los" end)
t.group "what the list completes"

-- The commands at the head of the scripts.
local kinds = { loss = named, student = list.make, teacher = list.make, view = { masked = true, full = true, both = true } }
local seen = 0
for _, script in ipairs { "methods", "methods-table" } do
    for line in io.lines(("%s/%s.lua"):format(experiments, script)) do
        for setting, value in (line:match "^%-%-%s+bauta.*" or ""):gmatch "(%l+)=(%S+)" do
            if kinds[setting] then
                t.check(kinds[setting][value], "%s.lua says %s=%s", script, setting, value)
                seen = seen + 1
            end
        end
    end
end
t.check(seen > 4, "%d settings in the commands", seen)
t.group "commands that the scripts say"
return t.done()
