/* err: sentences of one line: into a caller-owned error, and to whoever listens. */
#include "bauta/system.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "notice.h"

static void (*_Atomic listener)(const char *line);

/* A message is one line, whatever a file name or a library put into it. */
static void fill(char *out, size_t size, const char *fmt, va_list ap)
{
    vsnprintf(out, size, fmt, ap);
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
}

int ba_fail(ba_err *e, int code, const char *fmt, ...)
{
    if (!e)
        return code;
    va_list ap;
    va_start(ap, fmt);
    fill(e->msg, sizeof e->msg, fmt, ap);
    va_end(ap);
    e->code = code;
    return code;
}

void ba_notice_to(void (*hear)(const char *line)) { atomic_store(&listener, hear); }

void bai_notice(const char *fmt, ...)
{
    void (*hear)(const char *line) = atomic_load(&listener);
    char line[1024];
    va_list ap;
    if (!hear)
        return;
    va_start(ap, fmt);
    fill(line, sizeof line, fmt, ap);
    va_end(ap);
    hear(line);
}
