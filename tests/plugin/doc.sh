#!/bin/sh
# The criterion of docs/adding-a-plugin.md, cut out, built out of tree with nothing but the headers, and used.
# usage: doc.sh SOURCE-ROOT BAUTA CC
set -e
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$1/docs/adding-a-plugin.md" > "$here/deep.c"
"$3" -std=gnu11 -O2 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden -I "$1/core/include" "$here/deep.c" -o "$here/deep.so"
# The same one, calling what came with ABI 1.5, is refused by the compiler, in words that name it, until it asks for that version.
sed 's/^    return \*out ? BA_OK : e->code;/    return *out ? h->note(b, "deep", *out, e) : e->code;/' "$here/deep.c" > "$here/later.c"
cmp -s "$here/deep.c" "$here/later.c" && { echo "not ok - the criterion of the page has changed"; exit 1; }
"$3" -std=gnu11 -fsyntax-only -I "$1/core/include" "$here/later.c" 2> "$here/said" && { echo "not ok - note without BA_WANT_MINOR compiles"; exit 1; }
grep -q "no member named .note" "$here/said" || { cat "$here/said"; exit 1; }
"$3" -std=gnu11 -fsyntax-only -DBA_WANT_MINOR=5 -I "$1/core/include" "$here/later.c"
"$3" -std=gnu11 -fsyntax-only -include bauta/vit.h -I "$1/core/include" "$here/deep.c" 2> "$here/said" && { echo "not ok - vit.h without BA_WANT_MINOR"; exit 1; }
grep -q "BA_WANT_MINOR 1" "$here/said" || { cat "$here/said"; exit 1; }
exported=$(nm -D --defined-only "$here/deep.so" | awk '{ print $3 }')
[ "$exported" = ba_plugin ] || { echo "not ok - exports $exported"; exit 1; }
if nm -D --undefined-only "$here/deep.so" | grep -q ' ba[i]*_'; then echo "not ok - wants symbols of bauta"; exit 1; fi
export BAUTA_PLUGIN_PATH="$here"
"$2" plugins mask deep | grep -q 'how many of the last blocks' || { echo "not ok - bauta plugins mask deep"; exit 1; }
"$2" lua "$1/tests/plugin/doc.lua"
