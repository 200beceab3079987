/* signal: a signal only sets a flag, which the loop over steps looks at. The second Ctrl-C ends the process at once, and so does a second
 * SIGTERM; what is on the disk is complete at every moment, so nothing needs to be tidied up first. One request to end may arrive as two
 * SIGTERM (from a batch system, and passed on by the grid that it was sent to as well), so the second one counts from a few seconds on. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bauta/system.h"

enum { APART = 3 }; /* seconds from the first SIGTERM to one that is a second */

static volatile sig_atomic_t pending, interrupted, asked;
static volatile time_t asked_at; /* written before `asked`: two threads may be in the handler at once */

/* Whether this SIGTERM is a second one. */
static int asked_again(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (asked)
        return now.tv_sec - asked_at >= APART;
    asked_at = now.tv_sec;
    asked = 1;
    return 0;
}

static void note(int number)
{
    if (number == SIGINT) {
        if (interrupted)
            _exit(128 + SIGINT);
        interrupted = 1;
    }
    if (number == SIGTERM && asked_again())
        _exit(128 + SIGTERM);
    pending = number;
}

int ba_signal_install(ba_err *e)
{
    static const int flagged[] = { SIGINT, SIGTERM, SIGUSR1, SIGHUP }, ignored[] = { SIGPIPE, SIGXFSZ };
    struct sigaction a = { .sa_handler = note, .sa_flags = SA_RESTART };
    sigemptyset(&a.sa_mask);
    for (size_t i = 0; i < sizeof flagged / sizeof *flagged; i++)
        if (sigaction(flagged[i], &a, NULL))
            return ba_fail(e, BA_EMACHINE, "signal %d: %s", flagged[i], strerror(errno));
    a.sa_handler = SIG_IGN;
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        if (sigaction(ignored[i], &a, NULL))
            return ba_fail(e, BA_EMACHINE, "signal %d: %s", ignored[i], strerror(errno));
    return BA_OK;
}

int32_t ba_signal_pending(void) { return (int32_t)pending; }
