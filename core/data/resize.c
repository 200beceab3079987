/* resize: separable filters in fixed point with 22 fractional bits, horizontal pass first, 8 bits in between; the
 * arithmetic is the one of Image.resize in Pillow 9.4, so that the pixels are the same. (Pillow 13 takes the vertical pass
 * first where a picture becomes wider and lower; the published recipes ran with the older ones.) */
#include "resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BITS = 22, MAX_SIDE = 16384, LANES = 64 };

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

/* How far a filter reaches over `in` pixels made `full`. */
typedef struct reach { double step, spread, reach; } reach;

static reach reach_of(int64_t in, int64_t full, int interpolation)
{
    double step = (double)in / (double)full, spread = step > 1 ? step : 1;
    return (reach){ step, spread, (interpolation == BA_BILINEAR ? 1 : 2) * spread };
}

/* The input pixels lo..hi-1 of output o, and where its middle lies among them. */
static double span(const reach *r, int64_t in, int64_t o, int64_t *lo, int64_t *hi)
{
    double centre = ((double)o + 0.5) * r->step;
    *lo = (int64_t)(centre - r->reach + 0.5);
    *hi = (int64_t)(centre + r->reach + 0.5);
    *lo = *lo < 0 ? 0 : *lo;
    *hi = *hi > in ? in : *hi;
    return centre;
}

void bai_resize_reads(int64_t in, int64_t full, int64_t first, int64_t n, int interpolation, int64_t *from, int64_t *end)
{
    reach r = reach_of(in, full, interpolation);
    int64_t unused;
    *from = first;
    *end = first + n;
    if (in == full)
        return;
    span(&r, in, first, from, &unused);
    span(&r, in, first + n - 1, &unused, end);
}

/* The input pixels and weights of each output pixel first..first+n-1, for `in` pixels made `full`. */
static int prepare(bai_resizer *r, struct bai_taps *t, int64_t in, int64_t full, int64_t first, int64_t n, int interpolation)
{
    double (*kernel)(double) = interpolation == BA_BILINEAR ? tent : cubic;
    const reach f = reach_of(in, full, interpolation);
    int64_t width = (int64_t)ceil(f.reach) * 2 + 1;
    if (width != t->width) {
        free(t->weight);
        t->weight = NULL;
        t->room = 0;
        t->width = width;
    }
    if (taps_room(t, n) || room((void **)&r->real, &r->real_room, width, sizeof *r->real))
        return -1;
    for (int64_t o = 0; o < n; o++) {
        int64_t lo, hi;
        double centre = span(&f, in, first + o, &lo, &hi), sum = 0;
        for (int64_t j = lo; j < hi; j++)
            sum += r->real[j - lo] = kernel(((double)(j - lo) + (double)lo - centre + 0.5) * (1 / f.spread));
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

/* ---- the two passes, plain and, since plain SSE2 has no 32-bit multiply, for AVX2 ---- */

/* Two rows to one row each, of which the second may be the first again. */
typedef struct rows { const uint8_t *in[2]; uint8_t *out[2]; } rows;

static void across_any(const struct bai_taps *t, const rows *y, int64_t columns, int flip)
{
    for (int64_t o = 0; o < columns; o++)
        for (int i = 0; i < 2; i++) {
            const uint8_t *p = y->in[i] + 3 * (int64_t)t->first[o];
            const int32_t *k = t->weight + o * t->width;
            int32_t r = 1 << (BITS - 1), g = r, b = r;
            for (int32_t j = 0; j < t->count[o]; j++, p += 3) {
                r += k[j] * p[0];
                g += k[j] * p[1];
                b += k[j] * p[2];
            }
            uint8_t *q = y->out[i] + 3 * (flip ? columns - 1 - o : o);
            q[0] = clip(r);
            q[1] = clip(g);
            q[2] = clip(b);
        }
}

static void down_any(const int32_t *k, int32_t count, const uint8_t *in, int64_t stride, uint8_t *out, int64_t bytes)
{
    for (int64_t x = 0; x < bytes; x += LANES) {
        int32_t sum[LANES];
        int64_t n = bytes - x < LANES ? bytes - x : LANES;
        for (int64_t i = 0; i < n; i++)
            sum[i] = 1 << (BITS - 1);
        for (int32_t j = 0; j < count; j++)
            for (int64_t i = 0; i < n; i++)
                sum[i] += k[j] * in[j * stride + x + i];
        for (int64_t i = 0; i < n; i++)
            out[x + i] = clip(sum[i]);
    }
}

#if defined(__x86_64__)
#include <immintrin.h>

/* A pixel of both rows, four bytes each, times a weight in eight lanes, two of which are not used. */
__attribute__((target("avx2"))) static inline __m256i weighed(uint32_t p, uint32_t q, int32_t k)
{
    __m128i both = _mm_cvtsi64_si128((int64_t)((uint64_t)q << 32 | p));
    return _mm256_mullo_epi32(_mm256_cvtepu8_epi32(both), _mm256_set1_epi32(k));
}

static inline uint32_t four(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static inline uint32_t three(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static inline void put(uint8_t *q, uint32_t v)
{
    q[0] = (uint8_t)v;
    q[1] = (uint8_t)(v >> 8);
    q[2] = (uint8_t)(v >> 16);
}

__attribute__((target("avx2"))) static void across_avx2(const struct bai_taps *t, const rows *y, int64_t columns, int flip)
{
    uint8_t *first = y->out[0], *second = y->out[1];
    for (int64_t o = 0; o < columns; o++) {
        int64_t at = 3 * (int64_t)t->first[o], to = 3 * (flip ? columns - 1 - o : o);
        const uint8_t *p = y->in[0] + at, *q = y->in[1] + at;
        const int32_t *k = t->weight + o * t->width;
        int32_t last = t->count[o] - 1;
        __m256i sum = _mm256_set1_epi32(1 << (BITS - 1));
        for (int32_t j = 0; j < last; j++, p += 3, q += 3)
            sum = _mm256_add_epi32(sum, weighed(four(p), four(q), k[j]));
        sum = _mm256_add_epi32(sum, weighed(three(p), three(q), k[last])); /* there may be no fourth byte */
        sum = _mm256_packs_epi32(_mm256_srai_epi32(sum, BITS), sum);
        sum = _mm256_packus_epi16(sum, sum);
        put(first + to, (uint32_t)_mm256_extract_epi32(sum, 0));
        put(second + to, (uint32_t)_mm256_extract_epi32(sum, 4));
    }
}

/* Sixteen bytes at a time, in two times eight lanes. */
__attribute__((target("avx2"))) static void down_avx2(const int32_t *k, int32_t count, const uint8_t *in, int64_t stride,
    uint8_t *out, int64_t bytes)
{
    int64_t x = 0;
    for (; x + 16 <= bytes; x += 16) {
        __m256i a = _mm256_set1_epi32(1 << (BITS - 1)), b = a;
        const uint8_t *p = in + x;
        for (int32_t j = 0; j < count; j++, p += stride) {
            __m256i w = _mm256_set1_epi32(k[j]);
            a = _mm256_add_epi32(a, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)), w));
            b = _mm256_add_epi32(b, _mm256_mullo_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(p + 8))), w));
        }
        __m256i v = _mm256_packs_epi32(_mm256_srai_epi32(a, BITS), _mm256_srai_epi32(b, BITS)); /* within halves: a b a b */
        v = _mm256_permute4x64_epi64(v, 0xd8);
        _mm_storeu_si128((__m128i *)(out + x), _mm_packus_epi16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
    }
    down_any(k, count, in + x, stride, out + x, bytes - x);
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

/* Rows top..top+n-1 of the part, at the window's columns. */
static void pass_across(const bai_resizer *r, const bai_part *in, const bai_window *w, int64_t top, int64_t n, int fast, uint8_t *out)
{
    int64_t bytes = w->columns * 3;
    const uint8_t *p = in->pixels + top * in->stride;
    if (in->columns != w->full_columns)
        for (int64_t y = 0; y < n; y += 2) {
            int64_t z = y + 1 < n ? y + 1 : y;
            rows two = { { p + y * in->stride, p + z * in->stride }, { out + y * bytes, out + z * bytes } };
            (fast ? across_avx2 : across_any)(&r->across, &two, w->columns, w->flip);
        }
    else
        for (int64_t y = 0; y < n; y++, p += in->stride, out += bytes) {
            if (w->flip)
                mirror_row(p + w->column * 3, out, w->columns);
            else
                memcpy(out, p + w->column * 3, (size_t)bytes);
        }
}

static void pass_down(const bai_resizer *r, const bai_window *w, int64_t top, int fast, uint8_t *out)
{
    const struct bai_taps *t = &r->down;
    int64_t bytes = w->columns * 3;
    for (int64_t y = 0; y < w->rows; y++)
        (fast ? down_avx2 : down_any)(t->weight + y * t->width, t->count[y], r->between + (t->first[y] - top) * bytes, bytes,
            out + y * bytes, bytes);
}

static int judge(const bai_part *in, const bai_window *w, int interpolation, ba_err *e)
{
    if (in->rows < 1 || in->columns < 1 || in->rows > MAX_SIDE || in->columns > MAX_SIDE)
        return ba_fail(e, BA_EARG, "resize: a part of %lldx%lld pixels; 1x1 to 16384x16384 expected", (long long)in->columns,
            (long long)in->rows);
    if (w->row < 0 || w->column < 0 || w->rows < 1 || w->columns < 1 || w->rows > MAX_SIDE || w->columns > MAX_SIDE
        || w->row > w->full_rows - w->rows || w->column > w->full_columns - w->columns)
        return ba_fail(e, BA_EARG, "resize: a window of %lldx%lld at (%lld,%lld) of %lldx%lld", (long long)w->columns,
            (long long)w->rows, (long long)w->column, (long long)w->row, (long long)w->full_columns, (long long)w->full_rows);
    if (interpolation != BA_BICUBIC && interpolation != BA_BILINEAR)
        return ba_fail(e, BA_EARG, "resize: interpolation %d; %d (bicubic) or %d (bilinear) expected", interpolation, BA_BICUBIC,
            BA_BILINEAR);
    return BA_OK;
}

int bai_resize(bai_resizer *r, const bai_part *in, const bai_window *w, int interpolation, uint8_t *out, ba_err *e)
{
    return bai_resize_by(r, in, w, interpolation, HAS_AVX2, out, e);
}

int bai_resize_by(bai_resizer *r, const bai_part *in, const bai_window *w, int interpolation, int fast, uint8_t *out, ba_err *e)
{
    int status = judge(in, w, interpolation, e), failed = 0;
    if (status < 0)
        return status;
    if (in->columns != w->full_columns)
        failed = prepare(r, &r->across, in->columns, w->full_columns, w->column, w->columns, interpolation);
    if (in->rows == w->full_rows && !failed) {
        pass_across(r, in, w, w->row, w->rows, fast, out);
        return BA_OK;
    }
    failed = failed || prepare(r, &r->down, in->rows, w->full_rows, w->row, w->rows, interpolation);
    if (!failed) {
        const struct bai_taps *t = &r->down;
        int64_t top = t->first[0], end = t->first[w->rows - 1] + t->count[w->rows - 1];
        failed = room((void **)&r->between, &r->between_room, (end - top) * w->columns * 3, 1);
        if (!failed) {
            pass_across(r, in, w, top, end - top, fast, r->between);
            pass_down(r, w, top, fast, out);
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
