# declarations: what stands between "cdef begin" and "cdef end" in public headers, comments left out, as the C function that returns it. The library
# so carries the declarations it was built with, and lua/bauta/ffi.lua declares what it says and reads no header.
# usage: declarations.py HEADER...  (in an order in which each knows what it names)
import json
import re
import sys

print('#include "bauta/graph.h"\n\nconst char *ba_declarations(void)\n{\n    return')
for path in sys.argv[1:]:
    with open(path, encoding='utf-8') as header:
        parts = re.findall(r'/\* cdef begin \*/(.*?)/\* cdef end \*/', header.read(), re.S)
    if not parts:
        sys.exit(f'{path}: nothing between "cdef begin" and "cdef end"')
    for line in re.sub(r'/\*.*?\*/', ' ', '\n'.join(parts), flags=re.S).splitlines():
        if line.strip():
            print('        ' + json.dumps(' '.join(line.split()) + '\n'))
print('    ;\n}')
