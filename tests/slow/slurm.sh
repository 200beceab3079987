#!/bin/bash
# tests/slow/slurm.sh PROGRAM: a grid on a real Slurm: munged, slurmctld and slurmd of this machine alone, with their files in a
# temporary folder. The shared run goes first; one task is stopped by SIGUSR1 and one by SIGTERM, both save, end with 85 and are
# requeued; at the end every run is complete and has the bits of a grid that ran without Slurm.
set -u
program=$(realpath "$1") # the test works in a folder of its own
here=$(cd "$(dirname "$0")" && pwd)
script=$here/../e2e/grid_tiny.lua
passed=0 failed=0

skip() { echo "skipped: $*"; echo "0 passed, 0 failed, 1 skipped"; exit 77; }
check() { # check NAME STATUS
    if [ "$2" = 0 ]; then echo "ok: $1"; passed=$((passed + 1)); else echo "FAILED: $1 (status $2)"; failed=$((failed + 1)); fi
}

[ "$(id -u)" = 0 ] || skip "needs root"
for name in munged slurmctld slurmd sbatch scontrol scancel squeue; do
    command -v $name >/dev/null || skip "needs $name (Debian: slurm-wlm, munge)"
done
getent passwd munge >/dev/null || skip "needs the user munge"

folder=$(mktemp -d) || exit 1
chmod 755 "$folder"
export SLURM_CONF=$folder/slurm.conf
started=()
finish() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null; done
    [ -f "$folder/munge/pid" ] && kill "$(cat "$folder/munge/pid")" 2>/dev/null
    wait
    if [ "$failed" -gt 0 ]; then echo "its files are kept: $folder"; else rm -rf "$folder"; fi
}
trap finish EXIT

# ---- a Slurm of its own ----
node=$(hostname -s)
mkdir -p "$folder"/{munge,state,spool,runs}
dd if=/dev/urandom of="$folder/munge/key" bs=1024 count=1 2>/dev/null
chown -R munge "$folder/munge"
chmod 400 "$folder/munge/key"
cat >"$SLURM_CONF" <<CONF
ClusterName=bauta
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=3
SlurmUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=1,sched_interval=2
KillWait=20
ReturnToService=2
MpiDefault=none
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
setpriv --reuid munge --regid munge --clear-groups munged --socket "$folder/munge/socket" --key-file "$folder/munge/key" \
    --log-file "$folder/munge/log" --pid-file "$folder/munge/pid" --seed-file "$folder/munge/seed" --num-threads 2
check "munged" $?
slurmctld -D >/dev/null 2>&1 &
started+=($!)
slurmd -D -N "$node" >/dev/null 2>&1 &
started+=($!)
for _ in $(seq 100); do
    sinfo -h -o %t 2>/dev/null | grep -q idle && break
    sleep 0.3
done
sinfo -h -o %t 2>/dev/null | grep -q idle
check "slurmctld and slurmd" $?
[ "$failed" = 0 ] || { tail -n 5 "$folder"/*.log; echo "$passed passed, $failed failed, 0 skipped"; exit 1; }

# ---- the grid ----
settings=(--set epochs=400 --set seeds=1 --threads 1)
cd "$folder" || exit 1
"$program" grid slurm "$script" --out "$folder/runs" "${settings[@]}" --sbatch=--time=20 --sbatch=--mem=0
check "grid slurm" $?
bash -n "$folder/runs/tiny/slurm.sh"
check "the script is one for bash" $?
bash "$folder/runs/tiny/slurm.sh"
check "sbatch takes both layers" $?
[ "$(squeue -h -r | wc -l)" -ge 4 ]
check "a task for each run waits" $?
[ "$failed" = 0 ] || { echo "$passed passed, $failed failed, 0 skipped"; exit 1; } # nothing to wait for

states() { "$program" grid status "$script" --out "$folder/runs" "${settings[@]}" --json; }
complete() { states | grep -c '"state": "complete"'; }

# Waits for a running cell of the second job that has logged something, then sends it a signal.
stopped=()
stop_one() { # stop_one SIGNAL
    for _ in $(seq 600); do
        for task in $(squeue -h -t R -r -o %i); do
            case " ${stopped[*]} " in *" $task "*) continue ;; esac
            if [ -n "$(find "$folder/runs" -path '*/checkpoints/last' -newer "$folder/mark" -not -path '*/teacher-*' | head -n 1)" ] &&
                squeue -h -j "$task" -t R | grep -q .; then
                stopped+=("$task")
                scancel --batch --signal="$1" "$task"
                return
            fi
        done
        sleep 0.2
    done
    return 1
}
for _ in $(seq 300); do [ "$(complete)" -ge 1 ] && break; sleep 0.3; done
states | grep '"cell": "teacher"' | grep -q '"state": "complete"'
check "the shared run is complete first" $?
touch "$folder/mark"
stop_one USR1
check "a task gets SIGUSR1" $?
touch "$folder/mark"
stop_one TERM
check "a task gets SIGTERM" $?
for _ in $(seq 600); do [ "$(complete)" = 4 ] && break; sleep 0.5; done
[ "$(complete)" = 4 ]
check "every run is complete" $?
restarts=0
for task in "${stopped[@]}"; do
    scontrol show job "$task" 2>/dev/null | grep -qE 'Restarts=[1-9]' && restarts=$((restarts + 1))
done
[ $restarts = ${#stopped[@]} ]
check "Slurm counts a restart of both (${stopped[*]})" $?
[ "$(grep -l 'going on from' "$folder"/runs/tiny/log/slurm-*.txt | wc -l)" = 2 ]
check "both went on where they were saved" $?

# ---- the same without Slurm ----
"$program" grid run "$script" --out "$folder/calm" "${settings[@]}" >/dev/null
check "the grid without Slurm" $?
same=0
for file in "$folder"/calm/tiny/*/student.safetensors; do
    cmp -s "$file" "$folder/runs/${file#"$folder"/calm/}" && same=$((same + 1))
done
[ $same = 4 ]
check "both have the same weights ($same of 4)" $?
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
