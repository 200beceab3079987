/* mixing: the random draws of mix_draw and erase, the same on every device: the definition of their streams. */
#ifndef BAI_MIXING_H
#define BAI_MIXING_H

#include <math.h>

#include "bauta/rng.h"

/* ---- one draw a batch ---- */
typedef struct bai_mixing { double mixup, cutmix, swap, probability; int64_t rows, columns; } bai_mixing;
typedef struct bai_draws { uint64_t seed, next; uint32_t stream, step; } bai_draws; /* numbers in (0,1) of one step, one after the other */

BA_INLINE double bai_draw(bai_draws *d) { return ((double)ba_random_u32(d->seed, d->stream, d->step, d->next++) + 0.5) * 2.3283064365386963e-10; }

BA_INLINE double bai_draw_normal(bai_draws *d)
{
    double u = bai_draw(d), v = bai_draw(d);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* Gamma(a, 1) after Marsaglia and Tsang (2000). */
BA_INLINE double bai_draw_gamma(bai_draws *d, double a)
{
    double boost = a < 1 ? pow(bai_draw(d), 1 / a) : 1, b = (a < 1 ? a + 1 : a) - 1.0 / 3, c = 1 / sqrt(9 * b);
    for (;;) {
        double x = bai_draw_normal(d), v = 1 + c * x;
        v = v * v * v;
        if (v > 0 && log(bai_draw(d)) < 0.5 * x * x + b - b * v + b * log(v))
            return boost * b * v;
    }
}

BA_INLINE double bai_draw_beta(bai_draws *d, double a)
{
    double x, y;
    if (a == 1)
        return bai_draw(d);
    x = bai_draw_gamma(d, a);
    y = bai_draw_gamma(d, a);
    return x + y > 0 ? x / (x + y) : 0.5;
}

BA_INLINE double bai_held(double v, double n) { return v < 0 ? 0 : v > n ? n : v; }

/* Share, box (rows from, to, columns from, to), whether it is a box. */
BA_INLINE void bai_mix_draw(const bai_mixing *p, uint64_t seed, uint32_t stream, uint32_t step, double out[6])
{
    bai_draws d = { seed, 0, stream, step };
    double mix = bai_draw(&d), which = bai_draw(&d), y = bai_draw(&d), x = bai_draw(&d);
    int cut = p->cutmix > 0 && (p->mixup == 0 || which < p->swap);
    for (int i = 0; i < 6; i++)
        out[i] = i == 0;
    if (mix >= p->probability)
        return;
    out[0] = bai_draw_beta(&d, cut ? p->cutmix : p->mixup);
    if (!cut)
        return;
    double H = (double)p->rows, W = (double)p->columns, side = sqrt(1 - out[0]);
    double h = floor(floor(H * side) / 2), w = floor(floor(W * side) / 2), cy = floor(y * H), cx = floor(x * W);
    out[1] = bai_held(cy - h, H);
    out[2] = bai_held(cy + h, H);
    out[3] = bai_held(cx - w, W);
    out[4] = bai_held(cx + w, W);
    out[5] = 1;
    out[0] = 1 - (out[2] - out[1]) * (out[4] - out[3]) / (H * W);
}

/* ---- a box in each picture ---- */
typedef struct bai_erasing { double probability, area_low, area_high, ratio_low; int integers; } bai_erasing;
typedef struct bai_erase_box { int64_t y0, y1, x0, x1; } bai_erase_box;

BA_INLINE double bai_unit(uint32_t word) { return word * 2.3283064365386963e-10; }

/* The box of picture b of H x W: sixteen blocks of four words each, one for whether, one a try. Empty: none. */
BA_INLINE bai_erase_box bai_erase_draw(const bai_erasing *p, uint64_t seed, uint32_t stream, uint32_t step, int64_t b, int64_t H, int64_t W)
{
    const bai_erase_box none = { 0, 0, 0, 0 };
    double limit = -log(p->ratio_low);
    if (bai_unit(ba_philox4x32(seed, stream, step, (uint64_t)b * 16).x[0]) >= p->probability)
        return none;
    for (uint64_t i = 1; i <= 10; i++) {
        ba_philox u = ba_philox4x32(seed, stream, step, (uint64_t)b * 16 + i);
        double area = (p->area_low + (p->area_high - p->area_low) * bai_unit(u.x[0])) * (double)(H * W), ratio = exp(limit * (2 * bai_unit(u.x[1]) - 1));
        double h = nearbyint(sqrt(area * ratio)), w = nearbyint(sqrt(area / ratio));
        if (h >= (double)H || w >= (double)W)
            continue;
        int64_t y = (int64_t)(bai_unit(u.x[2]) * ((double)H - h + 1)), x = (int64_t)(bai_unit(u.x[3]) * ((double)W - w + 1));
        const bai_erase_box box = { y, y + (int64_t)h, x, x + (int64_t)w };
        return box;
    }
    return none;
}

/* What element i of the batch becomes inside a box: normal after normalisation, as a pixel. */
BA_INLINE double bai_erase_paint(const bai_erasing *p, uint64_t seed, uint32_t stream, uint32_t step, int64_t i, double scale, double shift)
{
    ba_philox u = ba_philox4x32(seed, stream, step, ((uint64_t)1 << 40) + (uint64_t)i);
    double n = sqrt(-2 * log(((double)u.x[0] + 0.5) * 2.3283064365386963e-10)) * cos(6.283185307179586 * bai_unit(u.x[1]));
    double v = (n - shift) / scale;
    return !p->integers ? v : v <= 0 ? 0 : v >= 255 ? 255 : floor(v);
}

#endif
