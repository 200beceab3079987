-- model_store: model_store(arch, seed), a store with the weights that a model begins with.
local builder = require "bauta.builder"
local graph = require "bauta.bind.graph"
local session = require "bauta.session"

return function(arch, seed)
    local store, b = graph.store(session.device(), seed or 3), builder.new { device = session.device() }
    b:pictures(1, arch)
    b:model("student", arch, { store = store })
    b.known:free()
    b.g:free()
    return store
end
