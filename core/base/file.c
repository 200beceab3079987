/* file: the only way bytes get under a final name (temporary name, fsync, rename, fsync of the folder), and reading
 * of whole regular files. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

int bai_write_all(int fd, const void *data, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t r = write(fd, (const char *)data + done, n - done);
        if (r > 0)
            done += (size_t)r;
        else if (r == 0 || errno != EINTR)
            return errno = r ? errno : EIO, -1;
    }
    return 0;
}

int bai_pwrite_all(int fd, const void *data, size_t n, int64_t offset)
{
    for (size_t done = 0; done < n;) {
        ssize_t r = pwrite(fd, (const char *)data + done, n - done, (off_t)(offset + (int64_t)done));
        if (r > 0)
            done += (size_t)r;
        else if (r == 0 || errno != EINTR)
            return errno = r ? errno : EIO, -1;
    }
    return 0;
}

int bai_pread_all(int fd, void *data, size_t n, int64_t offset)
{
    for (size_t done = 0; done < n;) {
        ssize_t r = pread(fd, (char *)data + done, n - done, (off_t)(offset + (int64_t)done));
        if (r > 0)
            done += (size_t)r;
        else if (r == 0 || errno != EINTR)
            return errno = r ? errno : 0, -1;
    }
    return 0;
}

/* ".NAME.RANDOM.tmp": random, so that neither another process nor a file left by a killed one is in the way. */
static int temporary_name(char *out, size_t size, const char *name)
{
    uint32_t r[2];
    if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r)
        return errno = EIO, -1;
    int n = snprintf(out, size, ".%s.%08x%08x.tmp", name, r[0], r[1]);
    return n < (int)size ? 0 : (errno = ENAMETOOLONG, -1);
}

int bai_is_temporary(const char *name)
{
    size_t n = strlen(name);
    return n > 22 && name[0] == '.' && name[n - 21] == '.' && !strcmp(name + n - 4, ".tmp")
        && strspn(name + n - 20, "0123456789abcdef") == 16;
}

int bai_put_begin(bai_put *p, int dirfd, const char *name)
{
    *p = (bai_put){ .dirfd = dirfd, .fd = -1 };
    if (snprintf(p->name, sizeof p->name, "%s", name) >= (int)sizeof p->name)
        return errno = ENAMETOOLONG, -1;
    for (int tries = 0; tries < 4; tries++) {
        if (temporary_name(p->tmp, sizeof p->tmp, name))
            return -1;
        p->fd = openat(dirfd, p->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (p->fd >= 0 || errno != EEXIST)
            break;
    }
    return p->fd < 0 ? -1 : 0;
}

int bai_put_write(bai_put *p, const void *data, size_t n)
{
    return bai_write_all(p->fd, data, n);
}

int bai_put_at(bai_put *p, int64_t offset, const void *data, size_t n)
{
    return bai_pwrite_all(p->fd, data, n, offset);
}

void bai_put_drop(bai_put *p)
{
    int keep = errno;
    if (p->fd >= 0) {
        close(p->fd);
        unlinkat(p->dirfd, p->tmp, 0);
    }
    p->fd = -1;
    errno = keep;
}

int bai_put_end(bai_put *p)
{
    int failed = fsync(p->fd) ? errno : 0; /* not retried: a second fsync may lie */
    if (close(p->fd) && !failed)
        failed = errno;
    p->fd = -1;
    if (!failed && renameat(p->dirfd, p->tmp, p->dirfd, p->name))
        failed = errno;
    if (failed) {
        unlinkat(p->dirfd, p->tmp, 0);
        return errno = failed, -1;
    }
    return fsync(p->dirfd); /* -1 here: the file is there, its name may not survive a power cut */
}

int bai_file_put(int dirfd, const char *name, const void *data, size_t n)
{
    bai_put p;
    if (bai_put_begin(&p, dirfd, name))
        return -1;
    if (bai_put_write(&p, data, n)) {
        bai_put_drop(&p);
        return -1;
    }
    return bai_put_end(&p);
}

int bai_file_link(int dirfd, const char *name, const char *target)
{
    char tmp[NAME_MAX + 1];
    if (temporary_name(tmp, sizeof tmp, name) || symlinkat(target, dirfd, tmp))
        return -1;
    if (renameat(dirfd, tmp, dirfd, name)) {
        int failed = errno;
        unlinkat(dirfd, tmp, 0);
        return errno = failed, -1;
    }
    return fsync(dirfd);
}

int bai_file_open(int dirfd, const char *path, const char *label, int64_t *size, ba_err *e)
{
    struct stat st;
    int fd = openat(dirfd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return ba_fail(e, errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? BA_EDATA : BA_EMACHINE, "%.300s: %s", label,
            strerror(errno));
    if (fstat(fd, &st)) {
        ba_fail(e, BA_EMACHINE, "%.300s: %s", label, strerror(errno));
        close(fd);
        return BA_EMACHINE;
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return ba_fail(e, BA_EDATA, "%.300s: is %s; a regular file expected", label,
            S_ISDIR(st.st_mode) ? "a folder" : S_ISFIFO(st.st_mode) ? "a pipe" : S_ISSOCK(st.st_mode) ? "a socket" : "a device");
    }
    *size = st.st_size;
    return fd;
}

char *bai_file_read(int dirfd, const char *path, const char *label, int64_t limit, int64_t *size, ba_err *e)
{
    int fd = bai_file_open(dirfd, path, label, size, e);
    if (fd < 0)
        return NULL;
    char *p = NULL;
    if (*size > limit)
        ba_fail(e, BA_EDATA, "%.300s: %lld bytes; at most %lld expected", label, (long long)*size, (long long)limit);
    else if (!(p = malloc((size_t)*size + 1)))
        ba_fail(e, BA_EMACHINE, "%.300s: no memory for %lld bytes", label, (long long)*size);
    else if (bai_pread_all(fd, p, (size_t)*size, 0)) {
        ba_fail(e, errno ? BA_EMACHINE : BA_EDATA, "%.300s: %s", label, errno ? strerror(errno)
            : "became shorter while it was read");
        free(p);
        p = NULL;
    } else
        p[*size] = 0;
    close(fd);
    return p;
}

int bai_folder_of(const char *path, const char **base)
{
    const char *slash = strrchr(path, '/');
    *base = slash ? slash + 1 : path;
    if (!**base || !strcmp(*base, ".") || !strcmp(*base, ".."))
        return errno = EISDIR, -1;
    if (!slash)
        return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char folder[PATH_MAX];
    size_t n = slash == path ? 1 : (size_t)(slash - path);
    if (n >= sizeof folder)
        return errno = ENAMETOOLONG, -1;
    memcpy(folder, path, n);
    folder[n] = 0;
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int bai_folder_make(int dirfd, const char *name)
{
    if (!mkdirat(dirfd, name, 0755))
        return fsync(dirfd);
    return errno == EEXIST ? 0 : -1;
}
