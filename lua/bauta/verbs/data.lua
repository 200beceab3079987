-- verb data: looking after data sets, and packing them.
local errors = require "bauta.errors"

local verb = {
    name = "data", usage = "check DATA | pack DATA FILE [options]", least = 2, most = 3,
    doc = "check: read every picture or clip of a data set (a folder, a tar, or as images:path=FOLDER, cifar:path=FOLDER, sound:path=FOLDER, scenes): which are broken, " ..
        "there twice, in train and in test; how many there are of each class. pack: write them into one file, which serves as --data",
    options = {
        { name = "list", value = "FILE", doc = "write the checksums of all" },
        { name = "compare", value = "FILE", doc = "hold them against such a list: what has changed without looking broken" },
        { name = "strict", doc = "what is in both splits counts as an error" },
        { name = "size", value = "72|64x48", doc = "pack: the shorter side, or width x height, in pixels; otherwise sizes stay" },
        { name = "quality", value = "raw|same|N", default = "raw", doc = "pack: pixels, the source's own files untouched, or JPEG of quality N" },
        { name = "splits", value = "NAME", default = "both", doc = "pack: both, train or test" },
        { name = "bilinear", doc = "pack: resize bilinear; otherwise bicubic" },
        { name = "threads", value = "N", kind = "int", min = 0, max = 64, default = 0, doc = "pack: threads that decode and encode; 0: one per processor" },
    },
}

function verb.run(given)
    local data = require "bauta.seeing.data"
    local action, wanted = given[1], given[1] == "pack" and 3 or 2
    if action ~= "check" and action ~= "pack" then
        errors.raise("arg", errors.unknown("action " .. errors.show(action), action, { "check", "pack" }), "command line")
    end
    if #given ~= wanted then errors.raise("arg", ("data %s: %s expected"):format(action, wanted == 3 and "DATA and FILE" or "DATA alone"), "command line") end
    if action == "check" then return data.check(given[2], given) end
    return require("bauta.packing").pack(data.described(given[2], "data pack"), given[3], given)
end

return verb
