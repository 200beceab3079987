-- bind/plugin: the plugin registry, settings of plugins, and what is known while a graph is described, as Lua objects.
local M = require "bauta.ffi"
local graph = require "bauta.bind.graph"
local errors = require "bauta.errors"

local bind = {}
local Plugins = M.class("plugin registry", "ba_plugins_free")
local Params = M.class("settings", "ba_params_free")
local Build = M.class("build", "ba_build_free")
bind.Params, bind.Build = Params, Build

local registry, cache = nil, {}

-- home: Bauta's own plugin folder (nil: where it was installed); folders: further ones, searched first.
function bind.open(home, folders)
    registry = M.own(Plugins, M.call("ba_plugins_new", home), nil, {})
    cache = {}
    for _, folder in ipairs(folders or {}) do M.call("ba_plugins_add", registry.entry.ptr, folder) end
end

function bind.path() return M.text(M.C.ba_plugins_path(M.ptr(registry, Plugins))) end

local function rows_of(desc)
    local n, out = M.number(M.C.ba_plugin_rows(desc)), {}
    for i = 0, n - 1 do out[i + 1] = M.rows(M.C.ba_plugin_row(desc, i), 1)[1] end
    return out
end

local function needs_of(desc)
    local out = {}
    while true do
        local need = M.text(M.C.ba_plugin_need(desc, #out))
        if not need then return out end
        out[#out + 1] = need
    end
end

local function found(desc)
    local info = M.new("ba_plugin_info")
    M.call("ba_plugins_info", registry.entry.ptr, desc, info)
    return { kind = M.text(info.kind), name = M.text(info.name), desc = desc, rows = rows_of(desc), needs = needs_of(desc),
        doc = M.text(info.doc), version = M.text(info.version), cite = M.text(info.cite), path = M.text(info.path),
        abi = ("%d.%d"):format(info.abi_major, info.abi_minor), channels = M.number(M.C.ba_data_channels(desc)) }
end

-- { kind, name, doc, version, rows, needs, desc, channels (of data), ... } of a plugin; raises with the registry's sentence.
function bind.find(kind, name)
    local key = kind .. "/" .. M.string(name, kind)
    if not cache[key] then cache[key] = found(M.call("ba_plugins_find", M.ptr(registry, Plugins), kind, name)) end
    return cache[key]
end

-- The same for a file; from now on its kind and name mean this one, whatever else the path holds.
function bind.file(path)
    local p = found(M.call("ba_plugins_file", M.ptr(registry, Plugins), M.string(path, "plugin")))
    cache[p.kind .. "/" .. p.name] = p
    return p
end

-- SHA-256 of a plugin's file.
function bind.hash(plugin)
    local out = M.new("char[65]")
    M.call("ba_plugins_hash", M.ptr(registry, Plugins), plugin.desc, out)
    return M.text(out)
end

-- Everything on the search path: { kind, name, path, doc, version, refused }.
function bind.scan()
    local p, info, out = M.ptr(registry, Plugins), M.new("ba_plugin_info"), {}
    for i = 0, M.call("ba_plugins_scan", p) - 1 do
        M.call("ba_plugins_entry", p, i, info)
        out[i + 1] = { kind = M.text(info.kind), name = M.text(info.name), path = M.text(info.path), doc = M.text(info.doc),
            version = M.text(info.version), refused = M.text(info.refused) }
    end
    return out
end

-- ---- settings ----

local report_bytes = 16384

function bind.params(plugin, settings)
    local n, attrs, hold = M.attrs(settings)
    local report = M.new("char[?]", report_bytes)
    M.err.code = 0
    local p = M.C.ba_params_new(plugin.desc, n, attrs, report, report_bytes, M.err)
    if M.is_null(p) then
        local lines = {}
        for line in M.text(report):gmatch("[^\n]+") do lines[#lines + 1] = line end
        if #lines == 0 then M.raise() end
        errors.raise("arg", lines)
    end
    return M.own(Params, p, nil, { plugin = plugin, hold = hold })
end

function Params:raw() return M.C.ba_params_struct(M.ptr(self, Params)) end

-- All values, the defaulted ones too.
function Params:values()
    local p, a, out = M.ptr(self, Params), M.new("ba_attr"), {}
    for i, row in ipairs(self.plugin.rows) do
        M.call("ba_params_value", p, i - 1, a)
        local v = M.attr_value(a)
        if row.type == "bool" then v = v ~= 0 end
        out[row.name] = v
    end
    return out
end

-- A fact of an architecture's geometry: "patches", "grid_rows", "image_rows", "classes", ...
function Params:fact(what) return M.call("ba_arch_fact", M.ptr(self, Params), what) end

-- ---- what is known while a graph is described ----

function bind.build(g)
    return M.own(Build, M.call("ba_build_new", M.ptr(g, graph.Graph)), { g }, { graph = g })
end

local function bp(b) return M.ptr(b, Build) end

function Build:put(who, what, layer, t) M.call("ba_build_put", bp(self), who, what, layer, graph.tensor_ptr(t, what)) end

function Build:get(who, what, layer)
    return graph.tensor(self.graph, M.call("ba_build_get", bp(self), M.string(who, "who"), M.string(what, "what"),
        M.whole(layer or -1, "layer")))
end

-- What criteria and losses have noted so far: { name, tensor }, in order.
function Build:notes()
    local out, who, what, layer, t = {}, M.new("const char *[1]"), M.new("const char *[1]"), M.new("int64_t[1]"), M.new("ba_tensor *[1]")
    for i = 0, M.number(M.C.ba_build_count(bp(self))) - 1 do
        M.call("ba_build_entry", bp(self), i, who, what, layer, t)
        if M.text(who[0]) == "note" then out[#out + 1] = { name = M.text(what[0]), tensor = graph.tensor(self.graph, t[0]) } end
    end
    return out
end

function Build:alias(alias, who) M.call("ba_build_alias", bp(self), alias, who) end
function Build:fact(who, what) return M.call("ba_build_fact", bp(self), who, what) end
function Build:say(who, what, value)
    M.call("ba_build_say", bp(self), M.string(who, "who"), M.string(what, "what"), M.whole(value, what))
end

function Build:declare(who, params) M.call("ba_arch_declare", bp(self), who, M.ptr(params, Params)) end

-- given: images, scale, shift, kept (tensors), store, training.
function Build:arch(who, params, given)
    local in_ = M.new("ba_arch_given")
    in_.size, in_.training = M.sizeof("ba_arch_given"), given.training and 1 or 0
    in_.images = graph.tensor_ptr(given.images, "images")
    in_.scale, in_.shift = graph.tensor_ptr(given.scale, "scale"), graph.tensor_ptr(given.shift, "shift")
    if given.kept then in_.kept = graph.tensor_ptr(given.kept, "kept") end
    in_.store = M.ptr(given.store, graph.Store)
    if given.reducer then in_.reducer = M.ptr(given.reducer, Params) end
    self.graph.stores[given.store] = true
    M.call("ba_arch_build", bp(self), M.string(who, "who"), M.ptr(params, Params), in_)
end

-- How score maps are resampled from now on: corners on corners, or edges on edges.
function Build:corners(on) M.call("ba_mask_corners", bp(self), on and 1 or 0) end

-- Numbers [..,N] of the patches of `who` on the grid of `whom`.
function Build:regrid(who, whom, x)
    return graph.tensor(self.graph, M.call("ba_mask_regrid", bp(self), who, whom, graph.tensor_ptr(x, "scores")))
end

-- Scores [B,N] for the patches of `whom`; nil when the criterion masks nothing.
function Build:score(whom, params)
    local out = M.new("ba_tensor *[1]")
    M.call("ba_mask_score", bp(self), whom, M.ptr(params, Params), out)
    return not M.is_null(out[0]) and graph.tensor(self.graph, out[0]) or nil
end

function Build:loss(label, params, store)
    local out = M.new("ba_tensor *[1]")
    if store then self.graph.stores[store] = true end
    M.call("ba_loss_build", bp(self), label, M.ptr(params, Params), store and M.ptr(store, graph.Store) or nil, out)
    return graph.tensor(self.graph, out[0])
end

-- Tokens [B,T,D] of student and teacher at the places that both have, as ba_host.match has them.
function Build:match(student, teacher, extras)
    local out = M.new("ba_tensor *[2]")
    M.call("ba_loss_match", bp(self), graph.tensor_ptr(student, "student"), graph.tensor_ptr(teacher, "teacher"), extras and 1 or 0, out)
    return graph.tensor(self.graph, out[0]), graph.tensor(self.graph, out[1])
end

-- Pairs of blocks, { student, teacher }, as ba_host.layers has them.
function Build:layers(chosen, theirs)
    local most, out = 64, {}
    local mine, others = M.new("int64_t[?]", most), M.new("int64_t[?]", most)
    local n = M.number(M.call("ba_loss_layers", bp(self), M.string(chosen, "layers"), M.string(theirs, "layers"), most, mine, others))
    for i = 1, n do out[i] = { M.number(mine[i - 1]), M.number(others[i - 1]) } end
    return out
end

-- The store in which losses keep what lives from step to step.
function Build:states(store)
    if store then self.graph.stores[store] = true end
    M.call("ba_build_states", bp(self), store and M.ptr(store, graph.Store) or nil)
end

local fp8 = { off = 0, measure = 1, on = 2 }

-- How the linear layers inside the blocks of models built from now on are computed: "off", as usual; "measure", and their ranges fetched; "on", in FP8. The
-- latter two with the store of the scales and the name in front of theirs.
function Build:fp8(mode, scales, name)
    if scales then self.graph.stores[scales] = true end
    M.call("ba_build_fp8", bp(self), fp8[mode] or errors.fail("fp8: %s; off, measure or on expected", errors.show(mode)),
        scales and M.ptr(scales, graph.Store) or nil, name)
end

function Build:update() M.call("ba_build_update", bp(self)) end

-- Mean and singular vectors of n raw rows of width d: two raw arrays, and the singular values.
function bind.principal(rows, n, d)
    local mean, basis, values = M.new("float[?]", d), M.new("float[?]", d * d), M.new("float[?]", d)
    M.call("ba_principal", rows, n, d, mean, basis, values)
    return mean, basis, values
end

function Build:free() M.free(self) end

return bind
