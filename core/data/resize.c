/* resize: separable filters in fixed point with 22 fractional bits, horizontal pass first, 8 bits in between; the
 * arithmetic is the one of Pillow's Image.resize, so that the pixels are the same. */
#include "resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BITS = 22, MAX_SIDE = 16384, LANES = 96 };

static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static double tent(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static int room(void **p, int64_t *has, int64_t wanted, size_t item)
{
    if (wanted <= *has)
        return 0;
    free(*p);
    *has = 0;
    *p = malloc((size_t)wanted * item);
    if (!*p)
        return -1;
    *has = wanted;
    return 0;
}

static int taps_room(struct bai_taps *t, int64_t n)
{
    int64_t has[3] = { t->room, t->room, t->room };
    int failed = room((void **)&t->first, &has[0], n, sizeof(int32_t)) | room((void **)&t->count, &has[1], n, sizeof(int32_t))
        | room((void **)&t->weight, &has[2], n * t->width, sizeof(int32_t));
    t->room = failed ? 0 : has[0];
    return failed;
}

/* The input pixels and weights of each output pixel first..first+n-1, for `in` pixels made `full`. */
static int prepare(bai_resizer *r, struct bai_taps *t, int64_t in, int64_t full, int64_t first, int64_t n, int interpolation)
{
    double (*kernel)(double) = interpolation == BA_BILINEAR ? tent : cubic;
    double step = (double)in / (double)full, spread = step > 1 ? step : 1;
    double reach = (interpolation == BA_BILINEAR ? 1 : 2) * spread;
    int64_t width = (int64_t)ceil(reach) * 2 + 1;
    if (width != t->width) {
        free(t->weight);
        t->weight = NULL;
        t->room = 0;
        t->width = width;
    }
    if (taps_room(t, n) || room((void **)&r->real, &r->real_room, width, sizeof *r->real))
        return -1;
    for (int64_t o = 0; o < n; o++) {
        double centre = ((double)(first + o) + 0.5) * step, sum = 0;
        int64_t lo = (int64_t)(centre - reach + 0.5), hi = (int64_t)(centre + reach + 0.5);
        lo = lo < 0 ? 0 : lo;
        hi = hi > in ? in : hi;
        for (int64_t j = lo; j < hi; j++)
            sum += r->real[j - lo] = kernel(((double)(j - lo) + (double)lo - centre + 0.5) * (1 / spread));
        for (int64_t j = 0; j < hi - lo; j++) {
            double w = (sum != 0 ? r->real[j] / sum : r->real[j]) * (1 << BITS);
            t->weight[o * width + j] = (int32_t)(w < 0 ? w - 0.5 : w + 0.5);
        }
        t->first[o] = (int32_t)lo;
        t->count[o] = (int32_t)(hi - lo);
    }
    return 0;
}

static inline uint8_t clip(int32_t v)
{
    v >>= BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* ---- the two passes; compiled twice on x86, since plain SSE2 has no 32-bit multiply ---- */

static inline __attribute__((always_inline)) void across_body(const struct bai_taps *t, const uint8_t *in, uint8_t *out, int64_t columns, int flip)
{
    for (int64_t o = 0; o < columns; o++) {
        const uint8_t *p = in + 3 * (int64_t)t->first[o];
        const int32_t *k = t->weight + o * t->width;
        int32_t r = 1 << (BITS - 1), g = r, b = r;
        for (int32_t j = 0; j < t->count[o]; j++, p += 3) {
            r += k[j] * p[0];
            g += k[j] * p[1];
            b += k[j] * p[2];
        }
        uint8_t *q = out + 3 * (flip ? columns - 1 - o : o);
        q[0] = clip(r);
        q[1] = clip(g);
        q[2] = clip(b);
    }
}

static inline __attribute__((always_inline)) void down_body(const int32_t *k, int32_t count, const uint8_t *in, int64_t stride, uint8_t *out, int64_t bytes)
{
    for (int64_t x = 0; x < bytes; x += LANES) {
        int32_t sum[LANES];
        int64_t n = bytes - x < LANES ? bytes - x : LANES;
        for (int i = 0; i < LANES; i++)
            sum[i] = 1 << (BITS - 1);
        for (int32_t j = 0; j < count; j++) {
            const uint8_t *p = in + j * stride + x;
            if (n == LANES)
                for (int i = 0; i < LANES; i++)
                    sum[i] += k[j] * p[i];
            else
                for (int64_t i = 0; i < n; i++)
                    sum[i] += k[j] * p[i];
        }
        for (int64_t i = 0; i < n; i++)
            out[x + i] = clip(sum[i]);
    }
}

static void across_any(const struct bai_taps *t, const uint8_t *in, uint8_t *out, int64_t columns, int flip)
{
    across_body(t, in, out, columns, flip);
}

static void down_any(const int32_t *k, int32_t count, const uint8_t *in, int64_t stride, uint8_t *out, int64_t bytes)
{
    down_body(k, count, in, stride, out, bytes);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void across_avx2(const struct bai_taps *t, const uint8_t *in, uint8_t *out, int64_t columns, int flip)
{
    across_body(t, in, out, columns, flip);
}

__attribute__((target("avx2"))) static void down_avx2(const int32_t *k, int32_t count, const uint8_t *in, int64_t stride, uint8_t *out, int64_t bytes)
{
    down_body(k, count, in, stride, out, bytes);
}
#define HAS_AVX2 __builtin_cpu_supports("avx2")
#else
#define across_avx2 across_any
#define down_avx2 down_any
#define HAS_AVX2 0
#endif

static void mirror_row(const uint8_t *in, uint8_t *out, int64_t columns)
{
    for (int64_t x = 0; x < columns; x++)
        memcpy(out + 3 * (columns - 1 - x), in + 3 * x, 3);
}

/* Rows top..top+rows-1 of the part, at the window's columns. */
static void pass_across(const bai_resizer *r, const bai_part *in, const bai_window *w, int64_t top, int64_t rows, uint8_t *out)
{
    int fast = HAS_AVX2;
    for (int64_t y = 0; y < rows; y++) {
        const uint8_t *p = in->pixels + (top + y) * in->stride;
        uint8_t *q = out + y * w->columns * 3;
        if (in->columns != w->full_columns)
            (fast ? across_avx2 : across_any)(&r->across, p, q, w->columns, w->flip);
        else if (w->flip)
            mirror_row(p + w->column * 3, q, w->columns);
        else
            memcpy(q, p + w->column * 3, (size_t)w->columns * 3);
    }
}

static void pass_down(const bai_resizer *r, const bai_window *w, int64_t top, uint8_t *out)
{
    const struct bai_taps *t = &r->down;
    int64_t bytes = w->columns * 3;
    int fast = HAS_AVX2;
    for (int64_t y = 0; y < w->rows; y++)
        (fast ? down_avx2 : down_any)(t->weight + y * t->width, t->count[y], r->between + (t->first[y] - top) * bytes, bytes,
            out + y * bytes, bytes);
}

static int judge(const bai_part *in, const bai_window *w, int interpolation, ba_err *e)
{
    if (in->rows < 1 || in->columns < 1 || in->rows > MAX_SIDE || in->columns > MAX_SIDE)
        return ba_fail(e, BA_EARG, "resize: a part of %lldx%lld pixels; 1x1 to 16384x16384 expected", (long long)in->columns, (long long)in->rows);
    if (w->row < 0 || w->column < 0 || w->rows < 1 || w->columns < 1 || w->rows > MAX_SIDE || w->columns > MAX_SIDE
        || w->row > w->full_rows - w->rows || w->column > w->full_columns - w->columns)
        return ba_fail(e, BA_EARG, "resize: a window of %lldx%lld at (%lld,%lld) of %lldx%lld", (long long)w->columns, (long long)w->rows,
            (long long)w->column, (long long)w->row, (long long)w->full_columns, (long long)w->full_rows);
    if (interpolation != BA_BICUBIC && interpolation != BA_BILINEAR)
        return ba_fail(e, BA_EARG, "resize: interpolation %d; %d (bicubic) or %d (bilinear) expected", interpolation, BA_BICUBIC, BA_BILINEAR);
    return BA_OK;
}

int bai_resize(bai_resizer *r, const bai_part *in, const bai_window *w, int interpolation, uint8_t *out, ba_err *e)
{
    int status = judge(in, w, interpolation, e), failed = 0;
    if (status < 0)
        return status;
    if (in->columns != w->full_columns)
        failed = prepare(r, &r->across, in->columns, w->full_columns, w->column, w->columns, interpolation);
    if (in->rows == w->full_rows && !failed) {
        pass_across(r, in, w, w->row, w->rows, out);
        return BA_OK;
    }
    failed = failed || prepare(r, &r->down, in->rows, w->full_rows, w->row, w->rows, interpolation);
    if (!failed) {
        const struct bai_taps *t = &r->down;
        int64_t top = t->first[0], end = t->first[w->rows - 1] + t->count[w->rows - 1];
        failed = room((void **)&r->between, &r->between_room, (end - top) * w->columns * 3, 1);
        if (!failed) {
            pass_across(r, in, w, top, end - top, r->between);
            pass_down(r, w, top, out);
        }
    }
    return failed ? ba_fail(e, BA_EMACHINE, "resize: no memory") : BA_OK;
}

void bai_resizer_end(bai_resizer *r)
{
    struct bai_taps *t[2] = { &r->across, &r->down };
    for (int i = 0; i < 2; i++) {
        free(t[i]->first);
        free(t[i]->count);
        free(t[i]->weight);
    }
    free(r->real);
    free(r->between);
    *r = (bai_resizer){ 0 };
}
