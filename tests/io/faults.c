/* faults: stands in front of the C library's file functions in this program. One operation (or all from one on) can fail,
 * be cut short, crash, or end the process; and the order of writes, flushes and renames can be watched.
 *
 * Every function goes to the kernel itself, so that nothing else has to be replaced. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "help.h"
#include "replay.h"

static enum fault kind;
static long at, count;
static int error, hit;

static int watching;
static long violations;
static char first_violation[300];
static struct { dev_t dev; ino_t ino; } dirty[64], unflushed[64]; /* files with unflushed bytes; folders with unflushed names */
static int n_dirty, n_unflushed;

void fault_arm(enum fault k, long n, int e)
{
    kind = k;
    at = n;
    count = 0;
    error = e;
    hit = 0;
}

long fault_disarm(void)
{
    kind = FAULT_NONE;
    return count;
}

int fault_hit(void) { return hit; }

/* Whether this operation fails; for FAULT_TORN 2 is given to writes that shall do half of their work first. */
static int fails(int is_write)
{
    if (kind == FAULT_NONE || ++count < at || (kind == FAULT_ONCE && count > at) || (kind == FAULT_TORN && count > at + 1))
        return 0;
    if (kind == FAULT_TORN && count == at) {
        hit |= is_write;
        return is_write ? 2 : 0;
    }
    if (kind == FAULT_TORN && !hit)
        return 0;
    hit = 1;
    if (kind == FAULT_CRASH) {
        kind = FAULT_NONE; /* what a handler does is let through */
        abort();
    }
    if (kind == FAULT_KILL) {
        if (is_write)
            return 3;
        kill(getpid(), SIGKILL);
    }
    errno = error;
    return 1;
}

/* ---- order ---- */

void order_begin(void)
{
    watching = 1;
    violations = 0;
    n_dirty = n_unflushed = 0;
    *first_violation = 0;
}

static void violation(const char *what, const char *name)
{
    if (!violations++)
        snprintf(first_violation, sizeof first_violation, "%s %s", what, name);
}

long order_end(const char **first)
{
    if (n_unflushed)
        violation("a folder is not flushed at the end", "");
    watching = 0;
    *first = first_violation;
    return violations;
}

static void mark(int fd, int is_dirty)
{
    struct stat st;
    int keep = errno;
    if (watching && !fstat(fd, &st)) {
        int i = 0;
        while (i < n_dirty && (dirty[i].ino != st.st_ino || dirty[i].dev != st.st_dev))
            i++;
        if (is_dirty && i == n_dirty && n_dirty < 64) {
            dirty[i].dev = st.st_dev;
            dirty[n_dirty++].ino = st.st_ino;
        } else if (!is_dirty && i < n_dirty)
            dirty[i] = dirty[--n_dirty];
        for (i = 0; !is_dirty && i < n_unflushed; i++)
            if (unflushed[i].ino == st.st_ino && unflushed[i].dev == st.st_dev)
                unflushed[i--] = unflushed[--n_unflushed];
    }
    errno = keep;
}

static void renamed(int fd, const char *from)
{
    struct stat st;
    int keep = errno;
    if (watching && !fstatat(fd, from, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode))
        for (int i = 0; i < n_dirty; i++)
            if (dirty[i].ino == st.st_ino && dirty[i].dev == st.st_dev)
                violation("renamed before its bytes were flushed:", from);
    if (watching && !fstat(fd, &st) && n_unflushed < 64) {
        unflushed[n_unflushed].dev = st.st_dev;
        unflushed[n_unflushed++].ino = st.st_ino;
    }
    errno = keep;
}

/* ---- the functions, under both of the names that headers give them ---- */

#define TWICE(ret, name, params, args) \
    ret shim_##name params __asm__(#name); \
    ret shim_##name##64 params __asm__(#name "64"); \
    ret shim_##name##64 params { return shim_##name args; } \
    ret shim_##name params
#define ONCE(ret, name, params) ret shim_##name params __asm__(#name); ret shim_##name params

static ssize_t half_and_die(int fd, const void *p, size_t n, off_t offset, int positioned)
{
    if (positioned)
        syscall(SYS_pwrite64, fd, p, n / 2, offset);
    else
        syscall(SYS_write, fd, p, n / 2);
    kill(getpid(), SIGKILL);
    return -1;
}

ONCE(ssize_t, write, (int fd, const void *p, size_t n))
{
    int f = fails(1);
    if (f == 1)
        return -1;
    if (f == 3)
        return half_and_die(fd, p, n, 0, 0);
    mark(fd, 1);
    ssize_t done = (ssize_t)syscall(SYS_write, fd, p, f == 2 && n > 1 ? n / 2 : n);
    if (done > 0)
        replay_wrote(fd, -1, p, (size_t)done);
    return done;
}

TWICE(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t offset), (fd, p, n, offset))
{
    int f = fails(1);
    if (f == 1)
        return -1;
    if (f == 3)
        return half_and_die(fd, p, n, offset, 1);
    mark(fd, 1);
    ssize_t done = (ssize_t)syscall(SYS_pwrite64, fd, p, f == 2 && n > 1 ? n / 2 : n, offset);
    if (done > 0)
        replay_wrote(fd, offset, p, (size_t)done);
    return done;
}

TWICE(ssize_t, pread, (int fd, void *p, size_t n, off_t offset), (fd, p, n, offset))
{
    return fails(0) ? -1 : (ssize_t)syscall(SYS_pread64, fd, p, n, offset);
}

ONCE(int, fsync, (int fd))
{
    if (fails(0))
        return -1;
    mark(fd, 0);
    replay_flushed(fd);
    return (int)syscall(SYS_fsync, fd);
}

ONCE(int, fdatasync, (int fd))
{
    if (fails(0))
        return -1;
    mark(fd, 0);
    replay_flushed(fd);
    return (int)syscall(SYS_fdatasync, fd);
}

ONCE(int, close, (int fd)) /* closes, whatever it answers: as the kernel does */
{
    int f = fails(0), keep = errno, r = (int)syscall(SYS_close, fd);
    errno = f ? keep : errno;
    return f ? -1 : r;
}

ONCE(int, renameat, (int a, const char *from, int b, const char *to))
{
    if (fails(0))
        return -1;
    renamed(a, from);
    replay_renamed(a, from, to);
    return (int)syscall(SYS_renameat2, a, from, b, to, 0);
}

ONCE(int, unlinkat, (int fd, const char *name, int flags))
{
    int r = fails(0) ? -1 : (int)syscall(SYS_unlinkat, fd, name, flags);
    if (!r)
        replay_removed(fd, name);
    return r;
}

ONCE(int, symlinkat, (const char *to, int fd, const char *name))
{
    int r = fails(0) ? -1 : (int)syscall(SYS_symlinkat, to, fd, name);
    if (!r)
        replay_linked(fd, name, to);
    return r;
}

ONCE(int, mkdirat, (int fd, const char *name, mode_t mode))
{
    int r = fails(0) ? -1 : (int)syscall(SYS_mkdirat, fd, name, mode);
    if (!r)
        replay_folder(fd, name);
    return r;
}

ONCE(int, flock, (int fd, int how)) { return fails(0) ? -1 : (int)syscall(SYS_flock, fd, how); }

TWICE(int, ftruncate, (int fd, off_t n), (fd, n))
{
    int r = fails(0) ? -1 : (int)syscall(SYS_ftruncate, fd, n);
    if (!r)
        replay_truncated(fd, n);
    return r;
}

TWICE(int, posix_fallocate, (int fd, off_t from, off_t n), (fd, from, n))
{
    return fails(0) ? errno : syscall(SYS_fallocate, fd, 0, from, n) ? errno : 0;
}

static int opened(int fd, const char *path, int flags, mode_t mode)
{
    struct stat st;
    int keep = errno, isnew = flags & O_CREAT && fstatat(fd, path, &st, AT_SYMLINK_NOFOLLOW);
    errno = keep;
    int r = fails(0) ? -1 : (int)syscall(SYS_openat, fd, path, flags, mode);
    if (r >= 0 && isnew)
        replay_created(fd, path, r);
    return r;
}

int shim_openat(int fd, const char *path, int flags, ...) __asm__("openat");
int shim_openat64(int fd, const char *path, int flags, ...) __asm__("openat64");

int shim_openat(int fd, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return opened(fd, path, flags, mode);
}

int shim_openat64(int fd, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return opened(fd, path, flags, mode);
}
