/* process: programs started beside this one: the cells of a grid, each in a process group of its own, so that a Ctrl-C on the
 * terminal reaches this process alone, which then passes it on. A child whose parent is gone is told to save and stop. Only what was started
 * here is waited for and signalled: other parts of the program have children of their own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../base/crash.h"
#include "bauta/system.h"

enum { MOST = 4096 };
static pid_t children[MOST];
static int n_children;

/* Sleeps a little; whether another signal has come than before. */
static int disturbed(int32_t before)
{
    struct timespec nap = { 0, 20000000 };
    if (ba_signal_pending() == before)
        nanosleep(&nap, NULL);
    return ba_signal_pending() != before;
}

/* The child's last words, on what it has as standard error: `output` as soon as that is in place, else what it was started with. */
static void give_up(const char *program, int status)
{
    const char *why = strerrordesc_np(errno);
    char line[600];
    int n = 0;
    bai_crash_text(line, sizeof line - 1, &n, "bauta: ");
    bai_crash_text(line, 400, &n, program);
    bai_crash_text(line, sizeof line - 1, &n, " cannot be started: ");
    bai_crash_text(line, sizeof line - 1, &n, why ? why : "unknown error");
    line[n++] = '\n';
    ssize_t wrote = write(2, line, (size_t)n);
    (void)wrote;
    _exit(status);
}

/* In the child, between fork and exec: only calls that are safe there. */
static void become(const char *const *argv, int output, pid_t parent)
{
    static const int taken[] = { SIGINT, SIGTERM, SIGUSR1, SIGHUP, SIGPIPE, SIGXFSZ };
    int input = open("/dev/null", O_RDONLY);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        signal(taken[i], SIG_DFL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(5); /* nobody is left to be told */
    if (dup2(output, 2) < 0 || input < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0)
        give_up(argv[0], 5);
    execv(argv[0], (char *const *)argv);
    give_up(argv[0], 127);
}

int64_t ba_process_start(const char *const *argv, const char *output, ba_err *e)
{
    if (!argv || !argv[0] || !output)
        return ba_fail(e, BA_EARG, "process: a program and a file for its output expected");
    if (n_children == MOST)
        return ba_fail(e, BA_EARG, "process: %d are running already, which is the most", MOST);
    signal(SIGCHLD, SIG_DFL); /* were it ignored, as some parents leave it, nobody could be waited for */
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
    children[n_children++] = pid;
    return pid;
}

/* One that has ended, taken out of the list; 0: none has. */
static pid_t reaped(int32_t *status)
{
    for (int i = 0; i < n_children; i++) {
        int how = 0;
        pid_t pid = children[i], got = waitpid(pid, &how, WNOHANG);
        if (got == pid || (got < 0 && errno == ECHILD)) {
            *status = got < 0 ? 255 : WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
            children[i] = children[--n_children];
            return pid;
        }
    }
    return 0;
}

int64_t ba_process_wait(double seconds, int32_t *status, ba_err *e)
{
    int32_t before = ba_signal_pending();
    if (!status)
        return ba_fail(e, BA_EARG, "process: a place for the status expected");
    for (double left = seconds;; left -= 0.02) {
        pid_t pid = reaped(status);
        if (pid || !n_children || left <= 0 || disturbed(before))
            return pid;
    }
}

int ba_process_signal(int64_t pid, int32_t number, ba_err *e)
{
    int i = 0;
    if (pid <= 1)
        return ba_fail(e, BA_EARG, "process %lld: no child of this one", (long long)pid);
    while (i < n_children && children[i] != pid)
        i++;
    if (i < n_children && kill((pid_t)pid, number) && errno != ESRCH)
        return ba_fail(e, BA_EMACHINE, "process %lld: %s", (long long)pid, strerror(errno));
    return BA_OK;
}

void ba_nap(double seconds)
{
    int32_t before = ba_signal_pending();
    for (double left = seconds; left > 0 && !disturbed(before); left -= 0.02)
        continue;
}
