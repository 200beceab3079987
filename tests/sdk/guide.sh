#!/bin/sh
# guide: docs/writing-a-mask.md followed to the letter, with shorter runs: its script is written down, its commands are run, one after the other.
# usage: guide.sh SOURCE-ROOT BAUTA
set -u
source=$1 bauta=$(realpath "$2")
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
passed=0 failed=0
unset BAUTA_PLUGIN_PATH
mkdir "$here/bin" "$here/work"
# The guide's `bauta`, with runs of seconds.
cat >"$here/bin/bauta" <<END
#!/bin/sh
case \$1 in
grid) exec "$bauta" "\$@" --set train=100 --set test=100 --set epochs=1 --set probe=16 ;;
bench) exec "$bauta" "\$@" --image 32 --patch 8 --batch 2 --steps 2 --rough ;;
*) exec "$bauta" "\$@" ;;
esac
END
chmod +x "$here/bin/bauta"
PATH=$here/bin:$PATH
cd "$here/work" || exit 1

ok() {
    if [ "$2" = 0 ]; then passed=$((passed + 1)); echo "ok - $1"; return; fi
    failed=$((failed + 1))
    echo "not ok - $1"
    tail -n 20 "$here/out"
}

# A block whose first line is the name of a file is that file.
mkdir -p criteria/mask
awk '/^```lua$/ { on = 1; file = "compare.lua"; next } /^```$/ { on = 0 } on && /^-- [a-z\/]+\.lua$/ { file = $2 } on { print >file }' "$source/docs/writing-a-mask.md"
awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' "$source/docs/writing-a-mask.md" >commands
ok "the guide has a script and commands" "$(test "$(wc -l <compare.lua)" -gt 40 && test "$(wc -l <commands)" -gt 10; echo $?)"
while read -r line <&3; do
    case $line in
    "cd "*) eval "$line" ;; # stays in force
    *) sh -c "$line" >"$here/out" 2>&1 ;;
    esac
    ok "$line" $?
    case $line in
    *grid\ report*criteria=random,central,edge*)
        sed -n '/^Results$/,/^Differences/p' "$here/out" | awk '$1 == "central" || $1 == "edge" { print $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 }' >"$here/two"
        ok "the criterion in C and the one in Lua give the same runs" "$(test "$(wc -l <"$here/two")" = 2 && test "$(uniq "$here/two" | wc -l)" = 1; echo $?)"
        ;;
    esac
done 3<commands
test -f runs/compare/central_s0-*/report/teacher-view.png
ok "the picture it speaks of" $?
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
