/* lock: run.lock is held with flock and says who holds it. The file is never removed: a lock on a file without a name
 * protects nothing. */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "../base/file.h"

enum { TRIES = 8 }; /* 10 ms apart: a look from outside (bai_lock_held) is shorter than that */

static void pause_ms(long ms)
{
    struct timespec t = { 0, ms * 1000000 };
    nanosleep(&t, NULL);
}

static int refuse(int fd, const char *path, ba_err *e)
{
    char who[200] = "";
    ssize_t n = pread(fd, who, sizeof who - 1, 0);
    who[n > 0 ? n : 0] = 0;
    who[strcspn(who, "\n")] = 0;
    close(fd);
    return ba_fail(e, BA_EBUSY, "%.200s: already running: %s (run.lock)", path, *who ? who : "by another process");
}

static int sign(int fd)
{
    char host[65] = "?", when[40] = "", text[200];
    time_t now = time(NULL);
    struct tm t;
    gethostname(host, sizeof host - 1);
    if (localtime_r(&now, &t))
        strftime(when, sizeof when, "%Y-%m-%d %H:%M", &t);
    int n = snprintf(text, sizeof text, "pid %ld on host %s since %s\n", (long)getpid(), host, when);
    return ftruncate(fd, 0) ? -1 : bai_pwrite_all(fd, text, (size_t)n, 0);
}

int bai_lock(int dirfd, const char *path, ba_err *e)
{
    int fd = openat(dirfd, "run.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644), got = -1;
    if (fd < 0)
        return ba_fail(e, BA_EMACHINE, "%.200s/run.lock: %s", path, strerror(errno));
    for (int i = 0; i < TRIES && (got = flock(fd, LOCK_EX | LOCK_NB)) && errno == EWOULDBLOCK; i++)
        pause_ms(10);
    if (got && errno == EWOULDBLOCK)
        return refuse(fd, path, e);
    if (got || sign(fd)) {
        ba_fail(e, BA_EMACHINE, "%.200s/run.lock: %s", path, strerror(errno));
        close(fd);
        return BA_EMACHINE;
    }
    return fd;
}

int bai_lock_held(int dirfd)
{
    int fd = openat(dirfd, "run.lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    int held = !flock(fd, LOCK_SH | LOCK_NB) ? 0 : errno == EWOULDBLOCK ? 1 : -1;
    close(fd);
    return held;
}
