/* bilinear: where a resized row or column comes from. Without corners, output i of M samples at (i + 1/2) n/M - 1/2,
 * not below 0; with corners (the outermost centres coincide) at i (n-1)/(M-1). No smoothing when shrinking. */
#ifndef BAI_BILINEAR_H
#define BAI_BILINEAR_H

#include "kernel.h"

typedef struct resize_params { int64_t rows, columns, to_rows, to_columns, corners; } resize_params;

typedef struct bai_tap { int64_t at, next; double next_weight; } bai_tap; /* (1 - w) x[at] + w x[next] */

static inline bai_tap bai_tap_at(int64_t i, int64_t n, int64_t M, int corners)
{
    double x = corners ? (M > 1 ? (double)i * (double)(n - 1) / (double)(M - 1) : 0) : ((double)i + 0.5) * (double)n / (double)M - 0.5;
    x = x < 0 ? 0 : x;
    int64_t at = bai_min((int64_t)x, n - 1);
    return (bai_tap){ at, bai_min(at + 1, n - 1), x - (double)at };
}

/* x is [B, maps of `have`] for have = a*b; the shape with maps of c*d. */
static inline int bai_resize_shape(const char *op, const ba_type *x, int64_t a, int64_t b, int64_t c, int64_t d, ba_type *out, ba_err *e)
{
    char t[96];
    if (x->rank != 2 || !bai_is_real(x) || x->dim[1] != a * b)
        return ba_fail(e, BA_EARG, "%s: x is %s; real [B,%lld] expected for a map of %lld rows and %lld columns", op, bai_text(x, t), (long long)(a * b),
                       (long long)a, (long long)b);
    *out = *x;
    out->dim[1] = c * d;
    return BA_OK;
}

#define BAI_RESIZE_PARAMS BA_PARAMS(resize_params, \
    BA_INT(resize_params, rows, 1, 1, 1 << 20, NULL, "rows of the map"), \
    BA_INT(resize_params, columns, 1, 1, 1 << 20, NULL, "columns of the map"), \
    BA_INT(resize_params, to_rows, 1, 1, 1 << 20, NULL, "rows afterwards"), \
    BA_INT(resize_params, to_columns, 1, 1, 1 << 20, NULL, "columns afterwards"), \
    BA_FLAG(resize_params, corners, 0, "the centres of the corners coincide"))

#endif
