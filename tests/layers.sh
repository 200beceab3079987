#!/bin/sh
# tests/layers.sh ROOT [LIBBAUTA [PLUGIN...]]: who may know whom (docs/testing.md has the table in words).
# Greps every include of core, kernels and plugins, every require of the Lua side, and the symbols that come out of libbauta
# and of each plugin. Before it judges the tree it proves on made-up offenders that it can see an offence.
set -u
root=${1:?usage: layers.sh ROOT [LIBBAUTA [PLUGIN...]]}
shift
passed=0 failed=0 skipped=0

report() { # report NAME OFFENDERS: passes when there are none
    if [ -z "$2" ]; then passed=$((passed + 1)); echo "ok - $1"; return; fi
    failed=$((failed + 1))
    echo "not ok - $1"
    printf '%s\n' "$2" | sed 's/^/    /'
}

# room: the rooms it may include from, besides itself and the public headers
allowed='
core/include
core/base
core/graph     core/base
core/io        core/base
core/data      core/base
core/nn        core/base core/plugin
core/plugin    core/base core/nn core/graph core/data
core
kernels/shared
kernels/cuda   core/graph
kernels/ops    kernels/shared kernels/cuda
kernels        core/graph
plugins
'

# Prints FILE: HEADER for every quoted include that leaves its room without leave. Rooms are two folders deep in core and
# kernels; plugins are one room, but each of its files may include public headers alone (one that has a folder of its own, plugins/KIND/NAME, what lies there).
include_offenders() (
    cd "$1" || exit 1
    grep -rHE --include='*.c' --include='*.h' --include='*.cu' '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' core kernels plugins 2>/dev/null |
    awk -v allowed="$allowed" '
        BEGIN {
            n = split(allowed, line, "\n")
            for (i = 1; i <= n; i++) {
                m = split(line[i], word, " ")
                for (j = 2; j <= m; j++) may[word[1] " " word[j]] = 1
            }
        }
        function room(path,   part, n) {
            n = split(path, part, "/")
            if (part[1] == "plugins") return "plugins"
            return n > 2 ? part[1] "/" part[2] : part[1]
        }
        function flat(path,   part, n, i, k, out, keep) { # resolves a/../b
            n = split(path, part, "/"); k = 0
            for (i = 1; i <= n; i++)
                if (part[i] == "..") k--; else keep[++k] = part[i]
            for (i = 1; i <= k; i++) out = out (i > 1 ? "/" : "") keep[i]
            return out
        }
        {
            file = $0; sub(/:.*/, "", file)
            header = $0; sub(/^[^"]*"/, "", header); sub(/".*/, "", header)
            from = room(file)
            if (header ~ /^bauta\//) next
            if (header == "ops.inc") { if (from != "kernels") print file ": " header; next }
            folder = file; sub(/\/[^\/]*$/, "", folder)
            if (header !~ /\//) next                                # beside it
            if (header ~ /^\.\.\//) target = flat(folder "/" header)
            else if (header ~ /^(base|graph|io|data|nn|plugin)\//) target = "core/" header
            else if (header ~ /^(shared|ops)\//) target = "kernels/" header
            else target = header
            to = room(target)
            if (to != from && to != "core/include" && !((from " " to) in may)) print file ": " header
        }'
    # A plugin sees bauta/*.h and the C library, an operation no other operation.
    grep -rHE --include='*.c' --include='*.h' '#[[:space:]]*include[[:space:]]*"' plugins 2>/dev/null | grep -v '"bauta/' |
        grep -vE '^plugins/[^/]*/[^/]*/[^/]*:.*"[^/"]*"' | sed 's/#.*include//'
    grep -rHE --include='*.c' --include='*.cu' '#[[:space:]]*include[[:space:]]*"[^/"]*"' kernels/ops 2>/dev/null | sed 's/#.*include//'
)

# Rooms that the rules or the guide speak of and the tree does not have.
rooms_missing() (
    cd "$1" || exit 1
    { echo "$allowed" | tr ' ' '\n'; sed -n '/^## Who may include whom/,/^## /p' docs/testing.md | grep -oE '`(core|kernels|plugins)[a-z/.]*`' | tr -d '`'; } |
        sort -u | while read -r room; do [ -z "$room" ] || [ -e "$room" ] || echo "$room"; done
)

# Prints files outside the given pattern that include a foreign library's header.
foreign_offenders() ( # foreign_offenders ROOT HEADER-REGEX WHERE-REGEX
    cd "$1" || exit 1
    grep -rlE --include='*.c' --include='*.h' "#[[:space:]]*include[[:space:]]*[<\"]($2)" core kernels plugins 2>/dev/null | grep -vE "^($3)"
)

lua_offenders() (
    cd "$1" || exit 1
    grep -rnE --include='*.lua' "require[ (]*['\"](ffi|jit[.a-z]*)['\"]" lua experiments 2>/dev/null | grep -v '^lua/bauta/ffi.lua:'
    grep -rnE --include='*.lua' "(loadstring|package\.loadlib|debug\.setmetatable)[ (]" experiments 2>/dev/null
)

judge() { # every rule on the tree in $1, the offenders to stdout
    include_offenders "$1"
    foreign_offenders "$1" 'lua\.h|lualib\.h|luajit\.h|lauxlib\.h' 'core/main\.c$'
    foreign_offenders "$1" 'hdf5' 'core/io/'
    foreign_offenders "$1" 'oneapi/|dnnl|cblas' 'kernels/(shared/gemm|registry)'
    foreign_offenders "$1" 'jpeglib|turbojpeg' 'core/data/'
    foreign_offenders "$1" 'png\.h' 'core/(data|io)/'
    foreign_offenders "$1" 'jansson' 'core/(io|plugin|base)/'
    foreign_offenders "$1" 'omp\.h' 'kernels/registry'
    lua_offenders "$1"
}

# One offender a rule, in a tree of their own: each must be seen.
prove() {
    made=$(mktemp -d) || exit 1
    mkdir -p "$made/core/base" "$made/core/graph" "$made/core/io" "$made/kernels/ops" "$made/plugins/mask" "$made/experiments" "$made/lua/bauta"
    echo '#include "../graph/node.h"' >"$made/core/base/a.c"
    echo '#include "graph/node.h"' >"$made/core/io/b.c"
    echo '#include "../../kernels/shared/gemm.h"' >"$made/core/graph/c.c"
    echo '#include "linear.h"' >"$made/kernels/ops/d.c"
    echo '#include "../../core/base/mem.h"' >"$made/kernels/ops/e.c"
    echo '#include "helper.h"' >"$made/plugins/mask/f.c"
    mkdir -p "$made/plugins/data/two" && echo '#include "../helper.h"' >"$made/plugins/data/two/k.c"
    echo '#include "two.h"' >"$made/plugins/data/two/innocent.c"
    echo '#include <hdf5.h>' >"$made/core/graph/g.c"
    echo '#include <lua.h>' >"$made/core/io/h.c"
    echo 'local ffi = require "ffi"' >"$made/experiments/i.lua"
    echo "local ffi = require('ffi')" >"$made/lua/bauta/j.lua"
    seen=$(judge "$made")
    for name in a b c d e f g h i j k; do
        case $seen in
        *"/$name."*) passed=$((passed + 1)) ;;
        *) failed=$((failed + 1)); echo "not ok - the made-up offender $name is not seen" ;;
        esac
    done
    case $seen in
    *innocent*) failed=$((failed + 1)); echo "not ok - a plugin's own header is taken for another's" ;;
    *) passed=$((passed + 1)) ;;
    esac
    rm -rf "$made"
    echo "ok - made-up offenders are seen"
}

# What comes out of a shared object; AddressSanitizer's own marks do not count.
exports() { nm -D --defined-only "$1" | awk '$3 != "" && $3 !~ /^__odr_asan/ { print $3 }' | sed 's/@.*//'; }

prove
report "includes keep to their rooms" "$(include_offenders "$root")"
report "every room of the rules and of docs/testing.md is there" "$(rooms_missing "$root")"
report "Lua's C API is used by core/main.c alone" "$(foreign_offenders "$root" 'lua\.h|lualib\.h|luajit\.h|lauxlib\.h' 'core/main\.c$')"
report "HDF5 is used by core/io alone" "$(foreign_offenders "$root" 'hdf5' 'core/io/')"
report "GEMM libraries are used by kernels/shared/gemm and the registry alone" "$(foreign_offenders "$root" 'oneapi/|dnnl|cblas' 'kernels/(shared/gemm|registry)')"
report "JPEG is used by core/data alone" "$(foreign_offenders "$root" 'jpeglib|turbojpeg' 'core/data/')"
report "PNG is used by core/data and core/io alone" "$(foreign_offenders "$root" 'png\.h' 'core/(data|io)/')"
report "JSON is used by core/io, core/plugin and core/base alone" "$(foreign_offenders "$root" 'jansson' 'core/(io|plugin|base)/')"
report "OpenMP is used by the registry alone (it holds the GEMM library to its threads)" "$(foreign_offenders "$root" 'omp\.h' 'kernels/registry')"
report "ffi is required by lua/bauta/ffi.lua alone" "$(lua_offenders "$root")"

if [ $# -gt 0 ]; then
    library=$1
    shift
    report "libbauta exports ba_ names alone" "$(exports "$library" | grep -v '^ba_')"
    few=
    [ "$(exports "$library" | grep -c '^ba_')" -gt 10 ] || few="fewer than ten symbols in $library"
    report "libbauta exports something" "$few"
else
    skipped=$((skipped + 1)); echo "skip - exports of libbauta: no library given"
fi
for plugin in "$@"; do
    report "$(basename "$plugin") exports ba_plugin alone" "$(exports "$plugin" | grep -vx 'ba_plugin')"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
