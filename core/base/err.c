/* err: filling a caller-owned error with one line. */
#include "bauta/base.h"

#include <stdarg.h>
#include <stdio.h>

int ba_fail(ba_err *e, int code, const char *fmt, ...)
{
    if (!e)
        return code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->msg, sizeof e->msg, fmt, ap);
    va_end(ap);
    for (char *p = e->msg; *p; p++) /* a message is one line, whatever a file name or a library put into it */
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    e->code = code;
    return code;
}
