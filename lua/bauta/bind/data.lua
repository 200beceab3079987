-- bind/data: data sets and loaders as Lua objects.
local M = require "bauta.ffi"
local errors = require "bauta.errors"

local bind = {}
local Dataset = M.class("dataset", "ba_dataset_free")
local Loader = M.class("loader", "ba_loader_free")
local Packer = M.class("packer", "ba_packer_free")
bind.Dataset, bind.Loader, bind.Packer = Dataset, Loader, Packer

-- desc, params: raw, from bind/plugin.
function bind.dataset(desc, params, split, hold)
    local p = M.call("ba_dataset_open", desc, params, split)
    local d = M.own(Dataset, p, hold, { split = split })
    d.count = M.number(M.C.ba_dataset_count(p))
    d.classes = M.number(M.C.ba_dataset_classes(p))
    d.has_boxes = M.C.ba_dataset_has_boxes(p) == 1
    d.channels = M.number(M.C.ba_dataset_channels(p)) -- 1: spectrograms, all of so many rows and columns
    d.rows, d.columns = M.number(M.C.ba_dataset_rows(p)), M.number(M.C.ba_dataset_columns(p))
    return d
end

function Dataset:class_name(i) return M.text(M.C.ba_dataset_class(M.ptr(self, Dataset), M.whole(i, "class"))) or tostring(i) end

-- Sample i (from 0): { rows, columns, channels, label, box, pixels (bytes, or the numbers of a spectrogram) }.
function Dataset:read(i)
    local s = M.new("ba_sample")
    M.call("ba_dataset_read", M.ptr(self, Dataset), M.whole(i, "sample"), s)
    local box = s.box[2] > s.box[0] and { s.box[0], s.box[1], s.box[2], s.box[3] } or nil
    local sound, rows, columns = self.channels == 1, M.number(s.rows), M.number(s.columns)
    local pixels = M.new(sound and "float[?]" or "uint8_t[?]", rows * columns * self.channels) -- the sample's own is lent until the next call
    M.copy(pixels, sound and s.values or s.pixels, M.sizeof(pixels))
    return { rows = rows, columns = columns, channels = self.channels, label = M.number(s.label), box = box, pixels = pixels }
end

-- Decoded pictures stay in memory when the whole set fits into so many bytes.
function Dataset:keep(bytes) M.call("ba_dataset_keep", M.ptr(self, Dataset), M.whole(bytes, "bytes")) end

-- Reads n samples from `first` on: marks[k] (bytes) becomes 1 where one cannot be read. Returns how many cannot.
function Dataset:judge(first, n, threads, marks)
    return M.number(M.call("ba_dataset_judge", M.ptr(self, Dataset), M.whole(first, "sample"), M.whole(n, "samples"), threads, marks))
end

-- Leaves samples out, a list of ascending numbers; once, before there are loaders.
function Dataset:leave_out(list)
    local numbers = M.new("int64_t[?]", math.max(#list, 1))
    for k, i in ipairs(list) do numbers[k - 1] = M.whole(i, "sample") end
    M.call("ba_dataset_leave_out", M.ptr(self, Dataset), #list, numbers)
    self.count = M.number(M.C.ba_dataset_count(M.ptr(self, Dataset)))
end

function Dataset:free() M.free(self) end

local policies = { none = 0, crop = 1, pad = 2, evaluate = 3 }

-- Fills a ba_augment that holds the defaults.
local function set_augment(out, a)
    out.policy = policies[a.policy] or errors.fail("augmentation %s; none, crop, pad or evaluate expected", errors.show(a.policy))
    out.image = M.whole(a.image, "image")
    out.interpolation = a.interpolation == "bilinear" and 1 or 0
    for _, name in ipairs { "pad", "scale_low", "scale_high", "ratio_low", "ratio_high", "flip", "crop", "operations", "magnitude", "spread",
        "jitter", "brightness", "contrast", "saturation", "hue", "grey", "blur", "solarize", "frequency_mask", "time_mask" } do
        if a[name] then out[name] = a[name] end
    end
    out.three, out.once = a.three and 1 or 0, a.once and 1 or 0
end

-- Room for one picture, and the ba_augment that says how it is shown.
local function one_picture(a)
    local o = M.new("ba_loader_options")
    M.C.ba_loader_defaults(o)
    set_augment(o.augment, a)
    return M.new("uint8_t[?]", a.image * a.image * 3), M.new("ba_augment", o.augment)
end

-- A JPEG or PNG file as raw pixels [image, image, 3]. a: { policy = "none" or "evaluate", image, crop, interpolation }.
function bind.picture(path, upright, a)
    local rgb, how = one_picture(a)
    M.call("ba_picture_load", M.string(path, "picture"), upright and 1 or 0, how, rgb)
    return rgb
end

-- Sample i in the same way.
function Dataset:show(i, a)
    local rgb, how = one_picture(a)
    M.call("ba_dataset_show", M.ptr(self, Dataset), M.whole(i, "sample"), how, rgb)
    return rgb
end

local sum

-- SHA-256 of a sample's size and pixels, and its label.
function Dataset:hash(i)
    sum = sum or M.new("char[65]")
    local label = M.call("ba_dataset_hash", M.ptr(self, Dataset), i, sum)
    return M.text(sum), label
end

-- options: batch, seed, threads, ahead, subset, shuffle, drop_last, replace (samples that cannot be read), and augment = { policy, image, ... }.
function bind.loader(dataset, options)
    local o = M.new("ba_loader_options")
    M.C.ba_loader_defaults(o)
    for _, name in ipairs { "batch", "ahead", "threads", "subset", "repeats", "view" } do
        if options[name] then o[name] = M.whole(options[name], name) end
    end
    o.seed = M.seed(options.seed or 0)
    o.bad = options.replace and 1 or 0
    o.shuffle, o.drop_last = options.shuffle and 1 or 0, options.drop_last and 1 or 0
    set_augment(o.augment, options.augment or { policy = "none" })
    local p = M.call("ba_loader_new", M.ptr(dataset, Dataset, "loader"), o)
    return M.own(Loader, p, { dataset }, { out = M.new("const ba_batch *[1]"), batches = M.number(M.C.ba_loader_batches(p)),
        channels = dataset.channels })
end

function Loader:start(epoch, batch) M.call("ba_loader_start", M.ptr(self, Loader), epoch, batch or 0) end

-- The next batch { count, images (bytes, or numbers where channels are 1), labels, boxes, samples, wanted (raw, lent until the next call), replaced }, or
-- nil at the end of the epoch.
function Loader:next()
    if M.call("ba_loader_next", M.ptr(self, Loader), self.out) == 0 then return nil end
    local b = self.out[0]
    return { count = M.number(b.count), rows = M.number(b.rows), columns = M.number(b.columns), channels = self.channels,
        images = self.channels == 1 and b.values or b.images,
        labels = b.labels, boxes = b.boxes, samples = b.samples, wanted = b.wanted, replaced = M.number(b.replaced), number = M.number(b.number) }
end

function Loader:speed(seconds)
    M.err.code = 0
    local v = M.C.ba_loader_speed(M.ptr(self, Loader), seconds, M.err)
    if v <= 0 and M.err.code ~= 0 then M.raise() end
    return v
end

function Loader:free() M.free(self) end

-- ---- packed data sets ----

local codings = { raw = 0, jpeg = 1, same = 2 }

-- how: coding (raw, jpeg, same), quality, rows, columns, bilinear, threads. Nothing is there under this path before finish().
function bind.packer(path, how)
    local h = M.new("ba_pack_how", { size = M.sizeof("ba_pack_how"), coding = codings[how.coding], quality = how.quality or 0, interpolation = how.bilinear and 1 or 0,
        threads = how.threads or 0, rows = how.rows or 0, columns = how.columns or 0 })
    return M.own(Packer, M.call("ba_packer_new", M.string(path, "path"), h), {}, {})
end

-- The data set whose pictures come next; name: train or test.
function Packer:split(set, name)
    M.call("ba_packer_split", M.ptr(self, Packer), M.ptr(set, Dataset, "split"), name)
    self.set = set -- lives as long as it is read
end

function Packer:add(first, n) M.call("ba_packer_add", M.ptr(self, Packer), M.whole(first, "first"), M.whole(n, "pictures")) end

-- Returns the bytes of the file.
function Packer:finish()
    local bytes = M.number(M.call("ba_packer_end", M.ptr(self, Packer)))
    self:free()
    return bytes
end

function Packer:free() M.free(self) end

return bind
