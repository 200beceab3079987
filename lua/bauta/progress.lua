-- progress: a bar on a terminal, one line per interval in a log. Both say img/s, loss and the time left.
local ffi = require "bauta.ffi"

local progress = {}
progress.__index = progress

function progress.duration(seconds)
    seconds = math.floor(seconds + 0.5)
    if seconds < 60 then return ("%d s"):format(seconds) end
    if seconds < 3600 then return ("%d:%02d min"):format(math.floor(seconds / 60), seconds % 60) end
    return ("%d:%02d h"):format(math.floor(seconds / 3600), math.floor(seconds / 60) % 60)
end

-- options: total steps, epochs, interval (seconds between lines of a log), label.
function progress.new(options)
    local p = setmetatable(options, progress)
    p.terminal = ffi.is_terminal()
    p.begun, p.done, p.images, p.shown, p.seconds = ffi.clock(), 0, 0, -1e9, 0
    p.interval = p.interval or 30
    return p
end

-- A step is over: n images in `seconds`.
function progress:step(done, epoch, n, seconds, loss)
    self.done, self.epoch = done, epoch
    self.images, self.seconds = self.images + n, self.seconds + seconds
    self.average = self.average and 0.95 * self.average + 0.05 * loss or loss
    local now = ffi.clock()
    if now - self.shown < (self.terminal and 0.2 or self.interval) then return end
    if self.shown < 0 and not self.terminal then
        self.shown = now
        return
    end
    self.shown = now
    self:show()
end

function progress:rate() return self.seconds > 0 and self.images / self.seconds or 0 end

function progress:left()
    local steps = self.done - (self.from or 0)
    return steps > 0 and (ffi.clock() - self.begun) / steps * (self.total - self.done) or 0
end

function progress:show()
    local text = ("epoch %d/%d  step %d/%d  %.0f img/s  loss %.4f  %s left"):format(self.epoch + 1, self.epochs, self.done,
        self.total,
        self:rate(), self.average or 0, progress.duration(self:left()))
    if not self.terminal then
        io.stdout:write(("%s: %s\n"):format(self.label, text))
        io.stdout:flush()
        return
    end
    local width, full = 24, math.floor(24 * self.done / self.total)
    io.stdout:write(("\r%s [%s%s] %s\27[K"):format(self.label, ("#"):rep(full), ("."):rep(width - full), text))
    io.stdout:flush()
end

-- A line of its own, above the bar.
function progress:say(text)
    io.stdout:write(self.terminal and "\r\27[K" or "", text, "\n")
    io.stdout:flush()
end

function progress:finish()
    if self.terminal then io.stdout:write("\r\27[K") end
end

return progress
