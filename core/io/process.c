/* process: programs started beside this one: the cells of a grid, each in a process group of its own, so that a Ctrl-C on the
 * terminal reaches this process alone, which then passes it on. A child whose parent is gone is told to save and stop. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bauta/run.h"

/* In the child, between fork and exec: only calls that are safe there. */
static void become(const char *const *argv, int output, pid_t parent)
{
    static const int taken[] = { SIGINT, SIGTERM, SIGUSR1, SIGHUP, SIGPIPE, SIGXFSZ };
    int input = open("/dev/null", O_RDONLY);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        signal(taken[i], SIG_DFL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || input < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
        _exit(5);
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

int64_t ba_process_start(const char *const *argv, const char *output, ba_err *e)
{
    if (!argv || !argv[0] || !output)
        return ba_fail(e, BA_EARG, "process: a program and a file for its output expected");
    int fd = open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return ba_fail(e, BA_EMACHINE, "%.300s: %s", output, strerror(errno));
    pid_t parent = getpid(), pid = fork();
    if (!pid)
        become(argv, fd, parent);
    int why = errno;
    close(fd);
    if (pid < 0)
        return ba_fail(e, BA_EMACHINE, "%.300s cannot be started: %s", argv[0], strerror(why));
    setpgid(pid, pid); /* whoever comes first */
    return pid;
}

int64_t ba_process_wait(double seconds, int32_t *status, ba_err *e)
{
    struct timespec nap = { 0, 20000000 };
    int32_t before = ba_signal_pending();
    if (!status)
        return ba_fail(e, BA_EARG, "process: a place for the status expected");
    for (double left = seconds;; left -= 0.02) {
        int how;
        pid_t pid = waitpid(-1, &how, WNOHANG);
        if (pid > 0) {
            *status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
            return pid;
        }
        if (left <= 0 || ba_signal_pending() != before)
            return 0;
        nanosleep(&nap, NULL);
    }
}

int ba_process_signal(int64_t pid, int32_t number, ba_err *e)
{
    if (pid <= 1)
        return ba_fail(e, BA_EARG, "process %lld: no child of this one", (long long)pid);
    if (kill((pid_t)pid, number) && errno != ESRCH)
        return ba_fail(e, BA_EMACHINE, "process %lld: %s", (long long)pid, strerror(errno));
    return BA_OK;
}
