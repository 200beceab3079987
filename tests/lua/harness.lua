-- harness: what the Lua tests share. check() counts and says what went wrong; raises() compares the whole message of an error.
local errors = require "bauta.errors"

io.stdout:setvbuf "line"
local harness = { passed = 0, failed = 0, skipped = 0 }

function harness.check(ok, fmt, ...)
    if ok then
        harness.passed = harness.passed + 1
        return true
    end
    harness.failed = harness.failed + 1
    local info = debug.getinfo(2, "Sl")
    print(("not ok: %s:%d: %s"):format(info.short_src, info.currentline, select("#", ...) > 0 and fmt:format(...)
        or tostring(fmt)))
    return false
end

function harness.equal(got, want, what)
    if got == want then
        harness.passed = harness.passed + 1
        return
    end
    harness.failed = harness.failed + 1
    local info = debug.getinfo(2, "Sl")
    print(("not ok: %s:%d: %s\n     got: %s\n  wanted: %s"):format(info.short_src, info.currentline, what or "", tostring(got),
        tostring(want)))
end

function harness.near(got, want, tolerance, what)
    harness.check(math.abs(got - want) <= tolerance, "%s: %.9g, wanted %.9g", what or "", got, want)
end

-- f must raise exactly this text (without the position); code: the error's code, "arg" when left out.
function harness.raises(want, f, code)
    local ok, e = pcall(f)
    local text = ok and "(no error)" or errors.is(e) and table.concat(e.lines, "\n") or "(raw) " .. tostring(e)
    local good = not ok and errors.is(e) and text == want and e.code == (code or "arg")
    if good then
        harness.passed = harness.passed + 1
        return
    end
    harness.failed = harness.failed + 1
    local info = debug.getinfo(2, "Sl")
    print(("not ok: %s:%d: [%s]\n     got: %s\n  wanted: %s"):format(info.short_src, info.currentline,
        errors.is(e) and e.code or "-", text, want))
end

-- f must raise one of our errors, whatever it says: one that has a sentence, and no traceback of our own files in it.
function harness.refused(f, what)
    local ok, e = pcall(f)
    local good = not ok and errors.is(e) and e.code ~= "bug" and #e.lines > 0 and e.lines[1] ~= ""
    harness.passed = harness.passed + (good and 1 or 0)
    if not good then
        harness.failed = harness.failed + 1
        local info = debug.getinfo(2, "Sl")
        print(("not ok: %s:%d: %s was not refused in one sentence: %s"):format(info.short_src, info.currentline, what or "",
            ok and "no error" or tostring(e)))
    end
end

function harness.group(name) print(("%s - %s (%d checks so far)"):format(harness.failed > 0 and "not ok" or "ok", name,
    harness.passed + harness.failed)) end

function harness.skip(what, why)
    harness.skipped = harness.skipped + 1
    print(("skip - %s: %s"):format(what, why))
end

-- A test that forgets done() would pass whatever it found: the program ends with 1 then.
local guard = newproxy(true)
getmetatable(guard).__gc = function()
    if harness.closed then return end
    io.stderr:write "not ok: the test ended without harness.done()\n"
    os.exit(1)
end
harness.guard = guard

function harness.done()
    harness.closed = true
    print(("%d passed, %d failed, %d skipped"):format(harness.passed, harness.failed, harness.skipped))
    return (harness.failed > 0 or harness.passed == 0) and 1 or 0
end

return harness
