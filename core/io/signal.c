/* signal: a signal only sets a flag, which the loop over steps looks at. The second Ctrl-C ends the process at once; what
 * is on the disk is complete at every moment, so nothing needs to be tidied up first. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bauta/run.h"

static volatile sig_atomic_t pending, interrupted;

static void note(int number)
{
    if (number == SIGINT) {
        if (interrupted)
            _exit(130);
        interrupted = 1;
    }
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
