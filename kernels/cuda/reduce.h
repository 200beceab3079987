/* reduce: sums and maxima over any set of axes. Where the last axis stays, a thread a result; else a block a result, and several where
 * there is much to add: each a fixed piece, added up in order by a second kernel. */
#ifndef BAI_CUDA_REDUCE_H
#define BAI_CUDA_REDUCE_H

#include "each.h"

enum { BA_REDUCE_PIECE = 16384 };

typedef struct ba_reduction {     /* axes innermost first */
    int left, gone;               /* how many axes stay, and are summed */
    int64_t dim_left[BA_MAX_RANK], step_left[BA_MAX_RANK], dim_gone[BA_MAX_RANK], step_gone[BA_MAX_RANK], results, each, pieces;
    int inner_stays, most;        /* most: the maximum instead of the sum */
    float factor;
} ba_reduction;

static inline ba_reduction ba_reduction_of(const ba_type *x, unsigned axes)
{
    ba_reduction r = {};
    int64_t step = 1;
    r.results = r.each = 1;
    for (int a = x->rank - 1; a >= 0; step *= x->dim[a--]) {
        if (x->dim[a] == 1)
            continue;
        int goes = axes >> a & 1;
        if (step == 1)
            r.inner_stays = !goes;
        if (goes) {
            r.dim_gone[r.gone] = x->dim[a];
            r.step_gone[r.gone++] = step;
            r.each *= x->dim[a];
        } else {
            r.dim_left[r.left] = x->dim[a];
            r.step_left[r.left++] = step;
            r.results *= x->dim[a];
        }
    }
    r.pieces = r.inner_stays && r.results >= 256 ? 1 : ba_ceil(r.each, BA_REDUCE_PIECE);
    r.factor = 1;
    return r;
}

static __device__ __forceinline__ int64_t ba_offset(int64_t i, int n, const int64_t *dim, const int64_t *step)
{
    int64_t at = 0;
    for (int a = 0; a < n; a++) {
        at += i % dim[a] * step[a];
        i /= dim[a];
    }
    return at;
}
static __device__ __forceinline__ float ba_join(const ba_reduction &r, float a, float b)
{
    return !r.most ? a + b : a != a || b != b ? a + b : a > b ? a : b;
}

static __global__ void ba_reduce_threads(ba_array x, ba_array y, ba_reduction r)
{
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= r.results)
        return;
    int64_t at = ba_offset(i, r.left, r.dim_left, r.step_left);
    float s = r.most ? -INFINITY : 0;
    for (int64_t k = 0; k < r.each; k++)
        s = ba_join(r, s, ba_get(x, at + ba_offset(k, r.gone, r.dim_gone, r.step_gone)));
    ba_set(y, i, s * r.factor);
}

/* Block (piece, result): what it makes goes to y, or with several pieces to partial. */
static __global__ void ba_reduce_blocks(ba_array x, ba_array y, float *partial, ba_reduction r)
{
    __shared__ float room[33];
    int64_t piece = blockIdx.x, i = (int64_t)blockIdx.z * 65535 + blockIdx.y;
    if (i >= r.results)
        return; /* the whole block */
    int64_t at = ba_offset(i, r.left, r.dim_left, r.step_left), end = (piece + 1) * BA_REDUCE_PIECE < r.each ? (piece + 1) * BA_REDUCE_PIECE : r.each;
    float s = r.most ? -INFINITY : 0;
    for (int64_t k = (r.pieces > 1 ? piece * BA_REDUCE_PIECE : 0) + threadIdx.x; k < (r.pieces > 1 ? end : r.each); k += blockDim.x)
        s = ba_join(r, s, ba_get(x, at + ba_offset(k, r.gone, r.dim_gone, r.step_gone)));
    if (r.most) { /* a NaN must come through */
        float nan = ba_block_max(s != s ? 1.f : 0.f, room);
        s = ba_block_max(s, room);
        s = nan > 0 ? NAN : s;
    } else {
        s = ba_block_sum(s, room);
    }
    if (!threadIdx.x && partial)
        partial[i * r.pieces + piece] = s;
    if (!threadIdx.x && !partial)
        ba_set(y, i, s * r.factor);
}

static __global__ void ba_reduce_pieces(const float *partial, ba_array y, ba_reduction r)
{
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= r.results)
        return;
    float s = r.most ? -INFINITY : 0;
    for (int64_t k = 0; k < r.pieces; k++)
        s = ba_join(r, s, partial[i * r.pieces + k]);
    ba_set(y, i, s * r.factor);
}

static inline size_t ba_reduce_scratch(const ba_type *x, unsigned axes)
{
    ba_reduction r = ba_reduction_of(x, axes);
    return r.pieces > 1 ? (size_t)(r.results * r.pieces) * 4 : 0;
}

static inline int ba_reduce_run(const bai_cuda_call *c, unsigned axes, int most, float factor)
{
    ba_reduction r = ba_reduction_of(&c->in[0].type, axes);
    ba_array x = ba_array_of(&c->in[0]), y = ba_array_of(&c->out[0]);
    r.most = most;
    r.factor = factor;
    if (r.inner_stays && r.results >= 256) {
        BA_LAUNCH(ba_reduce_threads, (unsigned)ba_ceil(r.results, BA_THREADS), BA_THREADS, 0, c, x, y, r);
        return BA_OK;
    }
    float *partial = r.pieces > 1 ? (float *)c->scratch : NULL;
    dim3 grid((unsigned)r.pieces, (unsigned)ba_least(r.results, 65535), (unsigned)ba_ceil(r.results, 65535));
    BA_LAUNCH(ba_reduce_blocks, grid, r.each > 512 ? 256 : 64, 0, c, x, y, partial, r);
    if (partial)
        BA_LAUNCH(ba_reduce_pieces, (unsigned)ba_ceil(r.results, BA_THREADS), BA_THREADS, 0, c, (const float *)partial, y, r);
    return BA_OK;
}

/* Of sum, mean and max. */
static inline unsigned ba_reduce_axes(int64_t axis, const ba_type *x) { return axis == -100 ? 31u : 1u << (axis < 0 ? axis + x->rank : axis); }

#endif
