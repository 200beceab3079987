/* rows: operations along the last axis: a warp a row. A lane reads and writes the same elements in every pass, so that the output may lie
 * where the input does. */
#ifndef BAI_CUDA_ROWS_H
#define BAI_CUDA_ROWS_H

#include "each.h"

enum { BA_ROW_WARPS = 8 };

typedef struct ba_rows { ba_array x[2], y; int64_t rows, n; } ba_rows;

static inline ba_rows ba_rows_of(const bai_cuda_call *c)
{
    const ba_type *t = &c->in[0].type;
    ba_rows r = { { ba_array_of(&c->in[0]), c->n_in > 1 ? ba_array_of(&c->in[1]) : ba_array_of(&c->in[0]) }, ba_array_of(&c->out[0]), ba_type_rows(t), ba_type_last(t) };
    return r;
}

/* F: struct with void operator()(const ba_rows &r, int64_t at, int lane): the row that begins at element `at`, by the 32 lanes. */
template <typename F> static __global__ void ba_rows_each(ba_rows r, F f)
{
    int64_t row = (int64_t)blockIdx.x * BA_ROW_WARPS + threadIdx.x / BA_WARP;
    if (row < r.rows)
        f(r, row * r.n, (int)(threadIdx.x % BA_WARP));
}

template <typename F> static int ba_rows_run(const bai_cuda_call *c, F f)
{
    ba_rows r = ba_rows_of(c);
    auto k = ba_rows_each<F>;
    BA_LAUNCH(k, (unsigned)ba_ceil(r.rows, BA_ROW_WARPS), BA_ROW_WARPS * BA_WARP, 0, c, r, f);
    return BA_OK;
}

/* Whether a at ia comes before b at ib: the larger one, of equals the first; a NaN counts as larger than all. */
static __device__ __forceinline__ int ba_before(float a, int ia, float b, int ib)
{
    int na = a != a, nb = b != b;
    if (na || nb)
        return na && (!nb || ia < ib);
    return a > b || (a == b && ia < ib);
}

/* Of what the 32 lanes bring, the first of the largest. */
static __device__ __forceinline__ void ba_warp_largest(float *best, int *at)
{
    for (int d = BA_WARP / 2; d; d >>= 1) {
        float v = __shfl_xor_sync(0xffffffffu, *best, d);
        int i = __shfl_xor_sync(0xffffffffu, *at, d);
        if (ba_before(v, i, *best, *at)) {
            *best = v;
            *at = i;
        }
    }
}

/* The largest number of a row; a NaN is passed over. */
static __device__ __forceinline__ float ba_row_top(ba_array x, int64_t at, int64_t n, int lane, float over)
{
    float top = -INFINITY;
    for (int64_t i = lane; i < n; i += BA_WARP)
        top = fmaxf(top, ba_get(x, at + i) * over);
    return ba_warp_max(top);
}

#endif
