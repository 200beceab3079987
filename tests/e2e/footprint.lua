-- footprint: what a run needs before it runs: its memory as `bauta plan` says it, and the time until its first step.
package.path = arg[0]:match("^(.*)/") .. "/../lua/?.lua;" .. package.path
local shell = require "shell"
local t = require "harness"
local bind = require "bauta.bind.run"

-- Large enough that two percent are more than what the allocator rounds up.
shell.write(shell.folder .. "/large.lua", [[
local bauta = require "bauta"
local p = bauta.params { bauta.choice("kind", "distill", { "distill", "train" }, "what is returned") }
local data = bauta.data "scenes" { train = 64, test = 64, size = 64 }
local function vit(dim) return bauta.arch "deit" { dim = dim, depth = 3, heads = 3, image = 64, patch = 8, classes = data.classes } end
if p.kind == "train" then
    return bauta.train { name = "train", data = data, student = vit(192), epochs = 2, batch = 64, ema = 0.9 }
end
return bauta.distill { name = "distill", data = data, student = vit(192), teacher = vit(384), epochs = 2, batch = 64,
    mask = bauta.mask "student" { keep = 0.5 }, losses = { bauta.loss "cross-entropy" {}, bauta.loss "logit" {} } }
]])

local function planned(kind, more)
    local status, out, err = shell.bauta(("plan '%s/large.lua' --set kind=%s --json %s"):format(shell.folder, kind, more))
    t.equal(status, 0, "plan: " .. err)
    local memory = out:match '"memory": (%b{})' or ""
    return tonumber(memory:match '"total": (%d+)'), tonumber(memory:match '"device": (%d+)')
end

-- The peak a run has measured of itself, and what it says about its first step.
local function measured(kind, more)
    -- meson lets the allocator fill blocks that nobody would touch; here they are what is measured
    local status, _, err = shell.sh(("MALLOC_PERTURB_=0 '%s' run '%s/large.lua' --restart --set kind=%s %s --out '%s/runs'"):format(shell.program, shell.folder,
        kind, more, shell.folder))
    t.equal(status, 0, "run: " .. err)
    local log = bind.log(shell.folder .. "/runs/" .. kind)
    local peak, events = log:table("result").memory_peak[1], log:table "events"
    log:free()
    for i = 1, events.n do
        for _, name in ipairs(events.names) do
            local text = type(events[name][i]) == "string" and events[name][i] or ""
            local started, looked = text:match "^begins ([%d.]+) s after the program started, ([%d.]+) s of that preflight and probe$"
            if started then return peak, tonumber(started), tonumber(looked) end
        end
    end
    return peak
end

local devices = {}
for _, case in ipairs { { "distill", "" }, { "train", "" }, { "train", "--set recompute=blocks" } } do
    local kind, more = case[1], case[2]
    local total, device = planned(kind, more)
    devices[#devices + 1] = device
    t.check(device < total, "%s: the device's part of it", kind)
    if arg[2] == "sanitized" then t.skip(kind .. ": peak memory, time to the first step", "AddressSanitizer has memory and time of its own")
    else
        local peak, started, looked = measured(kind, more)
        local off = 100 * (total / peak - 1)
        print(("%s: planned %.1f MiB, measured %.1f MiB, %+.2f %%"):format(kind, total / 2 ^ 20, peak / 2 ^ 20, off))
        t.check(math.abs(off) <= 2, "%s: the plan is off by %.2f %%", kind, off)
        print(("%s: the first step began %.2f s after the program had started; preflight and probe took %.2f s of it"):format(kind, started or -1,
            looked or -1))
        t.check(started and started - looked < 6, "%s: %s s to make the first step ready; at most 6 expected, also on a busy machine", kind,
            tostring(started))
    end
    t.group(kind .. (more ~= "" and ", blocks computed again" or ""))
end
t.check(devices[3] < 0.75 * devices[2], "blocks computed again: %d of %d bytes of buffers", devices[3], devices[2]) -- not of the program, which a sanitizer swells

local status, out = shell.bauta(("plan '%s/large.lua'"):format(shell.folder))
t.check(status == 0 and out:find "peak of a run: [%d.]+ MiB %(buffers of all programs", "plan as text: %s", out)
t.group "as text"
shell.clean()
return t.done()
