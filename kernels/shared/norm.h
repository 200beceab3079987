/* norm: LayerNorm of rows, shared by layernorm and add_layernorm.
 * y = (x - mean) * rstd * w + b, biased variance, eps inside the root; statistics in fp32. */
#ifndef BAI_NORM_H
#define BAI_NORM_H

#include "kernel.h"

typedef struct norm_params { double eps; } norm_params;

/* One row of n numbers; y may be NULL; stats: mean and rstd. */
static inline void bai_norm_row(const float *x, int64_t n, const float *w, const float *b, double eps, float *y, float stats[2])
{
    vf s = { 0 }, q = { 0 };
    for (int64_t i = 0; i < n; i += VL)
        s += v_load_part(x + i, bai_min(VL, n - i));
    float mean = v_sum(s) / (float)n;
    for (int64_t i = 0; i < n; i += VL) {
        int64_t m = bai_min(VL, n - i);
        vf d = v_load_part(x + i, m) - mean;
        for (int64_t k = m; k < VL; k++)
            d[k] = 0;
        q += d * d;
    }
    float rstd = 1.0f / sqrtf(v_sum(q) / (float)n + (float)eps);
    stats[0] = mean;
    stats[1] = rstd;
    for (int64_t i = 0; y && i < n; i += VL) {
        int64_t m = bai_min(VL, n - i);
        v_store_part(y + i, (v_load_part(x + i, m) - mean) * rstd * v_load_part(w + i, m) + v_load_part(b + i, m), m);
    }
}

static inline void bai_norm_reference(const double *x, int64_t n, const double *w, const double *b, double eps, double *y, double *stats)
{
    double mean = 0, var = 0;
    for (int64_t i = 0; i < n; i++)
        mean += x[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        var += (x[i] - mean) * (x[i] - mean) / (double)n;
    stats[0] = mean;
    stats[1] = 1 / sqrt(var + eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) * stats[1] * w[i] + b[i];
}

static inline int bai_norm_judge(const char *op, const ba_type *x, const ba_type *w, const ba_type *b, ba_err *e)
{
    char t[3][96];
    if (x->rank < 1 || !bai_is_real(x) || w->dtype != BA_F32 || w->rank != 1 || b->dtype != BA_F32 || b->rank != 1 ||
        w->dim[0] != ba_type_last(x) || b->dim[0] != w->dim[0])
        return ba_fail(e, BA_EARG, "%s: x is %s, w %s, b %s; w and b f32[%lld] expected", op, bai_text(x, t[0]), bai_text(w, t[1]), bai_text(b, t[2]),
                       (long long)ba_type_last(x));
    return BA_OK;
}

static inline ba_type bai_norm_stats(const ba_type *x) { return bai_shape(BA_F32, 2, ba_type_rows(x), 2, 1, 1); }

#endif
