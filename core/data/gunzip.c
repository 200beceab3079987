/* gunzip: a gzipped tar is unpacked once into the user's cache folder and read there, since a gzip file has no random
 * access. The copy's name is made from path, size and time of change, so a changed archive is unpacked anew, and its older copy removed. */
#include "files.h"

#include "base/file.h"
#include "base/notice.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { PIECE = 1 << 18 };

typedef struct unpack {
    const char *path;
    int fd;
    int64_t size;
    bai_put put;
    z_stream z;
    unsigned char in[PIECE], out[PIECE];
} unpack;

static uint64_t hash(uint64_t h, const void *p, size_t n) /* FNV-1a-64 */
{
    const unsigned char *q = p;
    for (size_t i = 0; i < n; i++)
        h = (h ^ q[i]) * 0x100000001B3u;
    return h;
}

/* The copy's name; how many of its letters all copies of this path share. */
static size_t copy_name(char *out, size_t room, const char *path, int64_t size, int64_t stamp)
{
    char *full = realpath(path, NULL);
    const char *text = full ? full : path, *slash = strrchr(path, '/');
    uint64_t where = hash(0xCBF29CE484222325u, text, strlen(text)), which = hash(hash(where, &size, sizeof size), &stamp, sizeof stamp);
    int n = snprintf(out, room, "%.100s-%016" PRIx64 "-", slash ? slash + 1 : path, where);
    snprintf(out + n, room - (size_t)n, "%016" PRIx64 ".tar", which);
    free(full);
    return (size_t)n;
}

/* Copies of what this archive was before. Who still reads one keeps it open. */
static void remove_older(int folder, const char *name, size_t shared)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    if (!d) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *f; (f = readdir(d));) {
        const char *end = f->d_name + strlen(f->d_name);
        if (!strncmp(f->d_name, name, shared) && end - f->d_name == (ptrdiff_t)strlen(name) && !strcmp(end - 4, ".tar") && strcmp(f->d_name, name))
            unlinkat(folder, f->d_name, 0);
    }
    closedir(d);
}

/* Makes the cache folder and opens it. */
static int cache_folder(const char *path, char *out, size_t room, ba_err *e)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n;
    if (cache && cache[0] == '/')
        n = snprintf(out, room, "%s", cache);
    else if (home && home[0] == '/')
        n = snprintf(out, room, "%s/.cache", home);
    else
        return ba_fail(e, BA_EMACHINE, "%.200s: nowhere to unpack it; set XDG_CACHE_HOME or HOME, or unpack it with gunzip",
            path);
    if (n < 0 || (size_t)n + 8 > room)
        return ba_fail(e, BA_EMACHINE, "%.200s: the name of the cache folder is too long", path);
    mkdir(out, 0700); /* what is wrong with it, open says */
    strcat(out, "/bauta");
    mkdir(out, 0700);
    int fd = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : ba_fail(e, BA_EMACHINE, "%.200s: no cache folder %.200s: %s", path, out, strerror(errno));
}

static int inflate_piece(unpack *u, int64_t *written, int *ended, ba_err *e)
{
    u->z.avail_out = PIECE;
    while (u->z.avail_in || (!u->z.avail_out && !*ended)) { /* a full output may have more behind it */
        if (*ended) { /* a further member, or the zeros some programs pad with */
            if (!*u->z.next_in) {
                u->z.next_in++, u->z.avail_in--;
                continue;
            }
            inflateReset(&u->z);
            *ended = 0;
        }
        u->z.next_out = u->out;
        u->z.avail_out = PIECE;
        int status = inflate(&u->z, Z_NO_FLUSH);
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
            return ba_fail(e, status == Z_MEM_ERROR ? BA_EMACHINE : BA_EDATA, "%.200s: damaged gzip file: %s", u->path,
                u->z.msg ? u->z.msg : zError(status));
        *ended = status == Z_STREAM_END;
        size_t n = PIECE - u->z.avail_out;
        *written += (int64_t)n;
        if (*written > u->size * 1000 + PIECE)
            return ba_fail(e, BA_EDATA, "%.200s: unpacks to more than 1000 times its size", u->path);
        if (bai_put_write(&u->put, u->out, n))
            return ba_fail(e, BA_EMACHINE, "%.200s: unpacking into the cache folder: %s", u->path, strerror(errno));
    }
    return BA_OK;
}

static int inflate_all(unpack *u, ba_err *e)
{
    int64_t written = 0;
    int ended = 0, status = BA_OK;
    for (int64_t at = 0; at < u->size && status >= 0; at += PIECE) {
        size_t n = u->size - at < PIECE ? (size_t)(u->size - at) : PIECE;
        if (bai_pread_all(u->fd, u->in, n, at))
            return ba_fail(e, BA_EMACHINE, "%.200s: %s", u->path, errno ? strerror(errno) : "became shorter while it was read");
        u->z.next_in = u->in;
        u->z.avail_in = (unsigned)n;
        status = inflate_piece(u, &written, &ended, e);
    }
    if (status >= 0 && !ended)
        return ba_fail(e, BA_EDATA, "%.200s: truncated gzip file", u->path);
    return status;
}

static int unpack_into(unpack *u, int folder, const char *name, ba_err *e)
{
    if (inflateInit2(&u->z, 16 + 15) != Z_OK)
        return ba_fail(e, BA_EMACHINE, "%.200s: no memory to unpack it", u->path);
    int status = BA_OK;
    if (bai_put_begin(&u->put, folder, name))
        status = ba_fail(e, BA_EMACHINE, "%.200s: unpacking into the cache folder: %s", u->path, strerror(errno));
    else if ((status = inflate_all(u, e)) < 0)
        bai_put_drop(&u->put);
    else if (bai_put_end(&u->put))
        status = ba_fail(e, BA_EMACHINE, "%.200s: unpacking into the cache folder: %s", u->path, strerror(errno));
    inflateEnd(&u->z);
    return status;
}

int bai_gunzip(const char *path, int fd, int64_t size, int64_t stamp, ba_err *e)
{
    char where[PATH_MAX], name[NAME_MAX + 1];
    int64_t unpacked;
    int folder = cache_folder(path, where, sizeof where, e), out = -1, status = BA_OK;
    if (folder < 0)
        return folder;
    size_t shared = copy_name(name, sizeof name, path, size, stamp);
    if (faccessat(folder, name, F_OK, 0)) {
        unpack *u = calloc(1, sizeof *u);
        bai_notice("unpacking %.400s once into %.400s", path, where);
        if (u) {
            u->path = path, u->fd = fd, u->size = size;
            if ((status = unpack_into(u, folder, name, e)) >= 0)
                remove_older(folder, name, shared);
        } else
            status = ba_fail(e, BA_EMACHINE, "%.200s: no memory to unpack it", path);
        free(u);
    }
    if (status >= 0)
        out = bai_file_open(folder, name, name, &unpacked, e);
    close(folder);
    return status < 0 ? status : out;
}
