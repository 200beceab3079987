-- parity of architectures: what a small model with synthetic weights says of synthetic pictures (pixels 0..255, normalised by a half and a half; one
-- channel: a spectrogram, as it is), whole or masked, and gradients of the sum over its signals of the mean of their squares. A case: arch, settings,
-- image (or rows, columns, channels), batch, kept (numbers, a list a picture), reducer (plugin, settings), repeat (long weights begin again after so
-- many numbers), precision. Wanted: signals by name, gradients as "grad NAME".
local bauta = require "bauta"
local synthetic = require "synthetic"

local function pictures(case, rows, columns, channels)
    local pixels, out = rows * columns, {}
    local planes = synthetic.numbers("image", case.batch * pixels * channels)
    if channels == 1 then return planes end
    for b = 0, case.batch - 1 do
        for c = 0, 2 do
            for i = 0, pixels - 1 do
                local u = planes[(b * 3 + c) * pixels + i + 1]
                out[(b * pixels + i) * 3 + c + 1] = math.min(math.floor((u + 1) * 128), 255)
            end
        end
    end
    return out
end

-- Of more than `long` numbers one in `every`.
local function thinned(case, x)
    if not case.long or #x <= case.long then return x end
    local out = {}
    for i = 1, #x, case.every do out[#out + 1] = x[i] end
    return out
end

-- The names of wanted signals and of wanted gradients, in order.
local function wanted(case)
    local signals, gradients = {}, {}
    for what in pairs(case.want) do
        local name = what:match "^grad (.*)$"
        if name then gradients[#gradients + 1] = name else signals[#signals + 1] = what end
    end
    table.sort(signals)
    table.sort(gradients)
    return signals, gradients
end

return function(case)
    local rows, columns, channels = case.rows or case.image, case.columns or case.image, case.channels or 3
    local settings = { normalise = channels == 1 and "none" or "half" }
    for k, v in pairs(case.settings) do settings[k] = v end
    local arch, store, signals, names = bauta.arch(case.arch)(settings), bauta.store(1), wanted(case)
    local feeds = { pictures = { channels == 1 and "f32" or "u8", { case.batch, rows, columns, channels } } }
    local step = bauta.graph({ batch = case.batch, feeds = feeds, precision = case.precision }, function(g, batch)
        local kept = case.kept and g:input("kept", "i32", { case.batch, #case.kept / case.batch }) or nil
        local reducer = case.reducer and bauta.reducer(case.reducer.plugin, case.reducer.settings)
        g:model("model", arch, { store = store, kept = kept, reducer = reducer, images = batch.pictures })
        local sum, wrt = nil, {}
        for i, name in ipairs(signals) do
            local t = g:signal("model", name)
            local square = (t * t):mean { axis = -100 }
            sum = sum and sum + square or square
            g:fetch(name, case.precision and t:cast { dtype = "f32" } or t) -- of bf16 a program would read the bytes
        end
        for i, name in ipairs(names) do wrt[i] = g:variable(store, name) end
        for i, t in ipairs(g:grad(sum, wrt)) do g:fetch("grad " .. names[i], t) end
    end)
    for _, t in ipairs(store:list()) do store:write(t.name, synthetic.weight(t.name, t.shape, case["repeat"])) end
    if case.kept then step:feed("kept", case.kept) end
    step:feed("pictures", pictures(case, rows, columns, channels))
    step:run()
    local got = {}
    for _, name in ipairs(signals) do got[name] = thinned(case, step:read(name)) end
    for _, name in ipairs(names) do got["grad " .. name] = step:read("grad " .. name) end
    return got
end
