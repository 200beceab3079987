#!/bin/sh
# The criterion of docs/adding-a-plugin.md, cut out, built out of tree with nothing but the headers, and used.
# usage: doc.sh SOURCE-ROOT BAUTA CC
set -e
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' "$1/docs/adding-a-plugin.md" > "$here/deep.c"
"$3" -std=gnu11 -O2 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden -I "$1/core/include" "$here/deep.c" -o "$here/deep.so"
exported=$(nm -D --defined-only "$here/deep.so" | awk '{ print $3 }')
[ "$exported" = ba_plugin ] || { echo "not ok - exports $exported"; exit 1; }
if nm -D --undefined-only "$here/deep.so" | grep -q ' ba[i]*_'; then echo "not ok - wants symbols of bauta"; exit 1; fi
export BAUTA_PLUGIN_PATH="$here"
"$2" plugins mask deep | grep -q 'how many of the last blocks' || { echo "not ok - bauta plugins mask deep"; exit 1; }
"$2" lua "$1/tests/plugin/doc.lua"
