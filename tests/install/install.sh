#!/bin/sh
# install: Bauta is installed into a staging folder, moved elsewhere, and used from there as a stranger would: the program, its plugins, a
# run, a C program that links the library, a plugin built with what pkg-config says. Nothing of the source tree is touched.
# usage: install.sh SOURCE-ROOT MESON BUILD CC
set -u
source=$1 meson=$2 build=$3
shift 3
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
passed=0 failed=0
unset BAUTA_PLUGIN_PATH BAUTA_LUA BAUTA_DEVICE_PATH LD_LIBRARY_PATH # meson sets the last one for what was not installed

ok() { # ok WHAT COMMAND...: the command must succeed; what it writes can be looked at with `said`
    what=$1
    shift
    "$@" >"$here/now" 2>"$here/err"
    status=$?
    mv "$here/now" "$here/out"
    if [ "$status" = 0 ]; then passed=$((passed + 1)); echo "ok - $what"; return 0; fi
    failed=$((failed + 1))
    echo "not ok - $what"
    tail -n 20 "$here/out" "$here/err"
    return 1
}

said() { cat "$here/out"; grep -q -- "$1" "$here/out"; }
done_() { echo "$passed passed, $failed failed, 0 skipped"; [ "$failed" = 0 ]; exit; }

ok "meson install with DESTDIR" "$meson" install -C "$build" --no-rebuild --quiet --destdir "$here/stage" || done_
program=$(find "$here/stage" -path '*/bin/bauta')
mv "${program%/bin/bauta}" "$here/moved"
prefix=$here/moved bauta=$here/moved/bin/bauta
cd "$here" || exit 1
pc=$(find "$prefix" -name bauta.pc)
export PKG_CONFIG_PATH="${pc%/bauta.pc}"
flags() { pkg-config --define-variable=prefix="$prefix" "$@"; }

for file in $(cd "$source/core" && ls include/bauta/*.h) share/bauta/lua/bauta/cli.lua share/bauta/experiments/quickstart.lua \
    share/doc/bauta/tour.md share/doc/bauta/LICENSE; do
    ok "$file is there" test -f "$prefix/$file"
done

# ---- the program ----
ok "bauta version" "$bauta" version
ok "bauta doctor" "$bauta" doctor
ok "its plugins are those of the moved tree" said "$prefix/.*plugins-1"
ok "bauta plugins" "$bauta" plugins
ok "the student's criterion is among them" said "^mask *student"
ok "quickstart, shortened" "$bauta" run "$prefix/share/bauta/experiments/quickstart.lua" --out "$here/runs" \
    --set train=200 --set test=100 --set epochs=1 --set teacher_epochs=1
ok "it has a result" test -f "$here/runs/quickstart/report.txt"
mv "$prefix/include" "$here/headers"
ok "the program needs no header" "$bauta" ops
mv "$here/headers" "$prefix/include"
ok "nothing of the build is needed" sh -c '! grep -rl "$1" "$2" --include="*.lua" --include="*.pc" --include="*.h"' sh "$build" "$prefix"

# ---- a C program ----
cat >"$here/use.c" <<'END'
#include <bauta/model.h>
#include <stdio.h>
int main(void)
{
    ba_err e = { 0 };
    ba_plugins *p = ba_plugins_new(NULL, &e);
    const struct ba_plugin_desc *d = p ? ba_plugins_find(p, "mask", "student", &e) : NULL;
    printf("%s %s\n", ba_version(), d ? ba_plugins_path(p) : e.msg);
    ba_plugins_free(p);
    return !d;
}
END
lib=$(flags --variable=libdir bauta)
ok "a C program links the library" "$@" "$here/use.c" -o "$here/use" $(flags --cflags --libs bauta) -Wl,-rpath,"$lib"
ok "and finds the plugins that lie beside it" "$here/use"
ok "in the moved tree" said "$prefix/.*plugins-1"
ok "bauta-plugin.pc links nothing" test -z "$(flags --libs bauta-plugin)"
ok "bauta-plugin.pc knows the plugin folder" test -d "$(flags --variable=plugindir bauta-plugin)/mask"
ok "bauta-plugin.pc knows the ABI" test "$(flags --variable=abi bauta-plugin)" = \
    "$(sed -n 's/^#define BA_ABI_M[A-Z]* *\([0-9]*\).*/\1/p' "$prefix/include/bauta/plugin.h" | paste -sd .)"
done_
