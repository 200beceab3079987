/* probe: a plugin file is loaded and judged in a child process first. Half of all damaged shared objects kill the process that opens them;
 * this way it is the child. It protects against mistakes, not against malice: an accepted plugin is code like any other. */
#include "plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/clock.h"

enum { LOADED = 0, REFUSED = 1 }; /* exit statuses of the child; a REFUSED one has written its sentence */

/* What the linker says begins with the path, which our sentence has already. */
static const char *linker_words(const char *path)
{
    const char *s = dlerror();
    size_t n = strlen(path);
    if (!s)
        return "no reason given";
    return !strncmp(s, path, n) && !strncmp(s + n, ": ", 2) ? s + n + 2 : s;
}

static int look(const char *path, ba_err *e)
{
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!so)
        return ba_fail(e, BA_EPLUGIN, "plugin %.200s: not loadable (%.230s)", path, linker_words(path));
    const ba_plugin_desc *d = dlsym(so, "ba_plugin");
    if (!d)
        return ba_fail(e, BA_EPLUGIN, "plugin %.200s: exports no ba_plugin", path);
    return bai_plugin_judge(d, path, e);
}

static void child(const char *path, int report)
{
    ba_err e = { 0 };
    if (report < 3) /* the program was started with standard descriptors closed: the pipe must not be what is covered below */
        report = fcntl(report, F_DUPFD, 3);
    int nothing = open("/dev/null", O_RDWR);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    for (int fd = 0; nothing >= 0 && fd < 3; fd++)
        dup2(nothing, fd);
    int r = look(path, &e);
    if (r && write(report, e.msg, strlen(e.msg)) < 0)
        _exit(2);
    if (!r && write(report, "", 1) < 0) /* a zero: judged and found good */
        _exit(2);
    _exit(r ? REFUSED : LOADED);
}

static int64_t now_ms(void) { return (int64_t)(1e3 * bai_now(CLOCK_MONOTONIC)); }

/* Reads until the child has closed its end. 0 when that took too long. */
static int listen_to(int fd, char *text, size_t size, size_t *used, int limit_ms)
{
    int64_t end = now_ms() + limit_ms;
    *used = 0;
    for (;;) {
        int64_t left = end - now_ms();
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int r = poll(&p, 1, left > 0 ? (int)left : 0);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return 0;
        ssize_t n = read(fd, text + *used, size - 1 - *used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || *used + (size_t)n + 1 >= size) {
            text[*used] = 0;
            return 1;
        }
        *used += (size_t)n;
    }
}

static int verdict(const char *path, int status, const char *text, size_t used, ba_err *e)
{
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        return ba_fail(e, BA_EPLUGIN, "plugin %.300s: killed by SIG%s while loading", path, name ? name : "?");
    }
    if (WEXITSTATUS(status) == REFUSED && used && text[0])
        return ba_fail(e, BA_EPLUGIN, "%s", text);
    if (WEXITSTATUS(status) == LOADED && used == 1 && !text[0])
        return BA_OK;
    return ba_fail(e, BA_EPLUGIN, "plugin %.300s: ended the process with status %d while loading", path, WEXITSTATUS(status));
}

int bai_plugin_probe(const char *path, int limit_ms, ba_err *e)
{
    int ends[2], status = 0;
    char text[600];
    size_t used;
    if (pipe2(ends, O_CLOEXEC))
        return ba_fail(e, BA_EMACHINE, "plugin %.200s: no pipe to a child process (%s)", path, strerror(errno));
    pid_t pid = fork();
    if (!pid) {
        close(ends[0]);
        child(path, ends[1]);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return ba_fail(e, BA_EMACHINE, "plugin %.200s: no child process to load it in (%s)", path, strerror(errno));
    }
    int heard = listen_to(ends[0], text, sizeof text, &used, limit_ms);
    close(ends[0]);
    if (!heard)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!heard)
        return ba_fail(e, BA_EPLUGIN, "plugin %.300s: still loading after %g s", path, limit_ms / 1000.0);
    return verdict(path, status, text, used, e);
}
