/* single: one picture at a time, outside of any loader: a file, or a sample, as evaluation would show it; and a sample's checksum. */
#include "../base/crc.h"
#include "augment.h"
#include "dataset.h"
#include "decode.h"
#include "exif.h"
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int show(const ba_augment *how, const ba_picture *p, const char *name, uint8_t *rgb, ba_err *e)
{
    bai_resizer r = { 0 };
    bai_draw d;
    ba_box box;
    int status = bai_augment_judge(how, e);
    if (status < 0)
        return status;
    if (how->policy != BA_AUGMENT_NONE && how->policy != BA_AUGMENT_EVALUATE)
        return ba_fail(e, BA_EARG, "%.300s: shown without (0) or with the crop of evaluation (3), not by policy %d", name, how->policy);
    status = bai_augment_draw(how, p->rows, p->columns, 0, 0, 0, &d, e);
    if (status >= 0)
        status = bai_augment_apply(&r, how, &d, p, rgb, &box, e);
    bai_resizer_end(&r);
    return status;
}

/* The whole file; *bytes is to be freed. */
static int64_t read_file(const char *path, uint8_t **bytes, ba_err *e)
{
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int64_t n = 0, got = 0;
    *bytes = NULL;
    if (fd < 0 || fstat(fd, &s)) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        return ba_fail(e, BA_EDATA, "%.400s: %s", path, strerror(why));
    }
    n = s.st_size;
    if (!S_ISREG(s.st_mode) || n > BAI_MAX_FILE) {
        close(fd);
        return ba_fail(e, BA_EDATA, "%.400s: %s", path, n > BAI_MAX_FILE ? "exceeds 256 MiB" : "a file expected");
    }
    *bytes = malloc((size_t)n + 1);
    for (ssize_t r = 1; *bytes && got < n && r > 0; got += r > 0 ? r : 0)
        r = read(fd, *bytes + got, (size_t)(n - got));
    close(fd);
    if (!*bytes)
        return ba_fail(e, BA_EMACHINE, "%.400s: no memory for %lld bytes", path, (long long)n);
    return got == n ? n : ba_fail(e, BA_EDATA, "%.400s: ends after %lld of %lld bytes", path, (long long)got, (long long)n);
}

int ba_picture_load(const char *path, int32_t upright, const ba_augment *how, uint8_t *rgb, ba_err *e)
{
    ba_picture p = { .size = sizeof p };
    uint8_t *bytes;
    if (!path || !how || !rgb)
        return ba_fail(e, BA_EARG, "a path, how to show it and room for the picture expected");
    int64_t n = read_file(path, &bytes, e);
    int status = n < 0 ? (int)n : bai_decode(bytes, n, path, &p, e);
    if (status >= 0 && upright)
        status = bai_upright(&p, bai_orientation(bytes, n), e);
    if (status >= 0)
        status = show(how, &p, path, rgb, e);
    free(bytes);
    free(p.pixels);
    return status;
}

int ba_dataset_show(ba_dataset *d, int64_t i, const ba_augment *how, uint8_t *rgb, ba_err *e)
{
    ba_sample s;
    char name[48];
    if (!how || !rgb)
        return ba_fail(e, BA_EARG, "how to show it and room for the picture expected");
    int status = ba_dataset_read(d, i, &s, e);
    if (status < 0)
        return status;
    snprintf(name, sizeof name, "sample %lld", (long long)i);
    ba_picture p = { .size = sizeof p, .rows = s.rows, .columns = s.columns, .pixels = (uint8_t *)(uintptr_t)s.pixels };
    return show(how, &p, name, rgb, e);
}

int ba_dataset_hash(ba_dataset *d, int64_t i, char out[65], ba_err *e)
{
    ba_sample s;
    bai_sha256 h;
    uint8_t sum[32];
    if (!out)
        return ba_fail(e, BA_EARG, "room for 65 characters expected");
    int status = ba_dataset_read(d, i, &s, e);
    if (status < 0)
        return status;
    bai_sha256_begin(&h);
    bai_sha256_add(&h, &s.rows, sizeof s.rows);
    bai_sha256_add(&h, &s.columns, sizeof s.columns);
    bai_sha256_add(&h, s.pixels, (size_t)(s.rows * s.columns * 3));
    bai_sha256_end(&h, sum);
    for (int b = 0; b < 32; b++)
        snprintf(out + 2 * b, 3, "%02x", sum[b]);
    return (int)s.label;
}
