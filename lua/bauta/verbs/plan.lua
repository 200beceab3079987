-- verb plan: what a script's runs will cost, before a single step runs.
local errors = require "bauta.errors"
local options = require "bauta.options"

local verb = {
    name = "plan", usage = "SCRIPT [options]", least = 1, most = 1,
    doc = "print MACs, FLOPs and memory of a script's runs before any step: teacher, student, backward, in the papers' " ..
        "convention and as executed",
    options = options.join({
        { name = "images", value = "N", kind = "int", min = 1, max = 2 ^ 53,
            doc = "training images of an epoch; otherwise the data set is opened and counted" },
        { name = "measure", doc = "run a few steps on noise and say how long the training will take" },
        { name = "nodes", doc = "every node of the compiled step" },
        { name = "json", doc = "as JSON, one line a run" },
        { name = "batch", value = "N", kind = "int", min = 1, max = 65536, doc = "plan with this batch size" },
    }, options.script, options.device),
}

local function node_lines(program)
    local report = require "bauta.report"
    local rows = { { "role", "operation", "place", "type", "MACs", "FLOPs", "bytes", "when" } }
    for _, n in ipairs(program:nodes()) do rows[#rows + 1] = { n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[9] or "" } end
    return report.table(rows)
end

local function memory_line(m, device)
    local iec = require("bauta.cost").iec
    local host = m.batches + m.pictures + m.base
    local parts = ("batches ahead %s, decoded pictures %s, program and libraries %s"):format(iec(m.batches), iec(m.pictures), iec(m.base))
    if device:has "host" then
        return ("peak of a run: %s (buffers of all programs, evaluation and probe too, %s; %s)"):format(iec(m.total), iec(m.device), parts)
    end
    return ("peak of a run: %s on the device (all programs, evaluation and probe too), %s of the process (%s)"):format(iec(m.device), iec(host), parts)
end

-- What every phase of a run costs, and how much larger the largest step is than the last one, which is returned and lives.
local function phases(e, device, stores)
    local cost, steps = require "bauta.cost", require "bauta.steps"
    local program, costs, largest = nil, {}, 0
    for i, phase in ipairs(e:phases()) do
        if program then program:free() end
        program = steps.train(e, device, stores, nil, phase.first)
        costs[i] = { summary = cost.summary(program:plan(), e.settings.batch), epochs = phase.epochs }
        largest = math.max(largest, costs[i].summary.arena)
    end
    return program, costs, largest - costs[#costs].summary.arena
end

-- How long the training takes, by steps on noise; pictures that are slow to load, and evaluation, come on top.
local function time_line(e, device, summary, images)
    local rate = require("bauta.grid.estimate").images_per_s(e, device, summary.total.macs)
    local seconds = e:minutes() and 60 * e:minutes() or (e.total and e.total * e.settings.batch or e:epochs() * images) / rate
    local text = seconds < 120 and ("%.0f s"):format(seconds) or seconds < 7200 and ("%.0f min"):format(seconds / 60) or ("%.1f h"):format(seconds / 3600)
    return ("time: %.0f img/s measured on noise, %s for the training, evaluation and slow pictures not counted"):format(rate, text)
end

local function one(e, given, base)
    local cost, session, steps, json = require "bauta.cost", require "bauta.session", require "bauta.steps", require "bauta.json"
    local s, device = e.settings, session.device()
    if given.batch then s.batch = given.batch end
    local _, why = session.precision(s.precision, device)
    if why and not given.json then io.stdout:write("(", why, " here)\n") end
    local images = given.images or s.data:split("train").count
    device:peak(true)
    local stores = steps.stores(e, device)
    local program, costs, larger = phases(e, device, stores)
    local summary = cost.mean(costs)
    local memory = require("bauta.footprint").of(e, device, stores, larger, base, not given.images)
    if given.json then
        local roles = {}
        for _, p in ipairs(summary.parts) do roles[p.role] = { macs = p.macs, papers = p.papers, flops = p.flops,
            peak = p.peak } end
        io.stdout:write(json.encode { run = e:path(), images = images, epochs = e:epochs(), batch = s.batch, roles = roles,
            total = summary.total,
            arena = summary.arena, variables = summary.variables, recompute = { saved = summary.kept - summary.arena, flops = cost.again(summary) },
            memory = memory, kept = e:kept() }, "\n")
    else
        io.stdout:write(table.concat(cost.lines(summary, e, images), "\n"), "\n", memory_line(memory, device), "\n")
        if s.recipe then io.stdout:write(("recipe %s, as it stands here: %s\n"):format(s.recipe, require("bauta.recipe").standing(e))) end
        if given.measure then io.stdout:write(time_line(e, device, summary, images), "\n") end
        if given.nodes then io.stdout:write("\n", node_lines(program), "\n") end
    end
    program:free()
    for _, store in pairs(stores) do store:free() end
end

function verb.run(given)
    local script = require "bauta.script"
    local result = script.load(given, given[1])
    local base = require("bauta.footprint").base()
    local list = script.experiments(result, given[1])
    require("bauta.fitting").judge(list, given.out, false)
    for i, e in ipairs(list) do
        if i > 1 and not given.json then io.stdout:write "\n" end
        local ok, why = pcall(one, e, given, base)
        if not ok then error(errors.wrap(why), 0) end
    end
    return 0
end

return verb
