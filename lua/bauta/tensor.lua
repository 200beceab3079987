-- tensor: arithmetic and methods on the tensors of a graph. Every operation of the registry is a method:
-- x:mean{axis = 1}, x:softmax(), scores:gather_rows(kept). Nothing is computed here; nodes are added to the graph.
local bind = require "bauta.bind.graph"
local errors = require "bauta.errors"

local Tensor = bind.Tensor
local own = {}

local function is_tensor(v) return type(v) == "table" and getmetatable(v) == Tensor end

-- A method call x:NAME(y, ..., {settings}): the last argument may be a table of settings.
local function method(name)
    return function(self, ...)
        local inputs, settings = { self }, nil
        for i = 1, select("#", ...) do
            local v = select(i, ...)
            if is_tensor(v) then inputs[#inputs + 1] = v
            elseif type(v) == "number" then inputs[#inputs + 1] = self.graph:constant(v)
            elseif type(v) == "table" and i == select("#", ...) and not getmetatable(v) then settings = v
            elseif v == nil or v == false then inputs[#inputs + 1] = false
            else errors.fail("%s: a tensor, a number or a table of settings expected, got %s", name, errors.show(v)) end
        end
        return self.graph:op(name, inputs, settings)
    end
end

local cache = {}

function Tensor.__index(_, name)
    if own[name] then return own[name] end
    if cache[name] then return cache[name] end
    local _, by_name = bind.operations()
    if type(name) ~= "string" or not by_name[name] then
        local names = {}
        for n in pairs(by_name) do names[#names + 1] = n end
        for n in pairs(own) do names[#names + 1] = n end
        local near = errors.nearest(tostring(name), names)
        errors.fail("tensor: no operation %s%s (bauta ops lists them)", errors.show(name),
            near and "; did you mean " .. near .. "?" or "")
    end
    cache[name] = method(name)
    return cache[name]
end

function own.shape(self) return (bind.type(self)) end
function own.dtype(self) return select(2, bind.type(self)) end
function own.size(self, axis)
    local shape = bind.type(self)
    return shape[axis < 0 and #shape + 1 + axis or axis + 1] or errors.fail("size: axis %s of a tensor of rank %d",
        errors.show(axis), #shape)
end
function own.output(self, i) return bind.output(self, i) end

function Tensor.__tostring(t)
    local shape, dtype = bind.type(t)
    return ("%s %s[%s]"):format(bind.made_by(t), dtype, table.concat(shape, ","))
end

-- Binary arithmetic; a number on either side becomes part of the node (`scale`) where that is possible.
local function both(name, a, b)
    local g = (is_tensor(a) and a or b).graph
    if type(a) == "number" then a = g:constant(a) elseif type(b) == "number" then b = g:constant(b) end
    local other = a
    if is_tensor(a) then other = b end
    if not is_tensor(other) then errors.fail("%s: a tensor and %s cannot be combined", name, errors.show(other)) end
    return g:op(name, { a, b })
end

local function affine(t, by, plus) return t.graph:op("scale", { t }, { by = by, plus = plus }) end

function Tensor.__add(a, b)
    if type(a) == "number" then return affine(b, 1, a) elseif type(b) == "number" then return affine(a, 1, b) end
    return both("add", a, b)
end

function Tensor.__sub(a, b)
    if type(a) == "number" then return affine(b, -1, a) elseif type(b) == "number" then return affine(a, 1, -b) end
    return both("sub", a, b)
end

function Tensor.__mul(a, b)
    if type(a) == "number" then return affine(b, a, 0) elseif type(b) == "number" then return affine(a, b, 0) end
    return both("mul", a, b)
end

function Tensor.__div(a, b)
    if type(b) == "number" and b ~= 0 then return affine(a, 1 / b, 0) end
    return both("div", a, b)
end

function Tensor.__unm(a) return affine(a, -1, 0) end

return Tensor
