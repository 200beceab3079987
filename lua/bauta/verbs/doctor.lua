-- verb doctor: is everything here, and what will be used?
local verb = { name = "doctor", usage = "", doc = "check the installation: device, plugins, folders, a run written and read back",
    options = require("bauta.options").device }

local function line(ok, what, text)
    io.stdout:write(("%-6s %-16s %s\n"):format(ok and "ok" or "BAD", what, text))
    return ok
end

local function device()
    local session = require "bauta.session"
    local d = session.device()
    return true, d:describe() .. (d:has("bf16") and "" or ": fp32 is used in its place")
end

local function plugins()
    local bind = require "bauta.bind.plugin"
    local good, bad = 0, {}
    for _, p in ipairs(bind.scan()) do
        if p.refused then bad[#bad + 1] = p.path .. ": " .. p.refused else good = good + 1 end
    end
    return #bad == 0 and good > 0, ("%d found in %s%s"):format(good, bind.path(),
        #bad > 0 and "; refused: " .. table.concat(bad, "; ") or "")
end

-- A graph of one product, differentiated: the engine from end to end.
local function engine()
    local graph = require "bauta.graph"
    local store = graph.store(0)
    store:add("x", { 3 }, "one")
    local step = graph.new(function(g)
        local x = g:variable(store, "x")
        local loss = (x * x):sum { axis = -1 }
        g:fetch("loss", loss)
        g:fetch("gradient", g:grad(loss, { x })[1])
    end)
    step:run()
    local gradient = step:read("gradient")
    local ok = step:read("loss") == 3 and gradient[1] == 2
    step:free()
    store:free()
    return ok, ok and "d(x.x)/dx = 2x" or "wrong gradient"
end

local function data()
    local plugin = require "bauta.plugin"
    local d = plugin.describe("data", "scenes", { train = 10, test = 10 })
    local sample = d:split("train"):read(0)
    return sample.rows == 32, ("scenes draws %dx%d pictures of %d classes"):format(sample.rows, sample.columns, d.classes)
end

local function writing()
    local bind = require "bauta.bind.run"
    local folder = os.tmpname()
    os.remove(folder)
    local run = bind.open(folder, "doctor", "new", 0)
    run:stream("t", "a probe", { { "x", "f64" } })
    run:row("t", { x = 0.5 })
    run:finish("complete", 0)
    local path = run.path
    run:free()
    local log = bind.log(path)
    local ok = log:table("t").x[1] == 0.5
    log:free()
    os.execute("rm -rf '" .. folder .. "'")
    return ok, "journal and run.h5 written and read back"
end

function verb.run()
    local errors, ffi = require "bauta.errors", require "bauta.ffi"
    local all = line(true, "bauta", ffi.version() .. ", " .. jit.version)
    for _, check in ipairs { { "device", device }, { "engine", engine }, { "plugins", plugins }, { "data", data },
        { "runs", writing } } do
        local ok, good, text = pcall(check[2])
        if not ok then good, text = false, errors.text(good) end
        all = line(good, check[1], text) and all
    end
    return all and 0 or 5
end

return verb
