/* place: folders that belong to the library are looked for beside it first, so that an installed tree can be moved as a whole. */
#include "place.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#ifndef BAUTA_LIB_DIR
#define BAUTA_LIB_DIR ""
#endif

const char *bai_place(const char *fixed, char *out, size_t size)
{
    Dl_info here;
    struct stat s;
    size_t n = strlen(BAUTA_LIB_DIR);
    if (!n || strncmp(fixed, BAUTA_LIB_DIR, n) || !dladdr((const void *)bai_place, &here) || !here.dli_fname)
        return fixed;
    const char *slash = strrchr(here.dli_fname, '/');
    int length = slash ? snprintf(out, size, "%.*s%s", (int)(slash - here.dli_fname), here.dli_fname, fixed + n) : 0;
    return length > 0 && (size_t)length < size && !stat(out, &s) && S_ISDIR(s.st_mode) ? out : fixed;
}
