-- parity of architectures: logits of a small model with synthetic weights on synthetic pictures (pixels 0..255, normalised by a half and a half),
-- whole or masked, and gradients of the mean of their squares. A case: arch, settings, image, batch, kept (numbers, a list a picture),
-- reducer (plugin, settings).
local bauta = require "bauta"
local synthetic = require "synthetic"

local function pictures(case)
    local n = case.batch * case.image * case.image * 3
    local planes, out = synthetic.numbers("image", n), {}
    local pixels = case.image * case.image
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

return function(case)
    local settings = { normalise = "half" }
    for k, v in pairs(case.settings) do settings[k] = v end
    local arch, store, names = bauta.arch(case.arch)(settings), bauta.store(1), {}
    local step = bauta.graph({ batch = case.batch, image = case.image }, function(g)
        local kept = case.kept and g:input("kept", "i32", { case.batch, #case.kept / case.batch }) or nil
        local reducer = case.reducer and bauta.reducer(case.reducer.plugin, case.reducer.settings)
        local logits = g:model("model", arch, { store = store, kept = kept, reducer = reducer })
        local wrt = {}
        for what in pairs(case.want) do
            local name = what:match "^grad (.*)$"
            if name then
                names[#names + 1] = name
                wrt[#wrt + 1] = g:variable(store, name)
            end
        end
        for i, t in ipairs(g:grad((logits * logits):mean { axis = -100 }, wrt)) do g:fetch("grad " .. names[i], t) end
        g:fetch("logits", logits)
    end)
    for _, t in ipairs(store:list()) do store:write(t.name, synthetic.weight(t.name, t.shape)) end
    if case.kept then step:feed("kept", case.kept) end
    step:feed("images", pictures(case))
    step:run()
    local got = { logits = step:read "logits" }
    for _, name in ipairs(names) do got["grad " .. name] = step:read("grad " .. name) end
    return got
end
