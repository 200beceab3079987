-- statistics: mean and deviation over seeds, and how sure a difference of two means is.
local statistics = {}

local function numbers(list)
    local out = {}
    for _, v in ipairs(list) do
        if v == v then out[#out + 1] = v end
    end
    return out
end

-- { n, mean, deviation }: deviation with n - 1, NaN for less than two; mean NaN for none.
function statistics.of(list)
    local v, sum, squares = numbers(list), 0, 0
    for _, x in ipairs(v) do sum = sum + x end
    local mean = sum / #v
    for _, x in ipairs(v) do squares = squares + (x - mean) ^ 2 end
    return { n = #v, mean = mean, deviation = #v > 1 and math.sqrt(squares / (#v - 1)) or 0 / 0 }
end

-- Logarithm of the gamma function for x > 0: Stirling's series, after x was raised above 16.
local function log_gamma(x)
    local shift = 0
    while x < 16 do shift, x = shift + math.log(x), x + 1 end
    local y = 1 / (x * x)
    return (x - 0.5) * math.log(x) - x + 0.5 * math.log(2 * math.pi) - shift
        + (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y / 1680))) / x
end

-- The continued fraction of the incomplete beta function, evaluated from the front.
local function fraction(x, a, b)
    local tiny = 1e-300
    local c, d = 1, 1 - (a + b) * x / (a + 1)
    d = 1 / (math.abs(d) < tiny and tiny or d)
    local h = d
    for m = 1, 300 do
        local even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        local odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        local before = h
        for _, term in ipairs { even, odd } do
            d, c = 1 + term * d, 1 + term / c
            d = 1 / (math.abs(d) < tiny and tiny or d)
            c = math.abs(c) < tiny and tiny or c
            h = h * c * d
        end
        if math.abs(h - before) < 1e-15 * math.abs(h) then break end
    end
    return h
end

-- The regularised incomplete beta function I_x(a, b).
function statistics.beta(x, a, b)
    if x <= 0 then return 0 elseif x >= 1 then return 1 end
    local front = math.exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * math.log(x) + b * math.log(1 - x))
    if x < (a + 1) / (a + b + 2) then return front * fraction(x, a, b) / a end
    return 1 - front * fraction(1 - x, b, a) / b
end

-- Two sides of Student's distribution beyond t.
function statistics.tail(t, freedom) return statistics.beta(freedom / (freedom + t * t), freedom / 2, 0.5) end

-- The difference a - b of two groups { n, mean, deviation }: gap, pooled (what the seeds alone make), error (of the gap), p (Welch's
-- test, two-sided), exceeds (whether the gap is larger than the pooled deviation). NaN and nil where a group has one seed only.
function statistics.difference(a, b)
    local out = { gap = a.mean - b.mean, pooled = 0 / 0, error = 0 / 0, p = 0 / 0 }
    if a.n < 2 or b.n < 2 then return out end
    local va, vb = a.deviation ^ 2 / a.n, b.deviation ^ 2 / b.n
    out.pooled = math.sqrt(((a.n - 1) * a.deviation ^ 2 + (b.n - 1) * b.deviation ^ 2) / (a.n + b.n - 2))
    out.error = math.sqrt(va + vb)
    out.exceeds = math.abs(out.gap) > out.pooled
    if out.error > 0 then
        local freedom = (va + vb) ^ 2 / (va ^ 2 / (a.n - 1) + vb ^ 2 / (b.n - 1))
        out.p = statistics.tail(out.gap / out.error, freedom)
    else out.p = out.gap == 0 and 1 or 0 end
    return out
end

return statistics
