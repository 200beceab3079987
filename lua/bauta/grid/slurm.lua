-- slurm: a grid as one script for sbatch. Given to bash it submits itself: an array job for each layer of shared runs, then one
-- for the cells, each after those before. A task that a signal stopped has saved and ended with status 85: it is requeued.
local bind = require "bauta.bind.run"
local disk = require "bauta.grid.disk"
local errors = require "bauta.errors"
local ffi = require "bauta.ffi"
local session = require "bauta.session"

local slurm = {}

-- A word for a shell.
local function quoted(text)
    if text:find "^[%w_./=:,+-]+$" then return text end
    return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- How many runs must be made one after the other before this one.
local function depth(task, seen)
    if seen[task] then return seen[task] end
    local most = 0
    for _, need in ipairs(task.needs) do most = math.max(most, depth(need, seen) + 1) end
    seen[task] = most
    return most
end

-- Missing runs by layer.
local function layers(tasks, out)
    local found, seen = {}, {}
    for _, task in ipairs(tasks) do
        if not disk.complete(task, out) then
            local n = depth(task, seen) + 1
            found[n] = found[n] or {}
            table.insert(found[n], task)
        end
    end
    local list = {}
    for n = 1, 100 do list[#list + 1] = found[n] end
    return list
end

local template = [=[#!/bin/bash
# The grid @NAME@: @COUNT@ runs that are not complete yet. Written by bauta grid slurm; carry it out with: bash @FILE@
# Every task is one run, in the order of the script; started again, a run goes on where it was, and a complete one ends at once.
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@120
#SBATCH --cpus-per-task=@THREADS@
#SBATCH --output="@LOG@/slurm-%x-%A_%a.txt"
@OPTIONS@
set -u

numbers=(@NUMBERS@)
digests=(@DIGESTS@)
layers=(@LAYERS@) # tasks of each layer; a layer begins when the one before is complete

if [ -z "${SLURM_ARRAY_TASK_ID:-}" ]; then # submit
    first=0 after=()
    for count in "${layers[@]}"; do
        job=$(sbatch --parsable --job-name=@NAME@ --array=$first-$((first + count - 1))@LIMIT@ "${after[@]}" "$0") || exit 1
        echo "$count tasks: job $job"
        after=(--dependency=afterok:${job%%;*} --kill-on-invalid-dep=yes)
        first=$((first + count))
    done
    exit 0
fi

cd @FOLDER@ || exit 5
@PROGRAM@ grid cell @SCRIPT@ "${numbers[$SLURM_ARRAY_TASK_ID]}" --expect "${digests[$SLURM_ARRAY_TASK_ID]}" @WORDS@ --threads "${SLURM_CPUS_PER_TASK:-@THREADS@}" &
run=$!
trap 'kill -TERM $run 2>/dev/null' USR1 TERM # the signal comes to this shell; the run saves and ends with 85
while :; do
    wait $run
    status=$?
    kill -0 $run 2>/dev/null || break # a signal ends wait early while the run still saves
done
wait $run 2>/dev/null
last=$?
[ $last = 127 ] || status=$last # it ended while the signal was being taken
if [ $status = 85 ] || [ $status = 7 ]; then # saved; or another process had the run
    [ $status = 85 ] || sleep 10
    if scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"; then
        sleep 60 # Slurm ends this shell
    fi
fi
exit $status
]=]

local function absolute(path)
    if path:sub(1, 1) == "/" then return path end
    return ffi.folder() .. "/" .. path
end

-- A folder inside the quotes of an option of sbatch, which has marks of its own in names of files.
local function folder_of_logs(path)
    if path:find '[%c"\\]' then
        errors.raise("arg", ("%s cannot be named to sbatch: quotes, backslashes and line ends have a meaning there; another --out expected"):format(
            errors.show(path)), "command line")
    end
    return (path:gsub("%%", "%%%%"))
end

local function words_of(list)
    local out = {}
    for _, word in ipairs(list) do
        if not word:find "^%-%-threads=" then out[#out + 1] = quoted(word) end
    end
    return table.concat(out, " ")
end

local function text_of(grid, list, given, words, file)
    if given.threads == 0 then
        errors.raise("arg", ("grid slurm: --threads N expected: that many processors are asked for each run (this machine, which need not be like the nodes, has %d)"):format(
            ffi.processors()), "command line")
    end
    local numbers, digests, counts, options = {}, {}, {}, {}
    for i, tasks in ipairs(list) do
        counts[i] = tostring(#tasks)
        for _, task in ipairs(tasks) do
            numbers[#numbers + 1], digests[#digests + 1] = tostring(task.number), task.id
        end
    end
    for i, option in ipairs(given.sbatch) do
        if not option:find "^%-%-[%w-]+" or option:find "\n" then
            errors.raise("arg", ("--sbatch %s; an option of sbatch as --time=12:00:00 expected"):format(errors.show(option)), "command line")
        end
        options[i] = "#SBATCH " .. option
    end
    local values = { NAME = grid.name:gsub("/", "-"), COUNT = tostring(#numbers), FILE = quoted((file:gsub("%c", "?"))), NUMBERS = table.concat(numbers, " "),
        DIGESTS = table.concat(digests, " "), LAYERS = table.concat(counts, " "), OPTIONS = table.concat(options, "\n"),
        THREADS = tostring(given.threads), LIMIT = given.jobs > 1 and "%" .. given.jobs or "",
        LOG = folder_of_logs(absolute(("%s/%s/log"):format(given.out, grid.folder))), FOLDER = quoted(ffi.folder()),
        PROGRAM = quoted(session.places.program), SCRIPT = quoted(given[2]), WORDS = words_of(words) }
    return (template:gsub("@(%u+)@", values)), #numbers
end

-- Writes the script; returns the exit status.
function slurm.write(grid, tasks, given, words)
    local file = given.to or ("%s/%s/slurm.sh"):format(given.out, grid.name)
    local list = layers(tasks, given.out)
    if #list == 0 then
        io.stdout:write(("%s: every run is complete; no script is needed\n"):format(grid.name))
        return 0
    end
    local text, n = text_of(grid, list, given, words, file)
    bind.put(file, text)
    io.stdout:write(("%s: %d tasks in %d layers; submit them with: bash %s\n"):format(file, n, #list, quoted(file)))
    return 0
end

return slurm
