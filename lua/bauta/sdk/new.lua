-- sdk/new: bauta plugin new: writes a complete plugin that lives outside of Bauta's tree, from the templates that lie beside our Lua files.
-- The templates are plugins themselves, called "example"; only the name is changed.
local errors = require "bauta.errors"
local session = require "bauta.session"

local new = {}

new.kinds = { "mask", "loss", "arch", "data", "reducer" }

local use = {
    mask = 'mask = bauta.mask "example" { keep = 0.5 }',
    loss = 'losses = { bauta.loss "cross-entropy" {}, bauta.loss "example" { weight = 1 } }',
    arch = 'student = bauta.arch "example" { dim = 64, depth = 3, heads = 2, image = 32, patch = 4, classes = data.classes }',
    data = 'data = bauta.data "example" {}',
    reducer = 'reducer = bauta.reducer "example" {}',
}

local function judge(kind, name)
    local known = false
    for _, k in ipairs(new.kinds) do known = known or k == kind end
    if not known then
        errors.raise("arg", errors.unknown("kind " .. errors.show(kind), kind, { unpack(new.kinds) }), "command line")
    end
    if not name:find "^[a-z][a-z0-9_-]*$" or #name > 64 then
        errors.raise("arg", ("plugin name %s; a letter a-z, then at most 63 of [a-z0-9_-] expected"):format(errors.show(name)),
            "command line")
    end
    for _, p in ipairs(require("bauta.bind.plugin").scan()) do
        if p.kind == kind and p.name == name then
            errors.raise("arg", ("there is a %s %s already (%s); another name expected"):format(kind, name, p.path), "command line")
        end
    end
end

local function template(path)
    local text, why = session.read(session.places.lua .. "/bauta/templates/" .. path)
    if not text then errors.raise("machine", why .. "; is Bauta installed whole?", "templates/" .. path) end
    return text
end

-- The compiler's call, from the plugin's folder. headers: an -I, or what finds it.
local function cc_line(name, headers)
    return ("cc -std=gnu11 -O2 -Wall -fPIC -shared -fvisibility=hidden %s %s.c -o %s.so"):format(headers, name, name)
end

-- "example" becomes the name; where it is part of a C identifier, with "_" for "-".
local function named(text, kind, name)
    text = text:gsub("KIND", kind):gsub("USE", (use[kind]:gsub("%%", "%%%%"))):gsub("CC_LINE",
        cc_line("example", "$(bauta plugin cflags)"))
    return (text:gsub("example(_?)", function(tail) return tail == "_" and name:gsub("-", "_") .. "_" or name end))
end

local function write(path, text)
    if session.exists(path) then errors.raise("arg", "is there already; nothing was overwritten", path) end
    local f, why = io.open(path, "wb")
    if not f then errors.raise("machine", (why:gsub("^.-: ", "")), path) end
    local ok = f:write(text)
    if not f:close() or not ok then errors.raise("machine", "cannot be written", path) end
end

local function make_folders(path)
    local ffi = require "bauta.ffi"
    for at in path:gmatch "()/" do
        if at > 1 then ffi.make_folder(path:sub(1, at - 1)) end
    end
    ffi.make_folder(path)
end

function new.run(kind, name, folder)
    judge(kind, name)
    folder = folder or name
    local files = { [name .. ".c"] = kind .. "/example.c", ["test.lua"] = kind .. "/test.lua", ["meson.build"] = "meson.build",
        ["README.md"] = "README.md" }
    local texts = {}
    for file, from in pairs(files) do texts[file] = named(template(from), kind, name) end
    for file in pairs(files) do
        if session.exists(folder .. "/" .. file) then
            errors.raise("arg", "is there already; nothing was written", folder .. "/" .. file)
        end
    end
    make_folders(folder)
    for _, file in ipairs { name .. ".c", "test.lua", "meson.build", "README.md" } do
        write(folder .. "/" .. file, texts[file])
        io.stdout:write("wrote ", folder, "/", file, "\n")
    end
    io.stdout:write(("\nbuild and judge it:\n  cd %s\n  %s\n  %s plugin check %s.so\n"):format(folder,
        cc_line(name, "-I" .. session.places.headers), session.places.program, name))
    return 0
end

return new
