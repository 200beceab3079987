#!/bin/bash
# tests/slow/page.sh PROGRAM: the page of a grid's report in headless Chromium at two widths: it is drawn, nothing sticks out sideways,
# charts and pictures are there, and no other file was asked for. --keep FOLDER keeps the screenshots for a person to look at.
set -u
program=$1 keep=${3:-}
here=$(cd "$(dirname "$0")" && pwd)
passed=0 failed=0
check() { # check NAME STATUS
    if [ "$2" = 0 ]; then echo "ok: $1"; passed=$((passed + 1)); else echo "FAILED: $1 (status $2)"; failed=$((failed + 1)); fi
}
browser=
for name in chromium chromium-browser google-chrome; do command -v $name >/dev/null && browser=${browser:-$name}; done
[ -n "$browser" ] || { echo "skipped: needs chromium"; echo "0 passed, 0 failed, 1 skipped"; exit 77; }
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT

look() { timeout 120 "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$folder/profile" "$@" 2>/dev/null; }

"$program" grid run "$here/../e2e/grid_tiny.lua" --out "$folder/runs" --set epochs=6 >/dev/null
check "a grid" $?
"$program" grid report "$here/../e2e/grid_tiny.lua" --out "$folder/runs" --set epochs=6
check "its report" $?
page=$folder/runs/tiny/report/index.html
# The page itself has no script; the judge is put behind a copy of it and writes what it sees into the document.
judge='<script>addEventListener("load",()=>{const d=document,w=d.documentElement;const out=[...d.querySelectorAll("svg,img,table,p,h1,h2")].filter(e=>!e.closest(".wide")&&e.getBoundingClientRect().right>innerWidth+1).length;
w.setAttribute("data-seen",`wide=${w.scrollWidth>innerWidth} out=${out} charts=${[...d.querySelectorAll("svg")].filter(e=>e.getBoundingClientRect().height>100).length} pictures=${[...d.images].filter(i=>i.naturalWidth>100).length} asked=${performance.getEntriesByType("resource").filter(r=>!r.name.startsWith("data:")).length}`)})</script>'
{ cat "$page"; echo "$judge"; } >"$folder/judged.html"
for width in 1200 500; do
    look --window-size=$width,2400 --screenshot="$folder/page-$width.png" "file://$page" >/dev/null
    size=$(stat -c %s "$folder/page-$width.png" 2>/dev/null || echo 0)
    [ "$size" -gt 20000 ]
    check "$width pixels: a picture of the page ($size bytes)" $?
    seen=$(look --window-size=$width,2400 --virtual-time-budget=5000 --dump-dom "file://$folder/judged.html" | grep -o 'data-seen="[^"]*"' | head -n 1)
    [ "$seen" = 'data-seen="wide=false out=0 charts=1 pictures=2 asked=0"' ]
    check "$width pixels: $seen" $?
done
[ -z "$keep" ] || cp "$folder"/page-*.png "$keep"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
