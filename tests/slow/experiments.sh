#!/bin/bash
# tests/slow/experiments.sh PROGRAM: every experiment of experiments/maskedkd runs at the scale smoke, writes its report, and has a plan at
# the scale of the papers. One folder for all, so that a cell which several of them have is made once.
set -u
program=$1
here=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
passed=0 failed=0

check() { # check NAME STATUS FILE: the file is shown when it failed
    if [ "$2" = 0 ]; then echo "ok: $1"; passed=$((passed + 1)); else
        echo "FAILED: $1 (status $2)"
        tail -n 5 "$3"
        failed=$((failed + 1))
    fi
}

for script in "$here"/experiments/maskedkd/*.lua; do
    name=$(basename "$script" .lua)
    grep -q '^return lab:grid' "$script" || continue
    "$program" grid run "$script" --scale smoke --out "$folder" --jobs 2 >"$folder/log" 2>&1
    check "$name: run" $? "$folder/log"
    "$program" grid report "$script" --scale smoke --out "$folder" >"$folder/log" 2>&1 &&
        grep -q '</html>' "$folder/maskedkd/smoke/$name/report/index.html" && ! grep -q 'cells are complete.*failed' "$folder/log"
    check "$name: report" $? "$folder/log"
    "$program" grid plan "$script" --scale paper --rate 1000 --script-timeout 600 >"$folder/log" 2>&1 && grep -q 'MACs in all' "$folder/log"
    check "$name: plan at the scale of the paper" $? "$folder/log"
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ] && [ "$passed" -ge 42 ]
