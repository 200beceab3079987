/* single: one picture at a time, outside of any loader: a file, or a sample, as evaluation would show it; and a sample's checksum. */
#include "../base/crc.h"
#include "../base/file.h"
#include "augment.h"
#include "dataset.h"
#include "decode.h"
#include "exif.h"
#include "files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

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

int ba_picture_load(const char *path, int32_t upright, const ba_augment *how, uint8_t *rgb, ba_err *e)
{
    ba_picture p = { .size = sizeof p };
    ba_err own = { 0 };
    int64_t n;
    if (!path || !how || !rgb)
        return ba_fail(e, BA_EARG, "a path, how to show it and room for the picture expected");
    e = e ? e : &own;
    char *bytes = bai_file_read(AT_FDCWD, path, path, BAI_MAX_FILE, &n, e);
    int status = bytes ? bai_decode(bytes, n, path, &p, e) : e->code;
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
    if (s.values)
        return ba_fail(e, BA_EARG, "%s is a spectrogram and has no picture", name);
    ba_picture p = { .size = sizeof p, .rows = s.rows, .columns = s.columns, .pixels = (uint8_t *)(uintptr_t)s.pixels };
    return show(how, &p, name, rgb, e);
}

int ba_dataset_hash(ba_dataset *d, int64_t i, char out[65], ba_err *e)
{
    ba_sample s;
    bai_sha256 h;
    if (!out)
        return ba_fail(e, BA_EARG, "room for 65 characters expected");
    int status = ba_dataset_read(d, i, &s, e);
    if (status < 0)
        return status;
    bai_sha256_begin(&h);
    bai_sha256_add(&h, &s.rows, sizeof s.rows);
    bai_sha256_add(&h, &s.columns, sizeof s.columns);
    bai_sha256_add(&h, s.values ? (const void *)s.values : s.pixels, (size_t)bai_dataset_bytes(d, s.rows, s.columns));
    bai_sha256_text(&h, out);
    return (int)s.label;
}
