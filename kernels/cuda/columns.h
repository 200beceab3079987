/* columns: sums over the rows of a matrix come in two steps: blocks of rows, which the operation's own kernel makes, then over the blocks in order. */
#ifndef BAI_CUDA_COLUMNS_H
#define BAI_CUDA_COLUMNS_H

#include "each.h"

enum { BA_COLUMNS_JOINED = 64 }; /* threads of a block */

/* Column i of partial [blocks, width], summed: y[i] below n, also[i - n] from there on; either may be NULL. */
static __global__ void ba_columns_add(const float *partial, int64_t blocks, int64_t width, int64_t n, float *y, float *also)
{
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    float *to = i < n ? y : also, s = 0;
    if (i >= width || !to)
        return;
BA_UNROLL_16
    for (int64_t k = 0; k < blocks; k++)
        s += partial[k * width + i];
    to[i < n ? i : i - n] = s;
}

static inline void ba_columns_join(const bai_cuda_call *c, const void *partial, int64_t blocks, int64_t width, int64_t n, void *y, void *also)
{
    BA_LAUNCH(ba_columns_add, (unsigned)ba_ceil(width, BA_COLUMNS_JOINED), BA_COLUMNS_JOINED, 0, c, (const float *)partial, blocks, width, n, (float *)y, (float *)also);
}

#endif
