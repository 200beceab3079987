/* host: what data plugins are offered: the table of functions of bauta/data.h. */
#include "dataset.h"
#include "decode.h"
#include "exif.h"
#include "files.h"
#include "pack.h"
#include "resize.h"
#include "spectrum.h"

#include <stdlib.h>

static int reserve_bytes(ba_encoded *p, int64_t n, ba_err *e)
{
    if (!p || n < 0 || n > BAI_MAX_FILE)
        return ba_fail(e, BA_EARG, "%lld bytes; at most 256 MiB expected", (long long)n);
    if (n > p->capacity || !p->bytes) {
        free(p->bytes);
        p->capacity = n + n / 4 + 1; /* the next one may be a little larger */
        if (!(p->bytes = malloc((size_t)p->capacity))) {
            p->capacity = 0;
            return ba_fail(e, BA_EMACHINE, "no memory for %lld bytes", (long long)n);
        }
    }
    p->n = n;
    return BA_OK;
}

static int file_encoded(const ba_files *f, int64_t i, ba_encoded *out, ba_err *e)
{
    int64_t n = bai_file_size(f, i);
    if (n < 0 || !out)
        return ba_fail(e, BA_EARG, "file number %lld; 0 to %lld expected", (long long)i, (long long)bai_files_count(f) - 1);
    bai_file_label(f, i, out->name, sizeof out->name);
    if (n > BAI_MAX_FILE)
        return ba_fail(e, BA_EDATA, "%.400s: %lld bytes; at most 256 MiB expected", out->name, (long long)n);
    if (reserve_bytes(out, n, NULL) < 0)
        return ba_fail(e, BA_EMACHINE, "%.400s: no memory for %lld bytes", out->name, (long long)n);
    return bai_file_get(f, i, 0, n, out->bytes, e);
}

static int file_picture(const ba_files *f, int64_t i, ba_picture *out, ba_err *e)
{
    ba_encoded file = { .size = sizeof file };
    int status = file_encoded(f, i, &file, e);
    if (status >= 0)
        status = bai_decode(file.bytes, file.n, file.name, out, e);
    free(file.bytes);
    return status;
}

static int file_upright(const ba_files *f, int64_t i, ba_picture *p, ba_err *e)
{
    ba_encoded file = { .size = sizeof file };
    int status = file_encoded(f, i, &file, e);
    if (status >= 0)
        status = bai_upright(p, bai_orientation(file.bytes, file.n), e);
    free(file.bytes);
    return status;
}

static int resize(const ba_picture *in, int64_t x, int64_t y, int64_t width, int64_t height, int interpolation, ba_picture *out,
    ba_err *e)
{
    if (!in || !out || !in->pixels || !out->pixels || in == out)
        return ba_fail(e, BA_EARG, "resize: two pictures with pixels expected");
    if (x < 0 || y < 0 || width < 1 || height < 1 || width > in->columns - x || height > in->rows - y)
        return ba_fail(e, BA_EARG, "resize: %lldx%lld at (%lld,%lld) is not part of %lldx%lld", (long long)width,
            (long long)height, (long long)x, (long long)y, (long long)in->columns, (long long)in->rows);
    bai_resizer r = { 0 };
    bai_part part = { .pixels = in->pixels + (y * in->columns + x) * 3, .stride = in->columns * 3, .rows = height,
        .columns = width };
    bai_window w = { .full_rows = out->rows, .full_columns = out->columns, .rows = out->rows, .columns = out->columns };
    int status = bai_resize(&r, &part, &w, interpolation, out->pixels, e);
    bai_resizer_end(&r);
    return status;
}

static int reserve_values(ba_picture *p, int64_t rows, int64_t columns, ba_err *e)
{
    if (!p || p->size < sizeof *p || rows < 1 || columns < 1 || rows > BAI_MAX_SIDE || columns > BAI_MAX_SIDE)
        return ba_fail(e, BA_EARG, "a spectrogram of %lldx%lld; 1 to %d rows and columns, in a picture of ABI 1.3, expected", (long long)rows,
            (long long)columns, BAI_MAX_SIDE);
    if (rows * columns > p->values_capacity || !p->values) {
        free(p->values);
        p->values_capacity = rows * columns;
        if (!(p->values = malloc((size_t)p->values_capacity * sizeof *p->values))) {
            p->values_capacity = 0;
            return ba_fail(e, BA_EMACHINE, "no memory for a spectrogram of %lldx%lld", (long long)rows, (long long)columns);
        }
    }
    p->rows = rows;
    p->columns = columns;
    return BA_OK;
}

static int spectrum(const float *sound, int64_t n, int64_t rate, int64_t bins, int64_t frames, ba_picture *out, ba_err *e)
{
    int status = reserve_values(out, bins, frames, e);
    return status < 0 ? status : bai_spectrum(sound, n, rate, bins, frames, out->values, e);
}

const ba_data_host bai_data_host = {
    .size = sizeof(ba_data_host),
    .files_open = bai_files_open, .files_close = bai_files_close, .files_count = bai_files_count,
    .file_name = bai_file_name, .file_size = bai_file_size, .file_find = bai_file_find,
    .file_read = bai_file_get, .file_label = bai_file_label,
    .reserve = bai_picture_reserve, .decode = bai_decode, .file_picture = file_picture, .resize = resize,
    .file_upright = file_upright, .reserve_bytes = reserve_bytes, .file_encoded = file_encoded,
    .is_pack = bai_is_pack, .pack_open = bai_pack_open, .pack_close = bai_pack_close, .pack_label = bai_pack_label,
    .pack_read = bai_pack_read, .pack_encoded = bai_pack_encoded,
    .reserve_values = reserve_values, .spectrum = spectrum,
};
