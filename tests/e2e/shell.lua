-- shell: running the program under test from a test: status, what it wrote, files it left.
local shell = { program = arg[1] or error("usage: bauta lua TEST PROGRAM"), folder = os.tmpname() }

os.remove(shell.folder)
os.execute("mkdir -p '" .. shell.folder .. "'")
shell.here = arg[0]:match("^(.*)/[^/]*$") or "."

function shell.read(path)
    local f = io.open(path, "rb")
    if not f then return nil end
    local text = f:read "*a"
    f:close()
    return text
end

function shell.write(path, text)
    local f = assert(io.open(path, "wb"))
    f:write(text)
    f:close()
end

-- Exit status, standard output and standard error of a shell command.
function shell.sh(command)
    local out, err = shell.folder .. "/out.txt", shell.folder .. "/err.txt"
    local status = os.execute(("( %s ) >'%s' 2>'%s' </dev/null"):format(command, out, err))
    return math.floor(status / 256), shell.read(out), shell.read(err)
end

-- The same of the program with arguments as in a shell.
function shell.bauta(arguments) return shell.sh(("'%s' %s"):format(shell.program, arguments)) end

local function signalled(arguments, file, delay, signal)
    local mark = shell.folder .. "/mark"
    local wait = ("until [ '%s/%s' -nt '%s' ] || ! kill -0 $p 2>/dev/null; do sleep 0.02; done"):format(shell.folder, file, mark)
    return (shell.sh(("touch '%s'; '%s' %s & p=$!; %s; sleep %s; kill -%s $p 2>/dev/null; wait $p"):format(mark, shell.program,
        arguments, wait, delay, signal)))
end

-- Starts the program, waits until `file` of the folder is newer than the start, then `delay` seconds, and sends the signal.
-- Returns the program's status, 0 where it had ended before. However slow the machine is, the signal comes when the program is where the test
-- wants it; where the shell had to wait for its turn it may come too late, so the run is begun again, unless the arguments say how it begins.
function shell.interrupted(arguments, file, delay, signal)
    local begins = arguments:find("--resume", 1, true) or arguments:find("--restart", 1, true)
    local status = signalled(arguments, file, delay, signal)
    for _ = 2, begins and 1 or 5 do
        if status ~= 0 then break end
        status = signalled(arguments .. " --restart", file, delay, signal)
    end
    return status
end

function shell.tiny(more, out)
    return ("run '%s/tiny.lua' --out '%s/%s' %s"):format(shell.here, shell.folder, out or "runs", more or "")
end

function shell.same(a, b)
    local x, y = shell.read(shell.folder .. "/" .. a), shell.read(shell.folder .. "/" .. b)
    return x ~= nil and x == y
end

function shell.clean() os.execute("rm -rf '" .. shell.folder .. "'") end

return shell
