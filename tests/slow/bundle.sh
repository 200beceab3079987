#!/bin/bash
# tests/slow/bundle.sh: does a bundle run where nothing is installed? Makes one (./bootstrap bundle) and runs it in a folder that holds the C
# library, a shell, /proc and nothing else, as its root. Needs root; takes as long as a build.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
passed=0 failed=0
check() { # check NAME COMMAND...
    name=$1
    shift
    if "$@" >"$jail/tmp/out" 2>&1; then echo "ok: $name"; passed=$((passed + 1)); else
        echo "FAILED: $name (status $?)"; tail -n 5 "$jail/tmp/out"; failed=$((failed + 1)); fi
}

[ "$(id -u)" = 0 ] || { echo "skipped: needs root"; echo "0 passed, 0 failed, 1 skipped"; exit 77; }
jail=$(mktemp -d)
trap 'umount "$jail/proc" 2>/dev/null; rm -rf --one-file-system "$jail"' EXIT
mkdir -p "$jail/bin" "$jail/lib64" "$jail/lib/x86_64-linux-gnu" "$jail/proc" "$jail/tmp"
check "./bootstrap bundle" "$here/bootstrap" bundle "$jail/opt/bauta"
cp -L /bin/sh "$jail/bin/" # selftest starts its program through it
cp -L /lib64/ld-linux-x86-64.so.2 "$jail/lib64/"
for part in libc.so.6 libm.so.6 libdl.so.2 librt.so.1 libpthread.so.0 libresolv.so.2; do cp -L "/lib/x86_64-linux-gnu/$part" "$jail/lib/x86_64-linux-gnu/"; done
mount -t proc proc "$jail/proc" || { echo "FAILED: no /proc in the jail"; exit 1; }
chroot=$(command -v chroot) || { echo "FAILED: no chroot on the PATH"; exit 1; } # the new environment has none to find it by
inside() { env -i "$chroot" "$jail" /opt/bauta/bin/bauta "$@"; }
check "doctor" inside doctor
check "quickstart, shortened" inside run /opt/bauta/experiments/quickstart.lua --out /tmp/runs --set train=200 --set test=100 --set epochs=1 --set teacher_epochs=1
check "its result is there" test -s "$jail/tmp/runs/quickstart/report.txt"
check "selftest" inside selftest
if [ -f "$jail/opt/bauta/lib/bauta/devices/bauta_cuda.so" ]; then # without a driver: one line, status 5
    inside doctor --device cuda >"$jail/tmp/cuda" 2>&1
    check "the CUDA device is in it and says what it lacks" grep -q "cuda: no d\|cuda: cuBLASLt" "$jail/tmp/cuda"
else
    echo "skipped: built without the CUDA device"
fi
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
