#!/bin/sh
# reference: docs/reference/plugins.md is what the plugins say of themselves.
# usage: reference.sh SOURCE-ROOT BAUTA
unset BAUTA_PLUGIN_PATH
"$2" plugins --markdown | diff "$1/docs/reference/plugins.md" - && echo "1 passed, 0 failed, 0 skipped" && exit
echo "not ok - docs/reference/plugins.md is old: build/core/bauta plugins --markdown > docs/reference/plugins.md"
echo "0 passed, 1 failed, 0 skipped"
exit 1
