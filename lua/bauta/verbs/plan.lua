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

-- How long the training takes, by steps on noise; pictures that are slow to load, and evaluation, come on top.
local function time_line(e, device, summary, images)
    local rate = require("bauta.grid.estimate").images_per_s(e, device, summary.total.macs)
    local seconds = e:minutes() and 60 * e:minutes() or (e.total and e.total * e.settings.batch or e:epochs() * images) / rate
    local text = seconds < 120 and ("%.0f s"):format(seconds) or seconds < 7200 and ("%.0f min"):format(seconds / 60) or ("%.1f h"):format(seconds / 3600)
    return ("time: %.0f img/s measured on noise, %s for the training, evaluation and slow pictures not counted"):format(rate, text)
end

local function as_json(e, f, images, fit, bare)
    local cost, json = require "bauta.cost", require "bauta.json"
    local roles, summary = {}, f.summary
    for _, p in ipairs(summary.parts) do roles[p.role] = { macs = p.macs, papers = p.papers, flops = p.flops, peak = p.peak } end
    return json.encode { run = e:path(), images = images, epochs = e:epochs(), batch = e.settings.batch, roles = roles, total = summary.total,
        arena = summary.arena, variables = summary.variables, recompute = { saved = summary.kept - summary.arena, flops = cost.again(summary) },
        memory = f.memory, kept = e:kept(), continued_from = f.from, fits = fit.fits, free = fit.free, micro_fits = fit.micro, without_weights = bare[1] and bare }
end

local function as_text(e, f, images, fit, bare, device)
    local cost, s = require "bauta.cost", e.settings
    local lines = cost.lines(f.summary, e, images)
    lines[#lines + 1] = memory_line(f.memory, device)
    if f.from then
        lines[#lines + 1] = ("(counted at %d and %d images a step and continued to %d, whose memory is not to be had here)"):format(f.from[1], f.from[2], s.batch)
    end
    lines[#lines + 1] = fit.line
    for _, line in ipairs(bare) do lines[#lines + 1] = line end
    if s.recipe then lines[#lines + 1] = ("recipe %s, as it stands here: %s"):format(s.recipe, require("bauta.recipe").standing(e)) end
    return table.concat(lines, "\n")
end

-- Training images of an epoch; raises where they make no batch.
local function images_of(e, given)
    local images = given.images or e.settings.data:split("train").count
    require("bauta.pictures").enough(e, images)
    return images
end

local function one(e, given, base)
    local forecast, session = require "bauta.forecast", require "bauta.session"
    local s, device = e.settings, session.device()
    if given.batch then s.batch = given.batch end
    local _, why = session.precision(s.precision, device)
    if why and not given.json then io.stdout:write("(", why, " here)\n") end
    local images, opened = images_of(e, given), not given.images
    local f = forecast.of(e, device, base, opened)
    local fits, fit = forecast.fits(e, device, f, base, opened)
    fit = fit or {}
    fit.fits = fits
    local bare = require("bauta.fitting").bare(e)
    if given.json then io.stdout:write(as_json(e, f, images, fit, bare), "\n")
    else
        io.stdout:write(as_text(e, f, images, fit, bare, device), "\n")
        if given.measure then io.stdout:write(time_line(e, device, f.summary, images), "\n") end
        if given.nodes then io.stdout:write("\n", node_lines(f.program), "\n") end
    end
    forecast.free(f)
end

function verb.run(given)
    local script = require "bauta.script"
    local result = script.load(given, given[1])
    local base = require("bauta.footprint").base()
    local list = script.experiments(result, given[1], "bauta grid plan says what its cells cost")
    require("bauta.fitting").judge(list, given.out, false)
    for i, e in ipairs(list) do
        if i > 1 and not given.json then io.stdout:write "\n" end
        local ok, why = pcall(one, e, given, base)
        if not ok then error(errors.named(why, e:path(), e.where), 0) end
    end
    return 0
end

return verb
