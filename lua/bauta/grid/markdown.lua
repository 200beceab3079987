-- markdown: a report's sections as Markdown; charts and pictures are files beside it.
local function cell(text) return (text:gsub("|", "\\|"):gsub("\n", " ")) end

local function table_of(t)
    local head, rule, out = {}, {}, {}
    for i, name in ipairs(t.head) do
        head[i] = cell(name)
        local number = t.rows[1] and t.rows[1][i]:find "^[%d.+-]"
        rule[i] = number and "---:" or "---"
    end
    out[1] = "| " .. table.concat(head, " | ") .. " |"
    out[2] = "| " .. table.concat(rule, " | ") .. " |"
    for _, row in ipairs(t.rows) do
        local cells = {}
        for i, text in ipairs(row) do cells[i] = cell(text) end
        out[#out + 1] = "| " .. table.concat(cells, " | ") .. " |"
    end
    return table.concat(out, "\n") .. "\n"
end

-- list: of grid/sections.lua; files[i]: what belongs to section i, { { name, caption } }; foot: a line at the end.
return function(list, files, foot)
    local out = {}
    for i, s in ipairs(list) do
        out[#out + 1] = (i == 1 and "# " or "## ") .. s.title .. "\n"
        for _, note in ipairs(s.notes or {}) do out[#out + 1] = note .. "\n" end
        if s.table then out[#out + 1] = table_of(s.table) end
        for _, f in ipairs(files[i] or {}) do out[#out + 1] = ("![%s](%s)\n"):format(f.caption, f.name) end
    end
    out[#out + 1] = foot
    return table.concat(out, "\n") .. "\n"
end
