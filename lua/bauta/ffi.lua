-- ffi: the only file that requires LuaJIT's ffi. It declares what the library says is in it, and offers what the files in
-- lua/bauta/bind need: checked calls, conversions, and classes of objects that hold one pointer each.
--
-- Nobody outside of bind/ ever holds a pointer: an object is a Lua table; every call checks its class and that it lives.
local ffi = require "ffi"
local errors = require "bauta.errors"

local M = { cast = ffi.cast, new = ffi.new, sizeof = ffi.sizeof, copy = ffi.copy, fill = ffi.fill }

-- ---- declarations ----

-- They come from the library itself, which was built with them: no header is read, and what C and Lua know of a struct cannot differ.
function M.load()
    ffi.cdef "const char *ba_declarations(void);"
    local here, say = pcall(function() return ffi.C.ba_declarations end)
    if not here then errors.raise("machine", "the library is older than the Lua files; is Bauta installed whole?") end
    local ok, why = pcall(ffi.cdef, ffi.string(say()))
    if not ok then errors.raise("bug", "the declarations of the library: " .. why) end
    M.C = ffi.C
    M.err = ffi.new("ba_err")
end

-- ---- the machine ----

ffi.cdef [[
typedef struct bauta_timespec { long seconds, nanoseconds; } bauta_timespec;
int clock_gettime(int clock, bauta_timespec *t);
int isatty(int fd);
int mkdir(const char *path, unsigned mode);
typedef struct bauta_rusage { long time[4]; long maxrss; long other[13]; } bauta_rusage;
int getrusage(int who, bauta_rusage *u);
char *realpath(const char *path, char *out);
int gethostname(char *name, size_t size);
char *getcwd(char *out, size_t size);
typedef struct bauta_dirent { uint64_t ino; int64_t off; uint16_t reclen; uint8_t type; char name[256]; } bauta_dirent;
void *opendir(const char *path);
bauta_dirent *readdir(void *dir);
int closedir(void *dir);
char *strerror(int why);
void *calloc(size_t count, size_t size);
void free(void *block);
]]

-- An array of zeros outside of the collector's memory, whose limit is for what scripts build and not for pictures and features; it ends
-- with the pointer that is returned. The collector does not see its size, so it is run whenever enough of them may have piled up.
local pile, most = 0, 256 * 2 ^ 20

function M.array(of, count)
    local size = ffi.sizeof(of)
    if size * count < 65536 then return ffi.new(of .. "[?]", count) end -- small ones are the collector's
    pile = pile + size * count
    if pile > most then
        collectgarbage()
        pile = size * count
    end
    local p = ffi.C.calloc(math.max(count, 1), size)
    if p == nil then errors.raise("machine", ("no memory for %d numbers of %d bytes each"):format(count, size)) end
    return ffi.gc(ffi.cast(of .. " *", p), ffi.C.free)
end

-- Bytes of an array; nil for a pointer, which does not know how much it points at.
function M.array_bytes(v) return tostring(ffi.typeof(v)):find "%[" and ffi.sizeof(v) or nil end

local now = ffi.new("bauta_timespec")

-- Seconds of the processor that this process has taken, all threads together.
function M.processor_clock()
    ffi.C.clock_gettime(2, now)
    return tonumber(now.seconds) + tonumber(now.nanoseconds) * 1e-9
end

-- Seconds of a clock that never jumps.
function M.clock()
    ffi.C.clock_gettime(1, now)
    return tonumber(now.seconds) + tonumber(now.nanoseconds) * 1e-9
end

M.started = M.clock() -- as near to the program's start as Lua comes

function M.version() return ffi.string(M.C.ba_version()) end
function M.is_terminal() return ffi.C.isatty(1) == 1 end
function M.make_folder(path) ffi.C.mkdir(path, 493) end -- rwxr-xr-x
function M.processors() return tonumber(ffi.C.ba_processors()) end -- that this process may use

-- Lets the largest memory be counted from now on, where the kernel offers that.
function M.peak_reset()
    local f = io.open("/proc/self/clear_refs", "w")
    if not f then return end
    f:write "5"
    f:close()
end

-- Largest memory this process ever had (or had since peak_reset), in bytes.
function M.peak_memory()
    local u = ffi.new("bauta_rusage")
    ffi.C.getrusage(0, u)
    return tonumber(u.maxrss) * 1024
end

-- Memory this process holds now, in bytes; 0 where the system does not say.
function M.resident()
    local f = io.open "/proc/self/status"
    local kib = f and f:read("*a"):match("VmRSS:%s*(%d+)")
    if f then f:close() end
    return (tonumber(kib) or 0) * 1024
end

-- Memory that can still be had, in bytes; nil where the system does not say.
function M.memory_free()
    local f = io.open "/proc/meminfo"
    if not f then return nil end
    local kib = f:read("*a"):match("MemAvailable:%s*(%d+)")
    f:close()
    return kib and tonumber(kib) * 1024
end

-- The folder this process works in.
function M.folder()
    local name = ffi.new("char[4096]")
    return ffi.C.getcwd(name, 4096) ~= nil and ffi.string(name) or "."
end

-- The names in a folder in their order, hidden ones left out; empty when there is no such folder.
function M.names(path)
    local out, dir = {}, ffi.C.opendir(path)
    if dir == nil then
        local why = ffi.errno()
        if why == 2 or why == 20 then return out end -- there is none (ENOENT), or it is a file (ENOTDIR)
        errors.raise("machine", ("cannot look into the folder %s: %s"):format(path, ffi.string(ffi.C.strerror(why))))
    end
    local f = ffi.C.readdir(dir)
    while f ~= nil do
        local name = ffi.string(f.name)
        if name:sub(1, 1) ~= "." then out[#out + 1] = name end
        f = ffi.C.readdir(dir)
    end
    ffi.C.closedir(dir)
    table.sort(out)
    return out
end

function M.hostname()
    local name = ffi.new("char[256]")
    return ffi.C.gethostname(name, 255) == 0 and ffi.string(name) or "?"
end

-- ---- calls ----

local codes = { [-1] = "arg", [-2] = "data", [-3] = "plugin", [-4] = "machine", [-5] = "resume", [-6] = "busy", [-7] = "numeric",
    [-8] = "bug" }

-- Raises what the library has written about a failed call. where: as in errors.raise.
function M.raise(where)
    local text = ffi.string(M.err.msg)
    local lines = {}
    for line in text:gmatch("[^\n]+") do lines[#lines + 1] = line end
    errors.raise(codes[M.err.code] or "bug", #lines > 0 and lines or { "failed without a word" }, where)
end

-- Calls a fallible function; the error argument is added. Returns its result: a pointer, or a number that is not negative.
local function finish(result, where)
    local kind = type(result)
    if kind == "number" then
        if result < 0 then M.raise(where) end
        return result
    end
    if result == nil then M.raise(where) end
    local n = tonumber(result)
    if n then
        if n < 0 then M.raise(where) end
        return n
    end
    return result
end

function M.call(name, ...)
    M.err.code = 0
    M.err.msg[0] = 0
    local n = select("#", ...)
    local args = { ... }
    args[n + 1] = M.err
    return finish(M.C[name](unpack(args, 1, n + 1)))
end

function M.text(p) return p ~= nil and ffi.string(p) or nil end
function M.bytes(p, n) return ffi.string(p, n) end
function M.number(v) return tonumber(v) end
function M.is_null(p) return p == nil end

-- A whole number for an int64_t.
function M.whole(v, what)
    if type(v) ~= "number" or v ~= math.floor(v) or math.abs(v) > 2 ^ 53 then
        errors.fail("%s = %s; a whole number below 2^53 expected", what, errors.show(v))
    end
    return v
end

-- A seed: a whole number, or decimal digits for all 64 bits.
function M.seed(v)
    if type(v) ~= "string" then return ffi.cast("uint64_t", M.whole(v, "seed")) end
    local out = ffi.new("uint64_t", 0)
    for digit in v:gmatch("%d") do out = out * 10 + tonumber(digit) end
    return out
end

function M.string(v, what)
    if type(v) ~= "string" or v:find("%z") then errors.fail("%s: a text expected, got %s", what, errors.show(v)) end
    return v
end

-- int64_t[n] from a list of whole numbers.
function M.dims(list, what)
    local out = ffi.new("int64_t[?]", math.max(#list, 1))
    for i, v in ipairs(list) do out[i - 1] = M.whole(v, what) end
    return out
end

function M.shape(t) -- ba_type to a list, and the name of its element type
    local out = {}
    for i = 1, t.rank do out[i] = tonumber(t.dim[i - 1]) end
    return out, ({ "f32", "bf16", "i32", "u8" })[t.dtype]
end

M.dtypes = { f32 = 1, bf16 = 2, i32 = 3, u8 = 4 }

-- ba_attr[n] from a table of settings; `keep` holds the texts alive as long as the array is used.
function M.attrs(settings)
    local names = {}
    for k, v in pairs(settings or {}) do
        if type(k) ~= "string" then errors.fail("a setting without a name (key %s); write { name = value }", errors.show(k)) end
        if v ~= nil then names[#names + 1] = k end
    end
    table.sort(names)
    local out, keep = ffi.new("ba_attr[?]", math.max(#names, 1)), { names }
    for i, k in ipairs(names) do
        local v, a = settings[k], out[i - 1]
        if type(v) == "boolean" then v = v and 1 or 0 end
        a.name = k
        if type(v) == "string" then
            a.type, a.value.s = 4, v
            keep[#keep + 1] = v
        elseif type(v) ~= "number" then errors.fail("%s: a number, a text, true or false expected, got %s", k, errors.show(v))
        elseif v == math.floor(v) and math.abs(v) <= 2 ^ 53 and not (v == 0 and 1 / v < 0) then a.type, a.value.i = 2, v
        else a.type, a.value.f = 3, v end
    end
    return #names, out, keep
end

-- The value of a ba_attr, and of a ba_param's union, by type.
function M.attr_value(a)
    if a.type == 4 then return M.text(a.value.s) end
    return a.type == 3 and a.value.f or tonumber(a.value.i)
end

local function limit(v) return math.abs(v) < 9e15 and v or nil end

-- Schema rows of C as rows of bauta.check.
function M.rows(params, n)
    local out = {}
    for i = 0, tonumber(n) - 1 do
        local p = params[i]
        local row = { name = M.text(p.name), doc = M.text(p.doc), unit = M.text(p.unit) }
        if p.type == 1 then row.type, row.default = "bool", p.def.i ~= 0
        elseif p.type == 2 then
            row.type, row.default = "int", tonumber(p.def.i)
            row.min, row.max = limit(tonumber(p.min.i)), limit(tonumber(p.max.i))
        elseif p.type == 3 then row.type, row.default, row.min, row.max = "float", p.def.f, p.min.f, p.max.f
        elseif p.type == 4 then row.type, row.default = "string", M.text(p.def.s) or ""
        else
            row.type, row.choices = "choice", {}
            local c = 0
            while p.choices[c] ~= nil do
                row.choices[c + 1] = M.text(p.choices[c])
                c = c + 1
            end
            row.default = row.choices[tonumber(p.def.i) + 1]
        end
        out[i + 1] = row
    end
    return out
end

-- ---- objects ----

-- Everything alive, by number of creation. The collector and free() only mark; sweep() ends what is marked, newest first, and
-- never what something living was made from, in whatever order the marks came.
local live, born = {}, 0

local function finish_entry(id, entry)
    live[id] = nil
    M.C[entry.free](entry.ptr)
    entry.ptr = nil
    for _, parent in ipairs(entry.parents) do parent.children = parent.children - 1 end
end

local function sweep(all)
    local dead = {}
    for id, entry in pairs(live) do
        if all or entry.dead then dead[#dead + 1] = id end
    end
    table.sort(dead, function(a, b) return a > b end)
    for _, id in ipairs(dead) do
        if all or live[id].children == 0 then finish_entry(id, live[id]) end
    end
end

function M.close_all() sweep(true) end

-- A class: methods in the table returned; `free` is the C function that ends an object.
function M.class(name, free_name)
    local class = { class = name, free_name = free_name }
    class.__index = class
    return class
end

-- Wraps an owned pointer. parents: objects that must outlive it.
function M.own(class, ptr, parents, fields)
    born = born + 1
    if born % 64 == 0 then collectgarbage() end -- the collector does not see how large our objects are
    sweep(false)
    local entry = { ptr = ptr, free = class.free_name, children = 0, parents = {} }
    for i, parent in ipairs(parents or {}) do
        entry.parents[i] = parent.entry
        parent.entry.children = parent.entry.children + 1
    end
    live[born] = entry
    local object = fields or {}
    object.entry = entry
    object.guard = ffi.gc(ffi.new("char[1]"), function() entry.dead = true end)
    return setmetatable(object, class)
end

-- The pointer of an object of a class, after checking both.
function M.ptr(object, class, what)
    local mt = type(object) == "table" and getmetatable(object)
    if mt ~= class then errors.fail("%s: %s expected, got %s", what or class.class, class.class, errors.show(object)) end
    if object.entry.dead then errors.fail("%s: this %s was freed", what or class.class, class.class) end
    return object.entry.ptr
end

-- Ends an object now, or as soon as nothing made from it lives.
function M.free(object)
    object.entry.dead = true
    sweep(false)
end

return M
