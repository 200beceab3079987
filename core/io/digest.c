/* digest: SHA-256 of bytes and of files as text: what a cell of a grid is known by. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/crc.h"
#include "../base/file.h"
#include "bauta/system.h"

int ba_digest(const void *data, int64_t bytes, char out[65], ba_err *e)
{
    bai_sha256 s;
    if ((!data && bytes) || bytes < 0 || !out)
        return ba_fail(e, BA_EARG, "digest: bytes and a place for the answer expected");
    bai_sha256_begin(&s);
    bai_sha256_add(&s, data, (size_t)bytes);
    bai_sha256_text(&s, out);
    return BA_OK;
}

int ba_file_digest(const char *path, char out[65], ba_err *e)
{
    enum { PIECE = 1 << 20 };
    int64_t size;
    if (!path || !out)
        return ba_fail(e, BA_EARG, "digest: a path and a place for the answer expected");
    int fd = bai_file_open(AT_FDCWD, path, path, &size, e);
    if (fd < 0)
        return fd;
    char *piece = malloc(PIECE);
    bai_sha256 s;
    bai_sha256_begin(&s);
    ssize_t n = -1;
    errno = ENOMEM;
    while (piece && (n = read(fd, piece, PIECE)) > 0)
        bai_sha256_add(&s, piece, (size_t)n);
    int why = errno;
    free(piece);
    close(fd);
    if (n < 0)
        return ba_fail(e, BA_EMACHINE, "%.300s: %s", path, strerror(why));
    bai_sha256_text(&s, out);
    return BA_OK;
}
