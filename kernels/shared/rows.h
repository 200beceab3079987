/* rows: operations along the last axis: a function of one row of fp32 numbers, in fixed groups of rows. */
#ifndef BAI_ROWS_H
#define BAI_ROWS_H

#include "axes.h"

enum { BAI_ROW_INS = 2 };

/* One row: x[i] of input i, all of length n; y where the output's row goes. */
typedef void (*bai_row_fn)(const ba_kernel *k, int64_t n, const float *const *x, float *y);

#define bai_rows BAI_TIERED(bai_rows)
#define bai_rows_scratch BAI_TIERED(bai_rows_scratch)
#define bai_rows_shape BAI_TIERED(bai_rows_shape)
/* Runs fn over the rows of the first n_in inputs, which have one shape; the output has it too. */
int bai_rows(const ba_kernel *k, int n_in, bai_row_fn fn);
size_t bai_rows_scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers);
int bai_rows_shape(const char *op, int n_in, const ba_type *const *in, ba_type *out, ba_err *e);

/* the largest of n numbers; a NaN among them is passed over */
static inline float bai_top(const float *x, int64_t n)
{
    vf top[2] = { v_set(x[0]), v_set(x[0]) };
    int64_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL) {
        top[0] = v_max(v_load(x + i), top[0]);
        top[1] = v_max(v_load(x + i + VL), top[1]);
    }
    float all = v_top(v_max(top[0], top[1]));
    for (; i < n; i++)
        all = x[i] > all ? x[i] : all;
    return all;
}

#endif
