-- plugin: data sets, architectures, criteria and losses as a script names them: bauta.mask "student" { keep = 0.5 }.
-- A description holds checked settings and nothing else; what it describes is made when a run needs it.
local audio = require("bauta.builder").audio
local check = require "bauta.check"
local defined = require "bauta.defined"
local errors = require "bauta.errors"
local guess = require "bauta.guess"
local source = require "bauta.source"
local keep = require "bauta.keep"
local bind = require "bauta.bind.plugin"
local selection = require "bauta.selection"
local session = require "bauta.session"
local weights = require "bauta.bind.weights"

local plugin = {}

-- Settings that belong to the kind and not to a plugin.
local common = {
    data = {
        { name = "augment", type = "choice", choices = { "deit", "none", "crop", "pad" }, default = "deit",
          doc = "training pictures; deit: pad for images of at most 32 pixels, otherwise crop; crop: random resized crop " ..
              "and flip; pad: border, random crop and flip" },
        { name = "normalise", type = "choice", choices = { "imagenet", "half", "none" }, default = "imagenet",
          doc = "mean and deviation of the pixels: ImageNet's, 0.5 and 0.5, or 0 and 1" },
        { name = "border", type = "int", default = 4, min = 0, max = 1024, unit = "pixels", doc = "of augment = pad" },
        { name = "flip", type = "float", default = 0.5, min = 0, max = 1, doc = "probability of mirroring" },
        { name = "scale_low", type = "float", default = 0.08, min = 0.0001, max = 1,
            doc = "of augment = crop: least share of the area" },
        { name = "randaugment", type = "int", default = 0, min = 0, max = 8, unit = "operations",
            doc = "random operations on a training picture (RandAugment; DeiT takes 2)" },
        { name = "magnitude", type = "float", default = 9, min = 0, max = 10, doc = "of randaugment: mean level" },
        { name = "spread", type = "float", default = 0.5, min = 0, max = 10, doc = "of randaugment: its standard deviation" },
        { name = "jitter", type = "float", default = 0, min = 0, max = 10,
            doc = "brightness, contrast and saturation of a training picture times 1-jitter to 1+jitter, in random order; not together with randaugment" },
        { name = "hue", type = "float", default = 0, min = 0, max = 0.5, doc = "and its hue turned by up to this share of the circle" },
        { name = "three_augment", type = "bool", default = false,
            doc = "a training picture is made grey, solarised or blurred, one of them (3-Augment, DeiT III)" },
        { name = "repeats", type = "int", default = 1, min = 1, max = 64,
            doc = "each picture so many times in a row, each augmented anew; an epoch stays as long (repeated augmentation; DeiT takes 3)" },
        { name = "erasing", type = "float", default = 0, min = 0, max = 1,
            doc = "probability that a training picture loses a box to noise (random erasing; DeiT takes 0.25)" },
        { name = "erasing_integers", type = "bool", default = false,
            doc = "noise in whole numbers of 0..255, as mmcls has it; otherwise normal after normalisation" },
        { name = "test_crop", type = "float", default = 0.875, min = 0.1, max = 1,
            doc = "share of the shorter side that evaluation keeps (images above 32 pixels)" },
        { name = "interpolation", type = "choice", choices = { "bicubic", "bilinear" }, default = "bicubic",
            doc = "of resizing and turning training pictures" },
        { name = "test_interpolation", type = "choice", choices = { "bicubic", "bilinear" }, default = "bicubic",
            doc = "of resizing pictures in evaluation (images above 32 pixels)" },
        { name = "bad", type = "choice", choices = { "stop", "replace", "skip" }, default = "stop",
            doc = "a training picture that cannot be read: the run stops; another one takes its place; or all are read before the first step and it is left out" },
    },
    mask = {
        { name = "keep", type = "any", default = "all", accept = keep.judge, what = "a share, a count or \"all\"",
          doc = 'patches the teacher sees: a share (0.5), a count (98), a label of the papers ("75%") or "all"' },
        { name = "who", type = "choice", choices = { "teacher", "student", "both" }, default = "teacher",
            doc = "who sees the kept patches only; the student then predicts from them, and ranks them in a pass of its own" },
        { name = "model", type = "arch", optional = true, doc = "the model that ranks, for criteria that ask another one" },
    },
    arch = {
        { name = "weights", type = "any", optional = true, doc = "a safetensors or PyTorch file, or the experiment whose student is taken",
          what = "a path or an experiment",
          accept = function(v)
              if type(v) == "string" and v ~= "" or check.class_of(v) == "experiment" then return v end
              return nil, "is " .. errors.show(v)
          end },
        { name = "prefix", type = "string", default = "", doc = "what the file puts in front of the names of the weights" },
        { name = "partial", type = "string", default = "",
            doc = "beginnings of names that need not match, commas between (head)" },
        { name = "keys", type = "choice", default = "auto",
          choices = { "auto", "plain", "deit3", "cait", "dino", "clip", "swin", "openmmlab", "openmmlab-swin", "ast", "deit-to-ast",
              "module" },
          doc = "whose names the file has; auto: found out and said; plain: exactly ours, which are timm's" },
        { name = "resize", type = "choice", default = "none",
          choices = { "none", "bicubic", "bicubic-antialias", "bilinear", "dino", "crop" },
          doc = "how a position table of the file is brought to another grid; none: that is an error" },
        { name = "normalise", type = "choice", optional = true, choices = { "imagenet", "half", "clip", "none", "audio" },
          doc = "mean and deviation of the pixels that this model sees (audio: of log-mel energies, one channel); left out: the data's" },
        { name = "expect", type = "float", optional = true, min = 0, max = 100, unit = "%",
          doc = "test accuracy that the card of the weights says; a teacher clearly below it stops the run" },
        { name = "tolerance", type = "float", default = 1, min = 0, max = 100, unit = "%", doc = "how far below `expect` is still fine" },
    },
    loss = {},
    reducer = {},
}
for _, row in ipairs(selection.rows) do table.insert(common.mask, row) end
plugin.common = common

-- Of data that gives spectrograms, instead of those of pictures.
plugin.spectrograms = {
    { name = "normalise", type = "choice", choices = { "audio", "none" }, default = "audio",
      doc = "audio: what models see is (x - mean) / (2 deviation); none: x itself" },
    { name = "mean", type = "float", default = audio.mean, min = -100, max = 100, doc = "of normalise = audio: of the energies' logarithms; the default is ESC-50's" },
    { name = "deviation", type = "float", default = audio.deviation, min = 1e-3, max = 100, doc = "and their standard deviation" },
    { name = "frequency_mask", type = "float", default = 0, min = 0, max = 16384, unit = "rows",
      doc = "in training a band of up to so many rows, anywhere, becomes 0 (SpecAugment; AST takes 24)" },
    { name = "time_mask", type = "float", default = 0, min = 0, max = 16384, unit = "columns", doc = "and a band of columns (AST takes 96)" },
    { name = "repeats", type = "int", default = 1, min = 1, max = 64,
      doc = "each clip so many times in a row, each masked anew; an epoch stays as long" },
    { name = "bad", type = "choice", choices = { "stop", "replace", "skip" }, default = "stop",
      doc = "a training clip that cannot be read: the run stops; another one takes its place; or all are read before the first step and it is left out" },
}

-- The settings that a plugin has for its kind's sake.
function plugin.of_kind(kind, found) return found.channels == 1 and plugin.spectrograms or common[kind] end

local Description = {}
local classes = {}

for kind in pairs(common) do
    local class = { class = kind }
    class.__index = function(t, k)
        if Description[k] then return Description[k] end
        local own = classes[kind].own
        return own and own(t, k)
    end
    class.__tostring = function(t) return t:text() end
    classes[kind] = class
end
plugin.classes = classes

-- Blocks of a model by name; the middle is (depth - 1) / 2, which the core knows.
plugin.layers = { first = 0, middle = 1000, last = -1 }

local function named_layer(row)
    local out = {}
    for k, v in pairs(row) do out[k] = v end
    out.type, out.what = "any", 'a block\'s number, "first", "middle" or "last"'
    out.accept = function(v)
        if plugin.layers[v] then return plugin.layers[v] end
        if type(v) == "number" then return check.value(row, v, "") end
        return nil, "is " .. errors.show(v)
    end
    return out
end

-- All settings of a plugin.
local function union(kind, found)
    local out, taken, rows = {}, {}, found.rows
    for _, row in ipairs(plugin.of_kind(kind, found)) do
        out[#out + 1] = row
        taken[row.name] = true
    end
    for _, row in ipairs(rows) do
        if (kind == "mask" or kind == "reducer") and row.name == "layer" and row.type == "int" then row = named_layer(row) end
        if not taken[row.name] then out[#out + 1] = row end
    end
    return out
end
plugin.union = union

-- What the settings of a kind are when nobody gives them.
function plugin.defaults(kind)
    local out = {}
    for _, row in ipairs(common[kind]) do out[row.name] = row.default end
    return out
end

-- Settings of an architecture that say how its weights are read, and how good they are.
plugin.of_weights = { "prefix", "partial", "keys", "resize", "expect" }

-- Settings of weights that are not there, of a judgement that is not asked for.
local function arch_defects(name, s)
    local lines, defaults = {}, plugin.defaults "arch"
    local function judge(settings, why)
        for _, one in ipairs(settings) do
            if s[one] ~= defaults[one] then
                lines[#lines + 1] = ("arch %s.%s = %s has no effect: %s"):format(name, one, errors.show(s[one]), why)
            end
        end
    end
    local file = s.weights ~= nil or session.options.weights ~= nil -- bauta eval --weights FILE reads it as the student's settings say
    if not file then judge(plugin.of_weights, "no weights are given") end
    if s.expect == nil then judge({ "tolerance" }, "nothing is expected") end
    return lines
end

-- Of spectrograms that are not normalised.
local function spectrogram_defects(name, s)
    local lines = {}
    for _, row in ipairs(s.normalise == "none" and plugin.spectrograms or {}) do
        if (row.name == "mean" or row.name == "deviation") and s[row.name] ~= row.default then
            lines[#lines + 1] = ("data %s.%s = %s has no effect: nothing is normalised"):format(name, row.name, errors.show(s[row.name]))
        end
    end
    return lines
end

-- What is wrong with the settings of a description that each of them allows: a list of sentences.
local function defects(self)
    if self.kind == "mask" then return selection.defects(self.plugin, self.settings) end
    if self.kind == "data" and self.plugin.channels == 1 then return spectrogram_defects(self.name, self.settings) end
    return self.kind == "arch" and arch_defects(self.name, self.settings) or {}
end

-- Criteria and losses written in Lua, by kind and name.
plugin.defined = defined.known

-- The sentence about one that is not there, with those in Lua among them that are.
local function not_there(kind, name, sentence)
    local names = defined.names(kind)
    for _, p in ipairs(bind.scan()) do
        if p.kind == kind and not p.refused then names[#names + 1] = p.name end
    end
    table.sort(names)
    local near = errors.nearest(name, names)
    return ("no %s '%s'%s (there are: %s%s"):format(kind, name, near and "; did you mean '" .. near .. "'?" or "", table.concat(names, ", "),
        sentence:match "; searched: .*$" or ")")
end

function plugin.find(kind, name)
    if not plugin.defined[kind] then return bind.find(kind, name) end
    local own = defined.find(kind, name)
    if own then return own end
    local ok, found = pcall(bind.find, kind, name)
    if ok then return found end
    if errors.is(found) and found.lines[1]:find("^no " .. kind .. " '") then errors.raise(found.code, not_there(kind, name, found.lines[1])) end
    error(found, 0)
end

-- Takes note of a criterion or loss that is written in Lua. what: the function that defines it. Returns its constructor.
function plugin.define(what, found)
    defined.take(what, found)
    return function(settings) return plugin.describe(found.kind, found.name, settings) end
end

-- Makes a description; given: the table the script wrote.
function plugin.describe(kind, name, given)
    if type(name) ~= "string" then errors.fail("bauta.%s: a name expected, got %s", kind, errors.show(name)) end
    local found = plugin.find(kind, name)
    local settings = check.settings(union(kind, found), given, kind .. " " .. name)
    local self = setmetatable({ kind = kind, name = name, plugin = found, settings = settings, where = errors.position(), given = {} },
        classes[kind])
    for k in pairs(given or {}) do self.given[k] = true end
    if found.desc then self:params() end -- also what C knows is judged at the script's line
    if kind == "arch" then self:params():fact("patches") end
    local lines = defects(self)
    if #lines > 0 then errors.raise("arg", lines) end
    return self
end

-- The plugin's own settings by name, for a function in Lua: another name is a mistake there and not nil.
function Description:own_settings()
    local own, names = {}, {}
    for i, row in ipairs(self.plugin.rows) do own[row.name], names[i] = self.settings[row.name], row.name end
    return setmetatable(own, { __index = function(_, k)
        errors.fail("%s %s: params.%s: %s", defined.word(self.kind), self.name, tostring(k),
            errors.unknown("parameter", tostring(k), { unpack(names) }))
    end })
end

-- The plugin's own settings, checked by C as well.
function Description:params()
    local made = rawget(self, "made")
    if not made then
        local own = {}
        for _, row in ipairs(self.plugin.rows) do
            local v = self.settings[row.name]
            if row.type == "bool" and type(v) == "boolean" then v = v and 1 or 0 end
            own[row.name] = v
        end
        made = bind.params(self.plugin, own)
        rawset(self, "made", made)
    end
    return made
end

-- Changes one setting by its text (--set student.depth=3). Returns nil, or what is wrong.
function Description:set(name, text)
    for _, row in ipairs(union(self.kind, self.plugin)) do
        if row.name == name then
            local v, why = check.text(row, text, self.kind .. " " .. self.name .. ".")
            if v == nil then return why end
            self.settings[name] = v
            local given = { [name] = true } -- of its own: copies share a table
            for k in pairs(self.given) do given[k] = true end
            self.given = given
            rawset(self, "made", nil)
            rawset(self, "opened", nil)
            if self.plugin.desc then self:params() end
            return defects(self)[1]
        end
    end
    local names = {}
    for i, row in ipairs(union(self.kind, self.plugin)) do names[i] = row.name end
    return ("%s %s.%s: %s"):format(self.kind, self.name, name, errors.unknown("setting", name, names))
end

-- A copy with other settings, but for those that the script gave itself and those that this plugin does not have.
function plugin.overlaid(d, more)
    local out, own = {}, {}
    for k, v in pairs(d) do out[k] = v end
    for _, row in ipairs(d.plugin.rows) do own[row.name] = true end
    out.settings, out.opened = {}, rawget(d, "opened") or {}
    for k, v in pairs(d.settings) do out.settings[k] = v end
    for _, row in ipairs(union(d.kind, d.plugin)) do
        if more[row.name] ~= nil and not d.given[row.name] then
            out.settings[row.name] = more[row.name]
            if own[row.name] then out.made, out.opened = nil, nil end -- it is another object to C
        end
    end
    if out.opened then rawset(d, "opened", out.opened) end
    setmetatable(out, getmetatable(d))
    out:params()
    return out
end

local function reading(self)
    local s = self.settings
    return { prefix = s.prefix, partial = s.partial, keys = s.keys, resize = s.resize, rows = self.table_rows, columns = self.table_columns }
end

-- The tensors and the notes of a weights file.
local function contents(path)
    local file = weights.open(path)
    local list, notes = file:list(), file:notes()
    file:free()
    return list, notes
end

-- The sentence that names or shapes of a file do not match, with what it fits where that is another architecture, or one with a switch on that is
-- off here. label: of the file in messages; list, notes: what it holds.
local function better(self, sentence, label, list, notes)
    local other, switches = guess.other(guess.below(list, self.settings.prefix), notes, self.name)
    local found = sentence:match "%d+ of its tensors do not match: .*$"
    if other and found then return ("%s fits %s, and the model is %s; %s"):format(label, other, errors.article(self.name), found) end
    for _, switch in ipairs(switches) do
        if self.settings[switch] == false then sentence = ("%s; the file is one with %s = true"):format(sentence, switch) end
    end
    return sentence
end

-- Calls f(). Where it raises that names or shapes do not match, it is said what the file is. path: of the file, or what messages call it; list,
-- notes: what it holds, where it is no file.
local function explained(self, path, list, notes, f)
    local ok, e = pcall(f)
    if ok then return e end
    if errors.is(e) and e.mismatch then
        if not list then list, notes = contents(path) end
        e.lines = { better(self, e.lines[1], path:match "[^/]*$", list, notes) }
    end
    error(e, 0)
end

-- Loads a weights file into a store as an architecture's settings say: whose names it has, which part of it, positions on another grid.
-- Returns whose names were recognised, or nil.
function Description:load(store, path)
    return explained(self, path, nil, nil, function() return store:load(path, reading(self)) end)
end

-- Raises where load would find that names or shapes do not match. model: an architecture whose tensors, those of the store `from`, stand for the
-- file, which messages call `path`.
function Description:fits(store, path, from, model)
    local notes = model and { made_by = "bauta", architecture = model.name, heads = tostring(model.heads), image = model.image_rows .. "x" .. model.image_columns }
    explained(self, path, from and from:list(), notes, function() store:check(path, reading(self), from) end)
end

-- For the run's log: name, every setting, version and hash of the plugin.
function Description:record()
    local settings = {}
    for k, v in pairs(self.settings) do
        local class = check.class_of(v)
        if class == "experiment" then v = "run " .. v.settings.name
        elseif class == "keep" then v = v:text()
        elseif class == "arch" then v = v:record() end
        settings[k] = v
    end
    local out = { plugin = self.name, settings = settings, version = self.plugin.version }
    if self.plugin.desc then out.sha256 = bind.hash(self.plugin)
    elseif self.plugin.body then out.sha256 = source.digest(self.plugin.body) end
    return out
end

function Description:text()
    local parts = {}
    for _, row in ipairs(union(self.kind, self.plugin)) do
        local v = self.settings[row.name]
        if v ~= nil and v ~= row.default then parts[#parts + 1] = row.name .. " = " .. errors.show(v) end
    end
    return ("%s %s { %s }"):format(self.kind, self.name, table.concat(parts, ", "))
end

-- ---- data ----

-- A split, opened once.
function Description:split(name)
    if not rawget(self, "opened") then rawset(self, "opened", {}) end
    if not self.opened[name] then
        local data = require "bauta.bind.data"
        local params = self:params()
        local ok, opened = pcall(data.dataset, self.plugin.desc, params:raw(), name, { params })
        if not ok then -- whoever asks first, it is at the line that names the data
            if errors.is(opened) then opened.where = self.where or opened.where end
            error(opened, 0)
        end
        self.opened[name] = opened
    end
    return self.opened[name]
end

-- data.classes, data.has_boxes: open the training split. data.channels: 1 for spectrograms, 3 for pictures.
classes.data.own = function(self, k)
    if k == "classes" then return self:split("train").classes end
    if k == "has_boxes" then return self:split("train").has_boxes end
    if k == "channels" then return self.plugin.channels end
end

-- student.patches, teacher.classes, ...: the geometry.
local facts = { patches = 1, prefix = 1, grid_rows = 1, grid_columns = 1, depth = 1, heads = 1, dim = 1, classes = 1,
    image_rows = 1, image_columns = 1, channels = 1, trunk = 1, joins = 1, asks = 1 }
classes.arch.own = function(self, k)
    if facts[k] then return self:params():fact(k) end
    local side = (k == "table_rows" or k == "table_columns") and (self.settings.table or 0) -- the grid of the position table
    if side and side > 0 then return math.floor(side / self.settings.patch) end
    if side then return self:params():fact(k == "table_rows" and "grid_rows" or "grid_columns") end
end

return plugin
