-- views: several crops of each picture, each augmented by itself: global ones, which teachers see too, and smaller local ones for the
-- student alone (multi-crop, as in facebookresearch/dino). A loader a view over the same data: the order of an epoch depends on the seed
-- alone, so all give the same pictures.
local bind = require "bauta.bind.data"
local check = require "bauta.check"
local errors = require "bauta.errors"
local ffi = require "bauta.ffi"

local views = {}
views.__index = views
views.class = "views"

local function share(name, default, doc) return { name = name, type = "float", default = default, min = 0, max = 1, doc = doc } end

views.rows = {
    { name = "globals", type = "int", default = 2, min = 1, max = 8, doc = "views in the student's size, of large parts of the picture" },
    { name = "locals", type = "int", default = 8, min = 0, max = 32, doc = "small views of small parts, for the student alone" },
    { name = "local_image", type = "int", default = 96, min = 1, max = 4096, unit = "pixels", doc = "side of the small ones" },
    share("boundary", 0.4, "share of the area: global views from it to 1, local ones up to it"),
    share("low", 0.05, "least share of the area of a local view"),
    { name = "colours", type = "bool", default = true, doc = "jitter, grey, blur and solarise as DINO does" },
}

function views.new(given) return setmetatable(check.settings(views.rows, given, "views"), views) end
function views:schema() return views.rows end

function views:describe()
    local out = {}
    for _, row in ipairs(views.rows) do out[row.name] = self[row.name] end
    return out
end

-- The augmentation of view i (from 1; global ones first). image: side of the global ones; data: what the data set says of its pictures.
local function augmentation(self, i, image, data)
    local is_global = i <= self.globals
    local a = { policy = "crop", image = is_global and image or self.local_image, interpolation = data.interpolation, flip = data.flip,
        scale_low = is_global and self.boundary or self.low, scale_high = is_global and 1 or self.boundary }
    if self.colours then
        a.jitter, a.brightness, a.contrast, a.saturation, a.hue, a.grey = 0.8, 0.4, 0.4, 0.2, 0.1, 0.2
        a.blur = i == 1 and 1 or is_global and 0.1 or 0.5
        a.solarize = i == 2 and is_global and 0.2 or 0
    end
    return a
end

-- What is wrong with it for a student, or nil.
function views:defect(student)
    if self.locals == 0 then
        for _, row in ipairs(views.rows) do
            if (row.name == "local_image" or row.name == "low") and self[row.name] ~= row.default then
                return ("views.%s = %s has no effect: locals = 0"):format(row.name, errors.show(self[row.name]))
            end
        end
        return nil
    end
    if student.settings.table == nil then
        return ("views: arch %s cannot change the size of its pictures; one with a setting `table` (dino) or locals = 0 expected"):format(
            student.name)
    end
    if self.local_image % student.settings.patch ~= 0 then
        return ("views.local_image = %d is no multiple of the student's patch, %d"):format(self.local_image, student.settings.patch)
    end
end

-- The student for small views: the same weights, with positions of the large picture.
function views:small(student)
    local out = {}
    for k, v in pairs(student) do out[k] = v end
    out.settings, out.made = {}, nil
    for k, v in pairs(student.settings) do out.settings[k] = v end
    out.settings.table = out.settings.table > 0 and out.settings.table or student.image_rows
    out.settings.image = self.local_image
    return setmetatable(out, getmetatable(student))
end

-- ---- one loader of them all ----
local Loader = {}
Loader.__index = Loader

-- options: of bind.loader, for each view; their threads are shared out.
function views:loader(dataset, options, image)
    local all, n = setmetatable({ parts = {}, views = self, batch = options.batch }, Loader), self.globals + self.locals
    local threads = (options.threads or 0) > 0 and options.threads or ffi.processors()
    for i = 1, n do
        local o = {}
        for k, v in pairs(options) do o[k] = v end
        o.view, o.augment, o.threads = i - 1, augmentation(self, i, image, options.augment), math.max(1, math.floor(threads / n))
        all.parts[i] = bind.loader(dataset, o)
    end
    all.batches = all.parts[1].batches
    local bytes = options.batch * 3
    all.images = ffi.array("uint8_t", self.globals * bytes * image * image)
    all.local_images = self.locals > 0 and ffi.array("uint8_t", self.locals * bytes * self.local_image ^ 2) or nil
    return all
end

function Loader:start(epoch, batch)
    for _, l in ipairs(self.parts) do l:start(epoch, batch) end
end

-- The next batch: as a loader gives it, with images [globals*B,..] and local_images [locals*B,..], view by view.
function Loader:next()
    local out
    for i, l in ipairs(self.parts) do
        local b = l:next()
        if not b then return nil end
        local at, bytes = i <= self.views.globals and i - 1 or i - 1 - self.views.globals, b.count * b.rows * b.columns * 3
        ffi.copy((i <= self.views.globals and self.images or self.local_images) + at * bytes, b.images, bytes)
        out = out or b
    end
    out.images, out.local_images = self.images, self.local_images
    return out
end

function Loader:free()
    for _, l in ipairs(self.parts) do l:free() end
end

return views
