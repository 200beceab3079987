-- grid: many experiments over named axes, as a script describes them: bauta.grid { name, axes, cell, ... }. What a cell is on
-- the disk is decided by its settings alone (grid/identity.lua), so cells run in any order and any number of times.
local check = require "bauta.check"
local disk = require "bauta.grid.disk"
local errors = require "bauta.errors"
local experiment = require "bauta.experiment"
local identity = require "bauta.grid.identity"
local session = require "bauta.session"
local watch = require "bauta.watch"

local grid = {}
local Grid = { class = "grid" }
Grid.__index = Grid

local function any(name, doc, more)
    local row = { name = name, type = "any", doc = doc, optional = true }
    for k, v in pairs(more or {}) do row[k] = v end
    return row
end

local rows = {
    any("name", "the grid's folder below --out", { accept = experiment.name_judge, what = "a name", optional = false }),
    any("folder", "where its runs lie, when several grids share them; default: the name", { accept = experiment.name_judge,
        what = "a name" }),
    any("axes", "named lists of values: { criterion = { ... }, seed = { 0, 1, 2 } }", { optional = false }),
    any("order", "names of the axes, the slowest first; default: by name, the one averaged over last"),
    { name = "over", type = "string", default = "seed", doc = "the axis that the report averages over" },
    { name = "cell", type = "function", doc = "called with the values of a cell by axis; returns an experiment" },
    { name = "skip", type = "function", optional = true, doc = "called with them; true: there is no such cell" },
    { name = "shared", type = "list of experiment", default = {}, doc = "runs whose weights cells take; those that " ..
        "cells name as weights are found anyway" },
    { name = "images", type = "int", optional = true, min = 1, max = 2 ^ 53, doc = "training images of an epoch, for the " ..
        "plan where the data cannot be opened" },
    any("report", "what the report shows besides the table of all cells: title, text, tables, curves, papers"),
}

-- ---- axes ----

-- A value as a part of a folder's name.
local function label_of(axis, value)
    local text = (type(value) == "number" and errors.show(value) or tostring(value)):gsub("[^A-Za-z0-9._-]+", "-"):gsub("^[.-]+", "")
    if type(value) == "string" and text:find "[A-Za-z]" then return text end
    return (axis == "seed" and "s" or axis) .. text
end

local plain = { number = true, string = true, boolean = true }

local function judge_axis(name, values, lines)
    if type(name) ~= "string" or not name:find "^[a-z][a-z0-9_]*$" then
        lines[#lines + 1] = ("grid.axes: the name %s; lower-case letters, digits and _ expected"):format(errors.show(name))
        return
    end
    if type(values) ~= "table" or check.class_of(values) then
        lines[#lines + 1] = ("grid.axes.%s is %s; expected a list of values"):format(name, errors.show(values))
        return
    end
    if #values == 0 then lines[#lines + 1] = ("grid is empty: axis '%s' has no values"):format(name) end
    local seen = {}
    for i, v in ipairs(values) do
        if not plain[type(v)] then
            lines[#lines + 1] = ("grid.axes.%s[%d] is %s; expected a number, a text or true/false"):format(name, i, errors.show(v))
            return
        end
        local label = label_of(name, v)
        if seen[label] ~= nil then
            lines[#lines + 1] = ("grid.axes.%s: %s and %s would have one folder name, %s"):format(name, errors.show(seen[label]),
                errors.show(v), label)
        end
        seen[label] = v
    end
end

local function order_of(s, lines)
    local names = {}
    for name in pairs(s.axes) do names[#names + 1] = name end
    table.sort(names, function(a, b)
        if (a == s.over) ~= (b == s.over) then return b == s.over end
        return tostring(a) < tostring(b)
    end)
    if not s.order then return names end
    local known = {}
    for _, name in ipairs(type(s.order) == "table" and s.order or {}) do known[name] = (known[name] or 0) + 1 end
    for _, name in ipairs(names) do
        if known[name] ~= 1 then lines[#lines + 1] = ("grid.order: axis %s is named %d times; once expected"):format(name,
            known[name] or 0) end
        known[name] = nil
    end
    local extra = next(known)
    if extra then lines[#lines + 1] = ("grid.order: %s"):format(errors.unknown("axis", tostring(extra), names)) end
    return s.order
end

-- ---- cells ----

local function values_table(names, list)
    local values = {}
    for i, name in ipairs(names) do values[name] = list[i] end
    return setmetatable({}, { __index = function(_, k)
        if values[k] ~= nil then return values[k] end
        errors.fail("cell.%s: %s", tostring(k), errors.unknown("axis", tostring(k), { unpack(names) }))
    end, __newindex = function(_, k) errors.fail("cell.%s: a cell's values are read only", tostring(k)) end }), values
end

-- Calls f with every combination, the last axis the fastest.
local function combinations(names, axes, f)
    local place = {}
    for i = 1, #names do place[i] = 1 end
    repeat
        local list = {}
        for i, name in ipairs(names) do list[i] = axes[name][place[i]] end
        f(list)
        local i = #names
        while i > 0 do
            place[i] = place[i] + 1
            if place[i] <= #axes[names[i]] then break end
            place[i], i = 1, i - 1
        end
    until i == 0
end

local function new_cell(self, list)
    local given, values = values_table(self.names, list)
    if self.skip and watch.call("grid.skip", self.skip, given) then return end
    local parts = {}
    for i, name in ipairs(self.names) do parts[i] = label_of(name, list[i]) end
    local label = table.concat(parts, "_")
    experiment.default_name = label
    local ok, e = pcall(watch.call, "grid.cell", self.cell, given)
    experiment.default_name = nil
    if not ok then
        for i, line in ipairs(e.lines) do e.lines[i] = ("%s (cell %s)"):format(line, label) end
        error(e, 0)
    end
    if check.class_of(e) ~= "experiment" then
        errors.fail("grid.cell returned %s for the cell %s; expected bauta.train { ... } or bauta.distill { ... }", errors.show(e),
            label)
    end
    self.cells[#self.cells + 1] = { label = label, values = values, run = e }
end

local function expand(self)
    local n, most = 1, session.options.max_cells or 100000
    for _, name in ipairs(self.names) do n = n * #self.axes[name] end
    if n > most then errors.fail("grid has %s cells; limit %s (--max-cells)", errors.show(n), errors.show(most)) end
    self.cells = {}
    combinations(self.names, self.axes, function(list) new_cell(self, list) end)
    if #self.cells == 0 then errors.fail "grid is empty: skip leaves no cell" end
end

-- ---- what has to be run ----

-- A run of the grid, once for equal settings: { id, label, run, needs = { task }, shared, cells }.
local function task_of(self, e, label, shared)
    local id = identity.of(e)
    local known = self.by_id[id]
    if known then
        e.folder = known.run.folder
        return known
    end
    local task = { id = id, label = label, run = e, needs = {}, shared = shared, cells = {} }
    self.by_id[id] = task
    for i, need in ipairs(e:weights_runs()) do task.needs[i] = task_of(self, need.run, need.run.settings.name, true) end
    e.folder = self.folder .. "/" .. (self.there[id:sub(1, 12)] or ("%s-%s"):format(label, id:sub(1, 12)))
    self.tasks[#self.tasks + 1] = task
    task.number = #self.tasks
    return task
end

-- Shared runs first, then the cells in their order.
local function resolve(self)
    self.tasks, self.by_id, self.twins = {}, {}, {}
    self.folder = self.folder or self.name
    self.there = disk.by_digest(session.out() .. "/" .. self.folder)
    for _, e in ipairs(self.shared) do task_of(self, e, e.settings.name, true) end
    for _, cell in ipairs(self.cells) do
        for _, need in ipairs(cell.run:weights_runs()) do task_of(self, need.run, need.run.settings.name, true) end
    end
    for i, cell in ipairs(self.cells) do
        local task = task_of(self, cell.run, cell.label, false)
        if task.cells[1] then self.twins[#self.twins + 1] = { task.cells[1].label, cell.label } end
        table.insert(task.cells, cell)
        cell.task, cell.index = task, i
    end
end

function grid.new(given)
    local s = check.settings(rows, given, "grid")
    local lines = {}
    if type(s.axes) ~= "table" or next(s.axes) == nil then
        errors.fail("grid.axes is %s; expected named lists of values", type(s.axes) == "table" and "empty" or errors.show(s.axes))
    end
    for name, values in pairs(s.axes) do judge_axis(name, values, lines) end
    local names = order_of(s, lines)
    if #lines > 0 then
        table.sort(lines)
        errors.raise("arg", lines)
    end
    s.names, s.where = names, errors.position()
    local self = setmetatable(s, Grid)
    expand(self)
    resolve(self)
    self.report = require("bauta.grid.wanted").checked(self, s.report)
    return self
end

-- Whether an axis tells groups of cells apart: all but the one averaged over.
function Grid:grouping()
    local out = {}
    for _, name in ipairs(self.names) do
        if name ~= self.over then out[#out + 1] = name end
    end
    return out
end

-- Cells that differ in the averaged axis only: list of { label, values, cells }, in the grid's order.
function Grid:groups()
    local out, index, names = {}, {}, self:grouping()
    for _, cell in ipairs(self.cells) do
        local parts = {}
        for i, name in ipairs(names) do parts[i] = label_of(name, cell.values[name]) end
        local label = #parts > 0 and table.concat(parts, "_") or "all"
        if not index[label] then
            index[label] = { label = label, values = cell.values, cells = {} }
            out[#out + 1] = index[label]
        end
        table.insert(index[label].cells, cell)
    end
    return out
end

return grid
