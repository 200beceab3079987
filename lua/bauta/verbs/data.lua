-- verb data: looking after data sets.
local errors = require "bauta.errors"

local verb = {
    name = "data", usage = "check PATH|DATA [options]", least = 2, most = 2,
    doc = "read every picture of a data set (a folder, a tar, or as images:path=FOLDER, cifar:path=FOLDER, scenes): which are broken, " ..
        "there twice, in train and in test; how many there are of each class",
    options = {
        { name = "list", value = "FILE", doc = "write the checksums of all pictures" },
        { name = "compare", value = "FILE", doc = "hold the pictures against such a list: what has changed without looking broken" },
        { name = "strict", doc = "test pictures that are training pictures, too, count as an error" },
    },
}

function verb.run(given)
    if given[1] ~= "check" then
        errors.raise("arg", errors.unknown("action " .. errors.show(given[1]), given[1], { "check" }), "command line")
    end
    return require("bauta.seeing.data").check(given[2], given)
end

return verb
