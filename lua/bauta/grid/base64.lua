-- base64: bytes as text, for pictures inside a page.
local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local digit = {}
for i = 1, 64 do digit[i - 1] = letters:sub(i, i) end

local function three(a, b, c)
    local v = a * 65536 + b * 256 + c
    return digit[math.floor(v / 262144)] .. digit[math.floor(v / 4096) % 64] .. digit[math.floor(v / 64) % 64] .. digit[v % 64]
end

return function(bytes)
    local out, n = {}, #bytes
    for i = 1, n - 2, 3 do out[#out + 1] = three(bytes:byte(i, i + 2)) end
    if n % 3 == 1 then out[#out + 1] = three(bytes:byte(n), 0, 0):sub(1, 2) .. "=="
    elseif n % 3 == 2 then out[#out + 1] = three(bytes:byte(n - 1), bytes:byte(n), 0):sub(1, 3) .. "=" end
    return table.concat(out)
end
