/* files: opens a folder, tar or tar.gz, keeps the sorted list of names and reads parts of files by position.
 * Few descriptors: one for the folder or tar, one more for the moment of a read. */
#include "files.h"

#include "base/file.h"
#include "pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int64_t stamp_of(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static int grow(void **p, int64_t *room, int64_t wanted, int64_t item)
{
    if (wanted <= *room)
        return 0;
    int64_t n = *room * 2 > wanted ? *room * 2 : wanted + 64;
    void *q = realloc(*p, (size_t)(n * item));
    if (!q)
        return -1;
    *p = q;
    *room = n;
    return 0;
}

int bai_files_add(ba_files *f, const char *name, const bai_entry *entry, ba_err *e)
{
    int64_t n = (int64_t)strlen(name) + 1;
    if (grow((void **)&f->names, &f->names_room, f->names_used + n, 1)
        || grow((void **)&f->entries, &f->room, f->count + 1, sizeof *f->entries))
        return ba_fail(e, BA_EMACHINE, "%.300s: no memory for a list of %lld files", f->path, (long long)f->count);
    memcpy(f->names + f->names_used, name, (size_t)n);
    f->entries[f->count] = *entry;
    f->entries[f->count++].name = f->names_used;
    f->names_used += n;
    return BA_OK;
}

static int by_name(const void *a, const void *b, void *names)
{
    const bai_entry *x = a, *y = b;
    int order = strcmp((char *)names + x->name, (char *)names + y->name);
    return order ? order : (x->offset > y->offset) - (x->offset < y->offset);
}

/* Sorts; a file that is there twice is an error, a folder that is there twice is one folder. */
static int put_in_order(ba_files *f, ba_err *e)
{
    int64_t kept = 0;
    if (f->count)
        qsort_r(f->entries, (size_t)f->count, sizeof *f->entries, by_name, f->names);
    for (int64_t i = 0; i < f->count; i++) {
        const char *name = f->names + f->entries[i].name;
        if (kept && !strcmp(name, f->names + f->entries[kept - 1].name)) {
            if (name[strlen(name) - 1] == '/')
                continue;
            return ba_fail(e, BA_EDATA, "%.200s: %.200s is there twice, again at offset %lld", f->path, name,
                (long long)f->entries[i].offset);
        }
        f->entries[kept++] = f->entries[i];
    }
    f->count = kept;
    return BA_OK;
}

/* A regular file: a tar, perhaps gzipped. */
static int open_archive(ba_files *f, const char *path, ba_err *e)
{
    struct stat st;
    unsigned char magic[2];
    f->fd = bai_file_open(AT_FDCWD, path, path, &f->size, e);
    if (f->fd < 0)
        return f->fd;
    f->is_tar = 1;
    if (fstat(f->fd, &st))
        return ba_fail(e, BA_EMACHINE, "%.300s: %s", path, strerror(errno));
    f->stamp = stamp_of(&st);
    if (f->size < 18) /* the least a gzip file has */
        return ba_fail(e, BA_EDATA, "%.300s: %lld bytes; a tar, a gzipped tar or a folder expected", path, (long long)f->size);
    if (bai_is_pack(path))
        return ba_fail(e, BA_EDATA, "%.300s: is a packed data set; the data plugin images reads it, and no other", path);
    if (bai_pread_all(f->fd, magic, 2, 0))
        return ba_fail(e, BA_EMACHINE, "%.300s: %s", path, strerror(errno));
    if (magic[0] == 0x1f && magic[1] == 0x8b) {
        int packed = f->fd;
        f->fd = bai_gunzip(path, packed, f->size, f->stamp, e);
        close(packed);
        if (f->fd < 0)
            return f->fd;
        if (fstat(f->fd, &st))
            return ba_fail(e, BA_EMACHINE, "%.300s: %s", path, strerror(errno));
        f->size = st.st_size;
        f->stamp = stamp_of(&st);
    }
    return bai_tar_list(f, e);
}

static int open_path(ba_files *f, const char *path, ba_err *e)
{
    struct stat st;
    if (stat(path, &st))
        return ba_fail(e, errno == EACCES || errno == EIO ? BA_EMACHINE : BA_EDATA, "%.300s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return open_archive(f, path, e);
    f->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->fd < 0)
        return ba_fail(e, BA_EMACHINE, "%.300s: %s", path, strerror(errno));
    return bai_folder_list(f, e);
}

ba_files *bai_files_open(const char *path, ba_err *e)
{
    if (!path || !*path) {
        ba_fail(e, BA_EARG, "path is empty; a folder, a .tar or a .tar.gz expected");
        return NULL;
    }
    ba_files *f = calloc(1, sizeof *f);
    if (f)
        f->fd = -1;
    if (!f || !(f->path = strdup(path)))
        ba_fail(e, BA_EMACHINE, "%.300s: no memory", path);
    else if (open_path(f, path, e) >= 0 && put_in_order(f, e) >= 0)
        return f;
    bai_files_close(f);
    return NULL;
}

void bai_files_close(ba_files *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f->names);
    free(f->entries);
    free(f);
}

int64_t bai_files_count(const ba_files *f)
{
    return f ? f->count : -1;
}

const char *bai_file_name(const ba_files *f, int64_t i)
{
    return f && i >= 0 && i < f->count ? f->names + f->entries[i].name : NULL;
}

int64_t bai_file_size(const ba_files *f, int64_t i)
{
    return f && i >= 0 && i < f->count ? f->entries[i].size : -1;
}

int64_t bai_file_find(const ba_files *f, const char *name)
{
    int64_t lo = 0, hi = f && name ? f->count : 0;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        int order = strcmp(f->names + f->entries[mid].name, name);
        if (!order)
            return mid;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

void bai_file_label(const ba_files *f, int64_t i, char *out, int64_t bytes)
{
    const char *name = bai_file_name(f, i);
    if (out && bytes > 0)
        snprintf(out, (size_t)bytes, "%.200s%s%.300s", f ? f->path : "", f && f->is_tar ? ": " : "/", name ? name : "?");
}

static int changed(const ba_files *f, int64_t i, ba_err *e)
{
    char label[512];
    bai_file_label(f, i, label, sizeof label);
    return ba_fail(e, BA_EDATA, "%s: changed since the files were listed", label);
}

static int failed(const ba_files *f, int64_t i, ba_err *e)
{
    char label[512];
    int err = errno;
    bai_file_label(f, i, label, sizeof label);
    return ba_fail(e, err == ENOENT ? BA_EDATA : BA_EMACHINE, "%.480s: %s", label, strerror(err));
}

static int read_from_folder(const ba_files *f, int64_t i, int64_t offset, int64_t bytes, void *out, ba_err *e)
{
    const bai_entry *t = &f->entries[i];
    struct stat st;
    int fd = openat(f->fd, f->names + t->name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY), status = BA_OK;
    if (fd < 0)
        return failed(f, i, e);
    if (fstat(fd, &st))
        status = failed(f, i, e);
    else if (!S_ISREG(st.st_mode) || st.st_size != t->size || stamp_of(&st) != t->stamp)
        status = changed(f, i, e);
    else if (bai_pread_all(fd, out, (size_t)bytes, offset))
        status = errno ? failed(f, i, e) : changed(f, i, e);
    close(fd);
    return status;
}

static int read_from_tar(const ba_files *f, int64_t i, int64_t offset, int64_t bytes, void *out, ba_err *e)
{
    struct stat st;
    if (fstat(f->fd, &st))
        return failed(f, i, e);
    if (st.st_size != f->size || stamp_of(&st) != f->stamp)
        return changed(f, i, e);
    if (bai_pread_all(f->fd, out, (size_t)bytes, f->entries[i].offset + offset))
        return errno ? failed(f, i, e) : changed(f, i, e);
    return BA_OK;
}

int bai_file_get(const ba_files *f, int64_t i, int64_t offset, int64_t bytes, void *out, ba_err *e)
{
    if (!f || i < 0 || i >= f->count)
        return ba_fail(e, BA_EARG, "file number %lld; 0 to %lld expected", (long long)i, (long long)(f ? f->count : 0) - 1);
    int64_t size = f->entries[i].size;
    if (offset < 0 || bytes < 0 || offset > size || bytes > size - offset || (bytes && !out)) {
        char label[512];
        bai_file_label(f, i, label, sizeof label);
        return ba_fail(e, BA_EDATA, "%.400s: %lld bytes from %lld wanted; it has %lld", label, (long long)bytes,
            (long long)offset, (long long)size);
    }
    if (!bytes)
        return BA_OK;
    return f->is_tar ? read_from_tar(f, i, offset, bytes, out, e) : read_from_folder(f, i, offset, bytes, out, e);
}
