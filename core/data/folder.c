/* folder: lists a folder and all below it. Links are followed; what is neither a folder nor a regular file is an error,
 * as is a tree deeper than a data set can be (a link that leads back up). */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DEPTH = 16 };

typedef struct walk {
    ba_files *files;
    char name[BAI_MAX_NAME + 1]; /* of the entry at hand, relative to the top */
} walk;

static int list_one(walk *w, int fd, int64_t length, int depth, ba_err *e);

static int complain(const walk *w, const char *what, ba_err *e)
{
    return ba_fail(e, BA_EDATA, "%.200s/%.200s: %s", w->files->path, w->name, what);
}

static int add_file(walk *w, const struct stat *st, ba_err *e)
{
    bai_entry t = { .size = st->st_size, .stamp = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec };
    return bai_files_add(w->files, w->name, &t, e);
}

static int add_folder(walk *w, int parent, const char *base, int64_t length, int depth, ba_err *e)
{
    if (depth >= MAX_DEPTH)
        return complain(w, "more than 16 folders deep (a link to a folder above?)", e);
    if (length + 1 > BAI_MAX_NAME)
        return complain(w, "longer than 4095 bytes", e);
    int fd = openat(parent, base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return complain(w, strerror(errno), e);
    memcpy(w->name + length, "/", 2);
    bai_entry t = { .size = 0 };
    int status = bai_files_add(w->files, w->name, &t, e);
    if (status < 0)
        close(fd);
    return status < 0 ? status : list_one(w, fd, length + 1, depth + 1, e);
}

/* An entry `base` of the folder fd, whose own name takes the first `length` bytes of w->name. */
static int add_entry(walk *w, int fd, const char *base, int64_t length, int depth, ba_err *e)
{
    struct stat st;
    int64_t n = (int64_t)strlen(base);
    if (base[0] == '.')
        return BA_OK;
    if (length + n > BAI_MAX_NAME)
        return complain(w, "holds names longer than 4095 bytes", e);
    memcpy(w->name + length, base, (size_t)n + 1);
    if (fstatat(fd, base, &st, 0))
        return complain(w, errno == ENOENT ? "a link that leads nowhere" : strerror(errno), e);
    if (S_ISREG(st.st_mode))
        return add_file(w, &st, e);
    if (S_ISDIR(st.st_mode))
        return add_folder(w, fd, base, length + n, depth, e);
    return complain(w, S_ISFIFO(st.st_mode) ? "is a pipe; a regular file expected" :
        S_ISSOCK(st.st_mode) ? "is a socket; a regular file expected" : "is a device; a regular file expected", e);
}

/* Takes fd. */
static int list_one(walk *w, int fd, int64_t length, int depth, ba_err *e)
{
    struct dirent *d;
    int status = BA_OK;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return ba_fail(e, BA_EMACHINE, "%.200s/%.200s: %s", w->files->path, w->name, strerror(errno));
    }
    for (errno = 0; status >= 0 && (d = readdir(dir)); errno = 0)
        status = add_entry(w, dirfd(dir), d->d_name, length, depth, e);
    if (status >= 0 && errno)
        status = ba_fail(e, BA_EMACHINE, "%.200s/%.200s: %s", w->files->path, w->name, strerror(errno));
    closedir(dir);
    return status;
}

int bai_folder_list(ba_files *f, ba_err *e)
{
    walk *w = calloc(1, sizeof *w);
    int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), status;
    if (!w || fd < 0) {
        status = ba_fail(e, BA_EMACHINE, "%.300s: %s", f->path, w ? strerror(errno) : "no memory");
        if (fd >= 0)
            close(fd);
    } else {
        w->files = f;
        status = list_one(w, fd, 0, 0, e);
    }
    free(w);
    return status;
}
