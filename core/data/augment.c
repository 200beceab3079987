/* augment: random resized crop, crop out of a black border, flip, and the resize and centre crop of evaluation, as
 * torchvision and timm draw them; the numbers come from Philox, keyed by (seed, "augment", epoch, sample). */
#include "augment.h"

#include <math.h>
#include <string.h>

#include "bauta/rng.h"

enum { BLOCKS = 16, TRIES = 10 }; /* a sample owns 16 blocks of four words: one a try, one for flip and border */

static int between(double lo, double v, double hi)
{
    return v >= lo && v <= hi; /* false for NaN */
}

static int judge_crop(const ba_augment *a, ba_err *e)
{
    if (!(a->scale_low > 0) || !between(a->scale_low, a->scale_high, 1))
        return ba_fail(e, BA_EARG, "augment: scale %g to %g; 0 < low <= high <= 1 expected", a->scale_low, a->scale_high);
    if (!between(0.01, a->ratio_low, 100) || !between(a->ratio_low, a->ratio_high, 100))
        return ba_fail(e, BA_EARG, "augment: ratio %g to %g; 0.01 <= low <= high <= 100 expected", a->ratio_low, a->ratio_high);
    return BA_OK;
}

static int judge_colour(const ba_augment *a, ba_err *e)
{
    const struct { const char *name; double v, most; } all[] = { { "jitter", a->jitter, 1 }, { "brightness", a->brightness, 10 }, { "contrast", a->contrast, 10 },
        { "saturation", a->saturation, 10 }, { "hue", a->hue, 0.5 }, { "grey", a->grey, 1 }, { "blur", a->blur, 1 }, { "solarize", a->solarize, 1 } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!between(0, all[i].v, all[i].most))
            return ba_fail(e, BA_EARG, "augment: %s %g; 0 to %g expected", all[i].name, all[i].v, all[i].most);
    return BA_OK;
}

int bai_augment_judge(const ba_augment *a, ba_err *e)
{
    if (a->size != sizeof *a)
        return ba_fail(e, BA_EARG, "augment: size %u; %zu expected", a->size, sizeof *a);
    if (a->policy < BA_AUGMENT_NONE || a->policy > BA_AUGMENT_EVALUATE)
        return ba_fail(e, BA_EARG, "augment: policy %d; 0 (none), 1 (crop), 2 (pad) or 3 (evaluate) expected", a->policy);
    if (a->interpolation != BA_BICUBIC && a->interpolation != BA_BILINEAR)
        return ba_fail(e, BA_EARG, "augment: interpolation %d; 0 (bicubic) or 1 (bilinear) expected", a->interpolation);
    if (a->image < 1 || a->image > 4096)
        return ba_fail(e, BA_EARG, "augment: image %lld; 1 to 4096 pixels expected", (long long)a->image);
    if (a->policy == BA_AUGMENT_PAD && (a->pad < 0 || a->pad > 1024))
        return ba_fail(e, BA_EARG, "augment: pad %d; 0 to 1024 pixels expected", a->pad);
    if ((a->policy == BA_AUGMENT_CROP || a->policy == BA_AUGMENT_PAD) && !between(0, a->flip, 1))
        return ba_fail(e, BA_EARG, "augment: flip %g; 0 to 1 expected", a->flip);
    if (a->operations < 0 || a->operations > 8)
        return ba_fail(e, BA_EARG, "augment: operations %lld; 0 to 8 expected", (long long)a->operations);
    if (a->once != 0 && a->once != 1)
        return ba_fail(e, BA_EARG, "augment: once %d; 0 or 1 expected", a->once);
    if (!between(0, a->magnitude, 10) || !between(0, a->spread, 10))
        return ba_fail(e, BA_EARG, "augment: magnitude %g with spread %g; 0 to 10 expected", a->magnitude, a->spread);
    if (judge_colour(a, e) < 0)
        return BA_EARG;
    if (!between(0, a->frequency_mask, BAI_MAX_SIDE) || !between(0, a->time_mask, BAI_MAX_SIDE))
        return ba_fail(e, BA_EARG, "augment: masks of %g rows and %g columns; 0 to %d expected", a->frequency_mask, a->time_mask, BAI_MAX_SIDE);
    if (a->policy == BA_AUGMENT_EVALUATE && !between(0.1, a->crop, 1))
        return ba_fail(e, BA_EARG, "augment: crop %g; 0.1 to 1 expected", a->crop);
    return a->policy == BA_AUGMENT_CROP ? judge_crop(a, e) : BA_OK;
}

int bai_augment_fits(const ba_augment *a, int64_t channels, ba_err *e)
{
    if (channels == 3 && (a->frequency_mask > 0 || a->time_mask > 0))
        return ba_fail(e, BA_EARG, "augment: frequency_mask and time_mask are for spectrograms, and these are pictures");
    if (channels == 1 && (a->policy != BA_AUGMENT_NONE || a->operations))
        return ba_fail(e, BA_EARG, "augment: policy %d with %lld operations; spectrograms are shown whole: 0 (none) and 0 expected", a->policy,
            (long long)a->operations);
    return BA_OK;
}

static double unit(uint32_t word)
{
    return word * 0x1p-32;
}

static int64_t below(uint32_t word, int64_t n) /* 0..n-1 */
{
    return (int64_t)(((uint64_t)word * (uint64_t)n) >> 32);
}

static int64_t even(double v)
{
    return (int64_t)nearbyint(v); /* half to even, the mode nobody changes */
}

static bai_window whole(int64_t image, int flip)
{
    return (bai_window){ .full_rows = image, .full_columns = image, .rows = image, .columns = image, .flip = flip };
}

static int64_t within(int64_t v, int64_t most) /* 1..most */
{
    return v < 1 ? 1 : v > most ? most : v;
}

/* The whole picture, or as much of it as the bounds of the ratio let in, in its middle. */
static void fallback(const ba_augment *a, int64_t rows, int64_t columns, bai_draw *d)
{
    double ratio = (double)columns / (double)rows;
    d->width = columns;
    d->height = rows;
    if (ratio < a->ratio_low)
        d->height = even((double)columns / a->ratio_low);
    else if (ratio > a->ratio_high)
        d->width = even((double)rows * a->ratio_high);
    d->height = within(d->height, rows);
    d->width = within(d->width, columns);
    d->y = (rows - d->height) / 2;
    d->x = (columns - d->width) / 2;
}

static void draw_crop(const ba_augment *a, int64_t rows, int64_t columns, uint64_t seed, uint32_t epoch, uint64_t block,
    bai_draw *d)
{
    double area = (double)rows * (double)columns, log_low = log(a->ratio_low), log_high = log(a->ratio_high);
    uint32_t stream = ba_stream("augment");
    for (uint64_t i = 0; i < (a->once ? 1 : TRIES); i++) {
        ba_philox u = ba_philox4x32(seed, stream, epoch, block + i);
        double wanted = area * (a->scale_low + (a->scale_high - a->scale_low) * unit(u.x[0]));
        double ratio = exp(log_low + (log_high - log_low) * unit(u.x[1]));
        d->width = even(sqrt(wanted * ratio));
        d->height = even(sqrt(wanted / ratio));
        if (a->once) {
            d->width = within(d->width, columns);
            d->height = within(d->height, rows);
        }
        if (d->width >= 1 && d->height >= 1 && d->width <= columns && d->height <= rows) {
            d->y = below(u.x[2], rows - d->height + 1);
            d->x = below(u.x[3], columns - d->width + 1);
            return;
        }
    }
    fallback(a, rows, columns, d);
}

static int draw_pad(const ba_augment *a, int64_t rows, int64_t columns, ba_philox u, bai_draw *d, ba_err *e)
{
    if (rows + 2 * a->pad < a->image || columns + 2 * a->pad < a->image)
        return ba_fail(e, BA_EDATA, "a picture of %lldx%lld with a border of %d is smaller than %lldx%lld", (long long)columns,
            (long long)rows, a->pad, (long long)a->image, (long long)a->image);
    d->width = d->height = a->image;
    d->y = below(u.x[1], rows + 2 * a->pad - a->image + 1) - a->pad;
    d->x = below(u.x[2], columns + 2 * a->pad - a->image + 1) - a->pad;
    return BA_OK;
}

static void draw_evaluate(const ba_augment *a, int64_t rows, int64_t columns, bai_draw *d)
{
    int64_t side = (int64_t)floor((double)a->image / a->crop);
    bai_window *w = &d->window;
    if (columns <= rows) {
        w->full_columns = side;
        w->full_rows = side * rows / columns;
    } else {
        w->full_rows = side;
        w->full_columns = side * columns / rows;
    }
    w->row = even((double)(w->full_rows - a->image) / 2);
    w->column = even((double)(w->full_columns - a->image) / 2);
}

int bai_augment_draw(const ba_augment *a, int64_t rows, int64_t columns, uint64_t seed, uint32_t epoch, int64_t sample,
                     bai_draw *out, ba_err *e)
{
    uint64_t block = (uint64_t)sample * BLOCKS;
    ba_philox u = ba_philox4x32(seed, ba_stream("augment"), epoch, block + TRIES);
    int flip = (a->policy == BA_AUGMENT_CROP || a->policy == BA_AUGMENT_PAD) && unit(u.x[0]) < a->flip;
    *out = (bai_draw){ .width = columns, .height = rows, .window = whole(a->image, flip) };
    if (a->policy == BA_AUGMENT_PAD)
        return draw_pad(a, rows, columns, u, out, e);
    if (a->policy == BA_AUGMENT_CROP)
        draw_crop(a, rows, columns, seed, epoch, block, out);
    else if (a->policy == BA_AUGMENT_EVALUATE)
        draw_evaluate(a, rows, columns, out);
    else if (rows != a->image || columns != a->image)
        return ba_fail(e, BA_EDATA, "a picture of %lldx%lld; %lldx%lld expected when nothing is cropped or resized",
            (long long)columns, (long long)rows, (long long)a->image, (long long)a->image);
    return BA_OK;
}

/* Copies a crop that may lie partly outside the picture, where all is black. */
static void copy_padded(const bai_draw *d, const ba_picture *in, uint8_t *image)
{
    int64_t n = d->width, left = d->x < 0 ? -d->x : 0, right = d->x + n > in->columns ? in->columns - d->x : n;
    for (int64_t y = 0; y < d->height; y++, image += n * 3) {
        const uint8_t *row = in->pixels + ((d->y + y) * in->columns + d->x) * 3;
        int inside = d->y + y >= 0 && d->y + y < in->rows && right > left;
        memset(image, 0, (size_t)n * 3);
        if (inside && !d->window.flip)
            memcpy(image + left * 3, row + left * 3, (size_t)(right - left) * 3);
        else if (inside)
            for (int64_t x = left; x < right; x++)
                memcpy(image + (n - 1 - x) * 3, row + x * 3, 3);
    }
}

static float place(double v, int64_t from, int64_t extent, int64_t full, int64_t first, int64_t n)
{
    v = (v - (double)from) * ((double)full / (double)extent) - (double)first;
    return (float)(v < 0 ? 0 : v > (double)n ? (double)n : v);
}

static ba_box move_box(const bai_draw *d, ba_box b)
{
    const bai_window *w = &d->window;
    if (!(b.x1 > b.x0 && b.y1 > b.y0))
        return (ba_box){ 0 };
    ba_box m = {
        place(b.x0, d->x, d->width, w->full_columns, w->column, w->columns),
        place(b.y0, d->y, d->height, w->full_rows, w->row, w->rows),
        place(b.x1, d->x, d->width, w->full_columns, w->column, w->columns),
        place(b.y1, d->y, d->height, w->full_rows, w->row, w->rows),
    };
    if (w->flip)
        m = (ba_box){ (float)w->columns - m.x1, m.y0, (float)w->columns - m.x0, m.y1 };
    return m.x1 > m.x0 && m.y1 > m.y0 ? m : (ba_box){ 0 };
}

static void overlap(int64_t *first, int64_t *n, int64_t all)
{
    int64_t end = *first + *n > all ? all : *first + *n;
    *first = *first < 0 ? 0 : *first >= all ? all - 1 : *first;
    *n = end > *first ? end - *first : 1;
}

void bai_augment_needs(const ba_augment *a, const bai_draw *d, int64_t rows, int64_t columns, bai_region *out)
{
    *out = (bai_region){ d->x, d->y, d->width, d->height };
    if (a->policy == BA_AUGMENT_PAD || a->policy == BA_AUGMENT_NONE) {
        overlap(&out->x, &out->width, columns); /* a crop may lie outside, even wholly */
        overlap(&out->y, &out->height, rows);
        return;
    }
    const bai_window *w = &d->window;
    int64_t first, end;
    bai_resize_reads(d->width, w->full_columns, w->column, w->columns, a->interpolation, &first, &end);
    out->x = d->x + first;
    out->width = end - first;
    bai_resize_reads(d->height, w->full_rows, w->row, w->rows, a->interpolation, &first, &end);
    out->y = d->y + first;
    out->height = end - first;
}

int bai_augment_apply(bai_resizer *r, const ba_augment *a, const bai_draw *d, const ba_picture *in, uint8_t *image, ba_box *box,
    ba_err *e)
{
    *box = move_box(d, in->box);
    if (a->policy == BA_AUGMENT_PAD || a->policy == BA_AUGMENT_NONE) {
        copy_padded(d, in, image);
        return BA_OK;
    }
    bai_part part = { .pixels = in->pixels + (d->y * in->columns + d->x) * 3, .stride = in->columns * 3, .rows = d->height,
        .columns = d->width };
    return bai_resize(r, &part, &d->window, a->interpolation, image, e);
}

/* A band of floor(u1 * most) of n places, from floor(u2 * (n - u1 * most)) on. */
static void draw_band(double most, int64_t n, uint32_t u1, uint32_t u2, int64_t *first, int64_t *end)
{
    double wide = unit(u1) * (most < (double)n ? most : (double)n);
    *first = (int64_t)floor(unit(u2) * ((double)n - wide));
    *end = *first + (int64_t)floor(wide);
}

void bai_augment_spectrum(const ba_augment *a, int64_t rows, int64_t columns, uint64_t seed, uint32_t epoch, int64_t sample, float *values)
{
    ba_philox u = ba_philox4x32(seed, ba_stream("augment"), epoch, (uint64_t)sample * BLOCKS);
    int64_t top, bottom, left, right;
    draw_band(a->frequency_mask, rows, u.x[0], u.x[1], &top, &bottom);
    draw_band(a->time_mask, columns, u.x[2], u.x[3], &left, &right);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            if ((r >= top && r < bottom) || (c >= left && c < right))
                values[r * columns + c] = 0;
}
