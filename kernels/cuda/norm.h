/* norm: layer normalisation of rows, with or without a residual branch joining: a warp a row, which stays in registers up to a width of
 * 1024; wider rows are read again. */
#ifndef BAI_CUDA_NORM_H
#define BAI_CUDA_NORM_H

#include "each.h"

enum { BA_NORM_WARPS = 4, BA_NORM_HELD = 32 };

typedef struct ba_norm { int64_t rows, n, per; float eps; } ba_norm; /* per: rows of a sample, for scale */

/* branch, scale, sum: NULL for a plain normalisation. */
template <typename T, int HELD> static __global__ void ba_norm_rows(const T *x, const T *branch, const float *scale, const float *w, const float *b, T *sum, T *y, float *stats, ba_norm k)
{
    int64_t row = (int64_t)blockIdx.x * BA_NORM_WARPS + threadIdx.x / BA_WARP, at = row * k.n;
    int lane = (int)threadIdx.x % BA_WARP;
    if (row >= k.rows)
        return;
    float held[HELD ? HELD : 1], f = scale ? scale[row / k.per] : 1, mean = 0, var = 0;
    T rounded;
    for (int h = 0; h < HELD || (!HELD && h * BA_WARP < k.n); h++) { /* the sum as it is stored, so that the gradient sees the same numbers */
        int64_t i = h * BA_WARP + lane;
        float v = 0;
        if (i < k.n) {
            v = ba_wide(x[at + i]) + (branch ? f * ba_wide(branch[at + i]) : 0.f);
            if (branch) {
                ba_narrow(v, &rounded);
                v = ba_wide(rounded);
                if (sum)
                    sum[at + i] = rounded;
            }
        }
        if (HELD)
            held[HELD ? h : 0] = v;
        mean += v;
    }
    mean = ba_warp_sum(mean) / (float)k.n;
    for (int h = 0; h < HELD || (!HELD && h * BA_WARP < k.n); h++) {
        int64_t i = h * BA_WARP + lane;
        if (i >= k.n)
            continue;
        float v = HELD ? held[HELD ? h : 0] : branch ? ba_wide(sum[at + i]) : ba_wide(x[at + i]);
        var += (v - mean) * (v - mean);
    }
    float rstd = 1 / sqrtf(ba_warp_sum(var) / (float)k.n + k.eps);
    if (stats && !lane) {
        stats[2 * row] = mean;
        stats[2 * row + 1] = rstd;
    }
    for (int h = 0; y && (h < HELD || (!HELD && h * BA_WARP < k.n)); h++) {
        int64_t i = h * BA_WARP + lane;
        if (i >= k.n)
            continue;
        float v = HELD ? held[HELD ? h : 0] : branch ? ba_wide(sum[at + i]) : ba_wide(x[at + i]);
        ba_narrow((v - mean) * rstd * w[i] + b[i], &y[at + i]);
    }
}

template <typename T> static void ba_norm_launch(const bai_cuda_call *c, const void *x, const void *branch, const void *scale, const void *w, const void *b, void *sum, void *y,
                                                 void *stats, ba_norm k)
{
    unsigned grid = (unsigned)ba_ceil(k.rows, BA_NORM_WARPS);
    auto f = k.n <= 6 * BA_WARP ? ba_norm_rows<T, 6> : k.n <= 12 * BA_WARP ? ba_norm_rows<T, 12> : k.n <= 24 * BA_WARP ? ba_norm_rows<T, 24>
           : k.n <= 32 * BA_WARP ? ba_norm_rows<T, 32> : ba_norm_rows<T, 0>;
    BA_LAUNCH(f, grid, BA_NORM_WARPS * BA_WARP, 0, c, (const T *)x, (const T *)branch, (const float *)scale, (const float *)w, (const float *)b, (T *)sum, (T *)y, (float *)stats, k);
}

#endif
