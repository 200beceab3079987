/* bilinear: where a resized row or column comes from (../shared/bilinear.h for CUDA). */
#ifndef BAI_CUDA_BILINEAR_H
#define BAI_CUDA_BILINEAR_H

#include "each.h"

typedef struct ba_grids { int64_t rows, columns, to_rows, to_columns; int corners; } ba_grids;
static inline ba_grids ba_grids_of(const bai_cuda_call *c)
{
    ba_grids g = { bai_cuda_i(c, "rows"), bai_cuda_i(c, "columns"), bai_cuda_i(c, "to_rows"), bai_cuda_i(c, "to_columns"), (int)bai_cuda_i(c, "corners") };
    return g;
}

typedef struct ba_tap { int64_t at, next; float w; } ba_tap; /* (1 - w) x[at] + w x[next] */
static __device__ __forceinline__ ba_tap ba_tap_at(int64_t i, int64_t n, int64_t M, int corners)
{
    double x = corners ? (M > 1 ? (double)i * (double)(n - 1) / (double)(M - 1) : 0) : ((double)i + 0.5) * (double)n / (double)M - 0.5;
    x = x < 0 ? 0 : x;
    int64_t at = (int64_t)x < n - 1 ? (int64_t)x : n - 1;
    ba_tap t = { at, at + 1 < n - 1 ? at + 1 : n - 1, (float)(x - (double)at) };
    return t;
}

#endif
