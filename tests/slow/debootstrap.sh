#!/bin/bash
# tests/slow/debootstrap.sh [FOLDER]: does a fresh Debian 12 get from a clone to running in one command?
# Makes a minimal Debian 12 tree in FOLDER (default: a new temporary one), clones this repository's HEAD into it and runs
# `./bootstrap test` and `./bootstrap quickstart` there, each twice: the second run must start its work within 10 s.
# Needs root and the package debootstrap; takes 15 minutes or more. The mirror is the one this machine uses.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
passed=0 failed=0

skip() { echo "skipped: $*"; echo "0 passed, 0 failed, 1 skipped"; exit 77; }
check() { # check NAME STATUS
    if [ "$2" = 0 ]; then echo "ok: $1"; passed=$((passed + 1)); else echo "FAILED: $1 (status $2)"; failed=$((failed + 1)); fi
}

# The first archive of the host's sources that carries Debian 12's main component.
mirror() {
    { awk '/^URIs:/ { print $2 }' /etc/apt/sources.list.d/*.sources
      awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^[a-z]+:\/\//) print $i }' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
    } 2>/dev/null | grep -E '/debian/?$' | head -n 1
}

[ "$(id -u)" = 0 ] || skip "needs root"
command -v debootstrap >/dev/null || skip "needs the package debootstrap"
archive=$(mirror)
[ -n "$archive" ] || skip "this machine's apt sources name no Debian archive"

tree=${1:-$(mktemp -d)}
log=$tree.log
finish() {
    umount "$tree/proc" 2>/dev/null
    [ "$failed" -gt 0 ] && echo "the tree is kept: $tree, its log is $log"
    [ "$failed" -gt 0 ] || rm -rf --one-file-system "$tree" "$log"
}
trap finish EXIT

echo "making a minimal Debian 12 in $tree"
debootstrap --variant=minbase --include=ca-certificates,git bookworm "$tree" "$archive" >"$log" 2>&1
check "debootstrap" $?
[ "$failed" = 0 ] || { tail -n 20 "$log"; echo "$passed passed, $failed failed, 0 skipped"; exit 1; }

cp /etc/resolv.conf /etc/hosts "$tree/etc/" 2>/dev/null
mount -t proc proc "$tree/proc" 2>/dev/null || echo "note: no /proc inside the tree"
git clone -q "$here" "$tree/root/bauta"
check "clone" $?

inside() { # inside WORDS...: in the clone, with a clean environment but this machine's proxy
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 ${http_proxy:+http_proxy="$http_proxy"} \
        ${https_proxy:+https_proxy="$https_proxy"} chroot "$tree" sh -c "cd /root/bauta && $*" </dev/null
}

# Seconds from the start of a bootstrap to the first line of the work itself.
seconds_to_work() { # seconds_to_work VERB
    start=$(date +%s)
    last=
    while IFS= read -r line; do
        last=$line
        printf '%s\n' "$line" >>"$log"
        case $line in "bootstrap: running"*) echo $(($(date +%s) - start)) >"$log.start" ;; esac
    done < <(inside "./bootstrap $1" 2>&1; echo "status $?")
    [ "$last" = "status 0" ]
}

for verb in test quickstart; do
    for turn in first second; do
        rm -f "$log.start"
        seconds_to_work "$verb"
        check "./bootstrap $verb, $turn run" $?
        took=$(cat "$log.start" 2>/dev/null || echo never)
        echo "   its work began after $took s"
        if [ "$turn" = second ]; then
            [ "$took" != never ] && [ "$took" -lt 10 ]
            check "./bootstrap $verb starts within 10 s when nothing is to do" $?
        fi
    done
done
rm -f "$log.start"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
