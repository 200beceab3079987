-- session: what one invocation of the program shares: where it was started from, its options, the device.
local bind = require "bauta.bind.graph"
local errors = require "bauta.errors"

local session = { options = {}, places = {} }
local device

-- "auto": the GPU where there is one; which was taken, and why not the other, is said.
local function choose(o)
    local ok, found = pcall(bind.device, "cuda", 0, "auto")
    local d = ok and found or bind.device("cpu", o.threads or 0, o.tier or "auto")
    local why = not ok and (errors.is(found) and found.lines[1] or tostring(found))
    io.stderr:write(("bauta: device %s%s\n"):format(d:describe(), why and " (" .. why .. ")" or ""))
    return d
end

-- The device the command line names; opened once.
function session.device()
    if not device then
        local o = session.options
        device = o.device == "auto" and choose(o) or bind.device(o.device or "cpu", o.threads or 0, o.tier or "auto")
    end
    return device
end

-- The folder of runs.
function session.out() return session.options.out or "runs" end

-- Reads a whole file, or nil and why.
function session.read(path)
    local f, why = io.open(path, "rb")
    if not f then return nil, (why:gsub("^.-: ", "")) end
    local text, problem = f:read("*a")
    f:close()
    if not text then return nil, (tostring(problem):gsub("^.-: ", "")) end
    return text
end

-- The end of a file, at most so many bytes: of its last whole lines where it has more. Empty when it cannot be read.
function session.tail(path, bytes)
    local f = io.open(path, "rb")
    if not f then return "" end
    local size = f:seek "end" or 0
    f:seek("set", math.max(0, size - bytes))
    local text = f:read "*a" or ""
    f:close()
    return size > bytes and text:gsub("^[^\n]*\n", "", 1) or text
end

function session.exists(path)
    local f = io.open(path, "rb")
    if f then f:close() end
    return f ~= nil
end

function session.fail(code, where, fmt, ...) errors.raise(code, fmt:format(...), where) end

-- The precision a device computes in when `wanted` is asked for, and, where it has no fast one of that kind, a line that says so.
function session.precision(wanted, device)
    if wanted == "fp32" or device:has(wanted) then return wanted end
    return "fp32", ("this device has no fast %s; fp32 is used"):format(wanted)
end

-- The same where there is no run that could say it: on standard error.
function session.said_precision(wanted, device)
    local precision, why = session.precision(wanted, device)
    if why then io.stderr:write("bauta: ", why, "\n") end
    return precision
end

return session
