#!/bin/sh
# sdk: a new plugin of every kind, written, built with the one line that is printed and judged good; built with meson against an installed
# Bauta; bad ones judged bad. subprojects/example-plugin is what `bauta plugin new mask example` writes.
# usage: sdk.sh SOURCE-ROOT BUILD BAUTA MESON
set -u
source=$1 build=$2 bauta=$(realpath "$3") meson=$4
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
passed=0 failed=0 skipped=0
unset BAUTA_PLUGIN_PATH
cd "$here" || exit 1

ok() { # ok WHAT COMMAND...
    what=$1
    shift
    if "$@" >"$here/out" 2>&1; then passed=$((passed + 1)); echo "ok - $what"; return 0; fi
    failed=$((failed + 1))
    echo "not ok - $what"
    tail -n 25 "$here/out"
    return 1
}

says() { # says WHAT STATUS TEXT COMMAND...: this exit status, and a line with this text
    what=$1 want=$2 text=$3
    shift 3
    "$@" >"$here/out" 2>&1
    status=$?
    if [ "$status" = "$want" ] && grep -q -e "$text" "$here/out"; then passed=$((passed + 1)); echo "ok - $what"; return; fi
    failed=$((failed + 1))
    echo "not ok - $what: status $status, wanted $want and: $text"
    tail -n 25 "$here/out"
}

compile() { grep '^  cc ' "$1" | sed 's/^  cc /cc -Wextra -Werror /' >"$here/line" && (cd "$2" && sh "$here/line"); }

# ---- new ones ----
for kind in $(ls "$source/lua/bauta/templates" | grep -v '\.'); do
    ok "plugin new $kind" "$bauta" plugin new "$kind" "my-$kind-2"
    cp "$here/out" "$here/$kind.txt"
    ok "$kind: built with the line that was printed" compile "$here/$kind.txt" "my-$kind-2"
    ok "$kind: exports ba_plugin alone" test "$(nm -D --defined-only "my-$kind-2/my-$kind-2.so" | awk '{ print $3 }')" = ba_plugin
    ok "$kind: wants nothing of libbauta" sh -c 'test -f "$1" && ! nm -D --undefined-only "$1" | grep -q " ba[i]*_"' sh "my-$kind-2/my-$kind-2.so"
    says "$kind: judged good" 0 ' 0 failed' "$bauta" plugin check "my-$kind-2/my-$kind-2.so"
    ok "$kind: its own test" "$bauta" lua --plugins "my-$kind-2" "my-$kind-2/test.lua"
    says "$kind: found by BAUTA_PLUGIN_PATH" 0 "my-$kind-2" env BAUTA_PLUGIN_PATH="$here/my-$kind-2" "$bauta" plugins "$kind" "my-$kind-2"
done
ok "the example plugin" "$bauta" plugin new mask example --dir example-plugin
ok "is the one in subprojects" diff -r example-plugin "$source/subprojects/example-plugin"

# ---- outside, with meson and an installed Bauta ----
"$meson" install -C "$build" --no-rebuild --quiet --destdir "$here/stage" >/dev/null 2>&1
prefix=$(find "$here/stage" -path '*/bin/bauta')
prefix=${prefix%/bin/bauta}
pc=$(find "$prefix" -name bauta-plugin.pc)
sed -i "s|^prefix=.*|prefix=$prefix|" "$pc"
outside() (
    unset LD_LIBRARY_PATH
    PATH=$prefix/bin:$PATH PKG_CONFIG_PATH=${pc%/*}
    export PATH PKG_CONFIG_PATH
    "$meson" setup "$here/outside" "$here/example-plugin" -Dwerror=true && "$meson" compile -C "$here/outside" &&
        "$meson" test -C "$here/outside" && "$meson" install -C "$here/outside" && "$prefix/bin/bauta" plugins mask example
)
ok "with meson against an installed Bauta: built, tested, installed, found" outside

says "cflags: where the headers are" 0 '^-I/' "$bauta" plugin cflags

# ---- what is refused ----
says "plugin: an action that does not exist" 2 'no such action "chek"; did you mean check' "$bauta" plugin chek nothing.so
says "new: a name that exists" 2 'there is a mask student already' "$bauta" plugin new mask student
says "new: a kind that does not exist" 2 'no such kind "maks"; did you mean mask' "$bauta" plugin new maks mine
says "new: a name that is none" 2 'a letter a-z, then' "$bauta" plugin new mask ../mine
says "new: nothing is overwritten" 2 'is there already' "$bauta" plugin new mask example --dir example-plugin
says "check: a file that is not there" 4 'no such file' "$bauta" plugin check nothing.so
cp example-plugin/example.c notes.so
says "check: a file that is no plugin" 4 'BAD *load .*not loadable' "$bauta" plugin check notes.so
bad=$build/tests/plugin
says "check: another ABI" 4 'built for ABI 2' "$bauta" plugin check "$bad/bad-major.so"
says "check: a crash while loading" 4 'killed by SIGSEGV while loading' "$bauta" plugin check "$bad/bad-crash.so"
for how in exit hang; do
    says "check: $how" 4 'BAD .*in score\|BAD .*from score' "$bauta" plugin check "$bad/wild-mask.so" --set how=$how --limit 1
done
says "check: a changed rounding mode" 4 'score changed the floating-point mode' "$bauta" plugin check "$bad/wild-mask.so" --set how=rounding
case $5 in
sanitized) skipped=$((skipped + 1)); echo "skip - check: a crash: AddressSanitizer has its own handler" ;;
*) says "check: a crash" 4 'killed by SIGSEGV in score' "$bauta" plugin check "$bad/wild-mask.so" --set how=segv ;;
esac

# Criteria that promise what they do not keep: one file, one compilation a fault.
for fault in NAN_ TIED NEIGHBOUR; do
    ok "$fault compiles" cc -std=gnu11 -O1 -fPIC -shared -fvisibility=hidden -D$fault -DNAME="\"liar-$(echo $fault | tr A-Z a-z)\"" \
        -I "$source/core/include" "$source/tests/bad_plugins/liar.c" -o "$here/liar-$(echo $fault | tr A-Z a-z).so"
done
says "check: NaN" 4 'BAD *scores 4x4 *score -\?nan of patch 0 of picture 0' "$bauta" plugin check liar-nan_.so
says "check: all equal" 4 'BAD *ties *every patch' "$bauta" plugin check liar-tied.so
says "check: scores that depend on the other pictures" 4 'BAD *own picture' "$bauta" plugin check liar-neighbour.so
for fault in CONSTANT HEAVY; do
    ok "$fault compiles" cc -std=gnu11 -O1 -fPIC -shared -fvisibility=hidden -D$fault -DNAME="\"liar-$(echo $fault | tr A-Z a-z)\"" \
        -I "$source/core/include" "$source/tests/bad_plugins/liar.c" -o "$here/liar-$(echo $fault | tr A-Z a-z).so"
done
says "check: a loss without gradient" 4 'BAD *gradient *no gradient' "$bauta" plugin check liar-constant.so
says "check: a weight that is no factor" 4 'BAD *weight' "$bauta" plugin check liar-heavy.so
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
