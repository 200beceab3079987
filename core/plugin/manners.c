/* manners: compares the state that belongs to the whole process before and after a plugin was called. A plugin that changes it would change
 * the numbers, the files or the end of a run, far away from where anybody would look. */
#include "manners.h"

#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __SSE__
#include <xmmintrin.h>
static unsigned control(void) { return _mm_getcsr() & ~0x3fu; } /* without the flags that arithmetic raises */
static void set_control(unsigned c) { _mm_setcsr(c); }
#else
static unsigned control(void) { return 0; }
static void set_control(unsigned c) { (void)c; }
#endif

void bai_manners_note(bai_manners *m)
{
    const char *locale = setlocale(LC_ALL, NULL);
    memset(m, 0, sizeof *m);
    m->rounding = fegetround();
    m->control = control();
    snprintf(m->locale, sizeof m->locale, "%s", locale ? locale : "");
    if (!getcwd(m->folder, sizeof m->folder))
        m->folder[0] = 0;
    sigaction(SIGTERM, NULL, &m->term);
    sigaction(SIGSEGV, NULL, &m->segv);
    for (int fd = 0; fd < 3; fd++)
        m->open |= (fcntl(fd, F_GETFD) >= 0) << fd;
}

static const char *signals(const bai_manners *m, const bai_manners *now)
{
    if (m->term.sa_handler == now->term.sa_handler && m->segv.sa_handler == now->segv.sa_handler)
        return NULL;
    sigaction(SIGTERM, &m->term, NULL);
    sigaction(SIGSEGV, &m->segv, NULL);
    return "signal handlers";
}

/* What was changed, put back; NULL: nothing. */
static const char *changed(const bai_manners *m, const bai_manners *now)
{
    if (now->rounding != m->rounding || now->control != m->control) {
        fesetround(m->rounding);
        set_control(m->control);
        return "the floating-point mode";
    }
    if (strcmp(now->locale, m->locale)) {
        setlocale(LC_ALL, m->locale);
        return "the locale";
    }
    if (strcmp(now->folder, m->folder))
        return chdir(m->folder) ? "the working folder (for good)" : "the working folder";
    if (now->open != m->open)
        return "the standard descriptors (one was closed or opened)";
    return signals(m, now);
}

int bai_manners_judge(const bai_manners *m, const char *function, ba_err *e)
{
    bai_manners now;
    bai_manners_note(&now);
    const char *what = changed(m, &now);
    return what ? ba_fail(e, BA_EPLUGIN, "%s changed %s, which belongs to the whole process", function, what) : BA_OK;
}
