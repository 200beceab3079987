-- watch: functions of a script in the hands of Bauta: how long they may take, and whose mistake it is when one fails.
--
-- Whatever a script hands over to be called (score of a criterion, cell of a grid, after_epoch, the script itself) is called through here. One that
-- describes is stopped after --script-timeout seconds of the processor, not of the wall: on a busy machine a script that is merely kept waiting is not
-- at fault.
local errors = require "bauta.errors"
local session = require "bauta.session"

local watch = {}
local interval = 100000 -- instructions between two looks at the clock
local memory = "not enough memory"
local open = {} -- functions at work that have a limit, the outermost first: { text, where, begun, seconds }

local late = false -- the limit is over, and every instruction is looked at

local function look(event, line)
    if event == "line" then
        errors.follow(line)
        return
    end
    local running = late and debug.getinfo(2, "S")
    if running and errors.is_home(running.source) then return end -- what ends it must not be stopped
    local now = os.clock()
    for i = #open, 1, -1 do
        local one = open[i]
        if now - one.begun > one.seconds then
            late = true -- a script that catches the error meets it again at its next instruction
            debug.sethook(look, "", 1)
            errors.raise("arg", one.text, one.where or errors.latest)
        end
    end
end

local function arm()
    late = false
    if #open > 0 then debug.sethook(look, "l", interval) else debug.sethook() end
end

-- The name of a function of Lua's library, as a script writes it.
local function library_name(f)
    for _, module in ipairs { "_G", "math", "string", "table", "os", "io", "bit" } do
        for name, one in pairs(package.loaded[module] or {}) do
            if one == f then return (module == "_G" and "" or module .. ".") .. name end
        end
    end
end

local guarded

-- Whether a function of ours stands between the mistake and the script's function that was called. above: frames of the handler.
local function in_ours(above)
    local found = false
    for level = above + 1, above + 100 do -- deeper is a recursion without end: the script's, or ours is among the first
        local info = debug.getinfo(level, "Sf")
        if not info or info.func == guarded then return found end
        found = info.func ~= look and (found or (info.what ~= "C" and errors.is_home(info.source))) -- a hook is called by nobody
    end
    return found
end

-- The handler: what was raised as one of our errors. A function of the library that a script calls last stands directly below us, and Lua then
-- knows no line, or takes ours.
local function judged(e, f)
    debug.sethook()
    if e == memory then return e end
    local wrapped
    if type(e) == "string" and not in_ours(3) then
        local raised = debug.getinfo(3, "f")
        local text = e:gsub("^(bad argument #%d+ to )'%?'", function(front)
            local name = raised and library_name(raised.func)
            return name and front .. "'" .. name .. "'"
        end)
        wrapped = errors.of_script(text, f, errors.latest)
    else wrapped = errors.wrap(e) end
    wrapped.trace = wrapped.trace or debug.traceback("", 3)
    return wrapped
end

-- Where not even the handler had memory, or stack: the error is still a text.
local function failed_without(text, latest, one, f)
    if text == memory then
        collectgarbage()
        errors.raise("arg", "not enough memory (script limit 1024 MiB)", latest or one and one.where)
    end
    error(errors.of_script(text, f, latest), 0)
end

-- Calls f(...); one: its entry in `open`, nil: it may take any time. Returns its first result, or raises what went wrong as one of our errors.
function guarded(one, f, ...)
    local before, place = errors.latest, #open + 1
    errors.latest = nil
    open[place] = one
    if one and place == 1 then arm() end
    local ok, result = xpcall(f, function(e)
        local wrapped = judged(e, f)
        return wrapped
    end, ...)
    local last = errors.latest
    errors.latest = before
    open[place] = nil
    if not ok or (one and place == 1) then arm() end
    if ok then return result end
    if type(result) == "string" then failed_without(result, last, one, f) end
    error(result, 0)
end
errors.boundary = guarded -- nobody further up has called what is beyond it

local function limited(text, where, seconds, f, ...)
    local option = session.options.script_timeout and " (--script-timeout)" or "" -- not every verb has it
    local one = seconds > 0 and { text = text:format(("still running after %g s of processor time%s"):format(seconds, option)), where = where,
        begun = os.clock(), seconds = seconds } or nil
    local result = guarded(one, f, ...)
    return result
end

-- Runs the chunk of a script, which messages call by its path.
function watch.script(path, chunk, seconds)
    local result = limited("%s", path, seconds, chunk)
    return result
end

-- Calls a function of a script that describes something. what: how messages call it, "criterion mine: score".
function watch.call(what, f, ...)
    local result = limited((what:gsub("%%", "%%%%")) .. ": %s", nil, session.options.script_timeout or 60, f, ...)
    return result
end

-- Calls a function of a script that may take any time.
function watch.freely(f, ...)
    local result = guarded(nil, f, ...)
    return result
end

return watch
