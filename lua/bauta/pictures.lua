-- pictures: batches of pictures for a run, and what is said about kept patches: how many lie on the object, contact sheets.
local augmentation = require "bauta.augmentation"
local bad = require "bauta.bad"
local bind = require "bauta.bind.data"
local errors = require "bauta.errors"
local ffi = require "bauta.ffi"
local runs = require "bauta.bind.run"

local pictures = {}

-- Raises where a model cannot see the samples of a split as they are: spectrograms have the size that they have.
local function fit(e, set, arch)
    if set.channels == 1 and (set.rows ~= arch.image_rows or set.columns ~= arch.image_columns) then
        errors.raise("data", ("data %s gives spectrograms of %d rows and %d columns, %s sees %d and %d; equal sizes expected (bins and frames)"):format(
            e.settings.data.name, set.rows, set.columns, arch.name, arch.image_rows, arch.image_columns), e.where)
    end
    if set.channels == 3 and arch.image_rows ~= arch.image_columns then
        errors.raise("data", ("data %s gives square pictures, %s sees %d rows and %d columns; equal sides expected"):format(e.settings.data.name, arch.name,
            arch.image_rows, arch.image_columns), e.where)
    end
    return set
end

-- Raises where so many training samples do not make a batch.
function pictures.enough(e, count)
    local s = e.settings
    if s.batch > count then
        errors.raise("arg", ("batch %d > %d samples of data %s: that would be 0 steps"):format(s.batch, count, s.data.name), e.where)
    end
end

-- Raises what can be known of data and model before a run begins: that they fit, and that there is a batch.
function pictures.judge(e)
    local s = e.settings
    local train = fit(e, s.data:split "train", s.student)
    if train.classes ~= s.student.classes and not (s.views and train.classes < s.student.classes) then
        errors.raise("data", ("data %s has %d classes, the student %d; equal counts expected"):format(s.data.name, train.classes,
            s.student.classes), e.where)
    end
    pictures.enough(e, train.count)
end

-- Loaders of an experiment: train (shuffled, last short batch left out) and test (in order).
function pictures.loaders(e, threads)
    local s = e.settings
    pictures.judge(e)
    local train, test = bad.train(e, threads), s.data:split("test")
    pictures.enough(e, train.count)
    local image = s.student.image_rows
    local how = { batch = s.batch, seed = s.seed, shuffle = true, drop_last = true, threads = threads, ahead = 4,
        repeats = s.data.settings.repeats, replace = bad.replaces(e) }
    how.augment = augmentation.of(s.data.settings, image, true)
    return s.views and s.views:loader(train, how, image) or bind.loader(train, how),
        bind.loader(test, { batch = math.min(s.batch, test.count), seed = s.seed, threads = threads, ahead = 4,
            augment = augmentation.of(s.data.settings, image, false) })
end

-- A loader of the probe: at most n test pictures, evenly spaced over the split, as evaluation shows them. Returns it and their number.
function pictures.probe_loader(e, threads, n, batch)
    local s = e.settings
    local test = fit(e, s.data:split("test"), s.student)
    return bind.loader(test, { batch = batch, seed = s.seed, threads = threads, ahead = 2, subset = n,
        augment = augmentation.of(s.data.settings, s.student.image_rows, false) }), math.min(n, test.count)
end

-- A loader of a split in order, as evaluation shows it to a model; limit: at most so many pictures, evenly spaced (0: all). Returns it and
-- their number.
function pictures.plain_loader(e, split, arch, limit, batch, threads)
    local s = e.settings
    local train = split == "train"
    local set = fit(e, train and bad.train(e, threads) or s.data:split(split), arch)
    local count = limit and limit > 0 and math.min(limit, set.count) or set.count
    return bind.loader(set, { batch = math.min(batch, count), seed = s.seed, threads = threads or 0, ahead = 4, subset = count,
        replace = train and bad.replaces(e), augment = augmentation.of(s.data.settings, arch.image_rows, false) }), count
end

-- What a linear probe trains on, cut and mirrored as its protocol says, and is judged by. Returns both loaders and the sizes of their batches.
function pictures.probe_loaders(e, batch, threads, crop)
    local s = e.settings
    local train, test = fit(e, bad.train(e, threads), s.student), s.data:split("test")
    local image, size = s.student.image_rows, { math.min(batch, train.count), math.min(batch, test.count) }
    return bind.loader(train, { batch = size[1], seed = s.seed, shuffle = true, drop_last = true, threads = threads or 0, ahead = 4,
            replace = bad.replaces(e), augment = augmentation.of_probe(s.data.settings, image, crop) }),
        bind.loader(test, { batch = size[2], seed = s.seed, threads = threads or 0, ahead = 4,
            augment = augmentation.of(s.data.settings, image, false) }), size[1], size[2]
end

-- Bytes of a sample of so many rows, columns and channels.
function pictures.bytes(rows, columns, channels) return rows * columns * (channels == 1 and 4 or 3) end

-- A batch that may be short, filled up with black pictures (or spectrograms of zeros) of class 0; returns raw images and labels of `size` pictures.
function pictures.filled(batch, size, room)
    if batch.count == size then return batch.images, batch.labels end
    local bytes = pictures.bytes(batch.rows, batch.columns, batch.channels)
    if not room.images then room.images, room.labels = ffi.array("uint8_t", size * bytes), ffi.array("int32_t", size) end
    ffi.fill(room.images, size * bytes)
    ffi.fill(room.labels, size * 4)
    ffi.copy(room.images, batch.images, batch.count * bytes)
    ffi.copy(room.labels, batch.labels, batch.count * 4)
    return room.images, room.labels
end

-- ---- kept patches and the object ----

local stats = {}
stats.__index = stats

-- Counts over pictures: whom: the model whose patches they are; seen: the one that pictures are loaded for, in whose pixels boxes are. A masked
-- model of another size sees the same picture, resized.
function pictures.object_statistics(whom, seen)
    return setmetatable({ rows = whom.grid_rows, columns = whom.grid_columns, height = seen.image_rows / whom.grid_rows,
        width = seen.image_columns / whom.grid_columns, kept = 0, hit = 0, all = 0, on = 0, pictures = 0 }, stats)
end

-- boxes: raw float [B,4]; kept: raw i32 [B,k].
function stats:add(boxes, kept, count, k)
    local columns = self.columns
    for b = 0, count - 1 do
        local x0, y0, x1, y1 = boxes[4 * b], boxes[4 * b + 1], boxes[4 * b + 2], boxes[4 * b + 3]
        if x1 > x0 then
            local on, hit = {}, 0
            for r = 0, self.rows - 1 do
                local y = (r + 0.5) * self.height
                for c = 0, columns - 1 do
                    local x = (c + 0.5) * self.width
                    if x >= x0 and x < x1 and y >= y0 and y < y1 then
                        on[r * columns + c] = true
                        self.on = self.on + 1
                    end
                end
            end
            for i = b * k, b * k + k - 1 do
                if on[kept[i]] then hit = hit + 1 end
            end
            self.hit, self.kept, self.all = self.hit + hit, self.kept + k, self.all + self.rows * columns
            self.pictures = self.pictures + 1
        end
    end
end

-- Percent of the kept patches, and of all patches, whose centre lies on the object; and of those on the object how many are kept.
function stats:shares()
    if self.kept == 0 then return 0 / 0, 0 / 0, 0 / 0 end
    return 100 * self.hit / self.kept, 100 * self.on / self.all, self.on > 0 and 100 * self.hit / self.on or 0 / 0
end

-- ---- what the teacher was shown ----

-- Spectrograms as grey pictures, from -16 (silence; black) to 4: raw bytes. Low frequencies are above.
local function as_pictures(values, n)
    local out = ffi.array("uint8_t", 3 * n)
    for i = 0, n - 1 do
        local grey = math.floor(math.min(math.max((values[i] + 16) * 255 / 20, 0), 255))
        out[3 * i], out[3 * i + 1], out[3 * i + 2] = grey, grey, grey
    end
    return out
end

-- The widest sheet, and the room of a picture on it; wider ones are drawn as they are.
local widest, room = 30000, { rows = 96, columns = 960 }

-- Draws pictures above what is left of them, fewer than n if they are too wide for one sheet. images, kept: raw, as the batch of the model
-- `arch`, of whose patches `whom` is shown k; name: function of the label.
function pictures.overlay(path, title, images, arch, labels, kept, k, whom, n, name)
    local rows, columns = arch.image_rows, arch.image_columns
    local scale = math.max(1, math.floor(math.min(room.rows / rows, room.columns / columns)))
    n = math.max(1, math.min(n, math.floor(widest / (columns * scale + 16))))
    local sheet = runs.sheet(n, 2, columns * scale, rows * scale, true, title)
    if arch.channels == 1 then images = as_pictures(ffi.cast("const float *", images), n * rows * columns) end
    for i = 0, n - 1 do
        local pixels, list = images + i * rows * columns * 3, {}
        for j = 0, k - 1 do list[j + 1] = kept[i * k + j] end
        sheet:picture(i, 0, pixels, columns, rows, scale)
        sheet:caption(i, 0, name(labels[i]))
        sheet:picture(i, 1, pixels, columns, rows, scale)
        sheet:mask(i, 1, whom.grid_rows, whom.grid_columns, list)
        sheet:caption(i, 1, ("%d of %d"):format(k, whom.patches))
    end
    sheet:write(path)
    sheet:free()
end

-- Draws by f(...); a drawing that cannot be made is an event of the run, and not its end.
function pictures.attempt(run, f, ...)
    local ok, why = pcall(f, ...)
    if not ok then run:event("not_drawn", errors.text(errors.wrap(why)):gsub("%s+", " "):sub(1, 900)) end
end

return pictures
