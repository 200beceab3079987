/* reduce: sums and maxima over any set of axes. Where the last axis stays, neighbouring threads have neighbouring results; else a block has a
 * result. Where there are few results and much to add, the terms are cut into pieces by the shapes alone, which a second kernel joins in order. */
#ifndef BAI_CUDA_REDUCE_H
#define BAI_CUDA_REDUCE_H

#include "each.h"

enum { BA_REDUCE_BLOCK = 16384,      /* terms of a block */
       BA_REDUCE_THREAD = 64,        /* fewest terms of a thread that makes a part of a result */
       BA_REDUCE_ENOUGH = 1 << 17 }; /* threads that keep a device busy */

typedef struct ba_reduction {     /* axes innermost first, neighbours joined */
    int left, gone;               /* how many axes stay, and are summed */
    int64_t dim_left[BA_MAX_RANK], step_left[BA_MAX_RANK], dim_gone[BA_MAX_RANK], step_gone[BA_MAX_RANK], results, each, pieces, piece;
    int across;                   /* a thread a result */
    float factor;
} ba_reduction;

static inline void ba_reduction_axis(int *n, int64_t *dim, int64_t *step, int64_t size, int64_t at)
{
    if (*n && step[*n - 1] * dim[*n - 1] == at) {
        dim[*n - 1] *= size;
        return;
    }
    dim[*n] = size;
    step[(*n)++] = at;
}

static inline ba_reduction ba_reduction_of(const ba_type *x, unsigned axes)
{
    ba_reduction r = {};
    int64_t step = 1;
    int inner_stays = 0;
    r.results = r.each = 1;
    for (int a = x->rank - 1; a >= 0; step *= x->dim[a--]) {
        if (x->dim[a] == 1)
            continue;
        int goes = axes >> a & 1;
        if (step == 1)
            inner_stays = !goes;
        if (goes)
            ba_reduction_axis(&r.gone, r.dim_gone, r.step_gone, x->dim[a], step);
        else
            ba_reduction_axis(&r.left, r.dim_left, r.step_left, x->dim[a], step);
        *(goes ? &r.each : &r.results) *= x->dim[a];
    }
    r.across = inner_stays && r.results >= BA_WARP;
    r.pieces = r.across ? ba_least(ba_ceil(r.each, BA_REDUCE_THREAD), ba_ceil(BA_REDUCE_ENOUGH, r.results)) : ba_ceil(r.each, BA_REDUCE_BLOCK);
    r.piece = ba_ceil(r.each, r.pieces);
    r.pieces = ba_ceil(r.each, r.piece);
    r.factor = 1;
    return r;
}

static __device__ __forceinline__ int64_t ba_offset(int64_t i, int n, const int64_t *dim, const int64_t *step)
{
    int64_t at = 0;
    for (int a = 0; a < n; a++) {
        int64_t over = a + 1 < n ? i / dim[a] : 0;
        at += (i - over * dim[a]) * step[a];
        i = over;
    }
    return at;
}
template <int MOST> static __device__ __forceinline__ float ba_join(float a, float b)
{
    return !MOST ? a + b : a != a || b != b ? a + b : a > b ? a : b;
}

/* Terms first, first + by, ... before `last` of the result that begins at x. */
template <typename T, int MOST> static __device__ __forceinline__ float ba_reduce_terms(const T *x, const ba_reduction &r, int64_t first, int64_t last, int64_t by)
{
    float s = MOST ? -INFINITY : 0;
    if (r.gone <= 1) {
        const int64_t step = r.gone ? r.step_gone[0] : 0;
BA_UNROLL_8
        for (int64_t k = first; k < last; k += by)
            s = ba_join<MOST>(s, ba_wide(x[k * step]));
        return s;
    }
    for (int64_t k = first; k < last; k += by)
        s = ba_join<MOST>(s, ba_wide(x[ba_offset(k, r.gone, r.dim_gone, r.step_gone)]));
    return s;
}

/* What is made goes to y, or with several pieces to partial [pieces, results]. */
template <typename T, int MOST> static __global__ void ba_reduce_threads(const T *x, ba_array y, float *partial, ba_reduction r)
{
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, first = blockIdx.y * r.piece;
    if (i >= r.results)
        return;
    float s = ba_reduce_terms<T, MOST>(x + ba_offset(i, r.left, r.dim_left, r.step_left), r, first, first + r.piece < r.each ? first + r.piece : r.each, 1);
    if (partial)
        partial[blockIdx.y * r.results + i] = s;
    else
        ba_set(y, i, s * r.factor);
}

/* Block (piece, result). */
template <typename T, int MOST> static __global__ void ba_reduce_blocks(const T *x, ba_array y, float *partial, ba_reduction r)
{
    __shared__ float room[33];
    int64_t first = blockIdx.x * r.piece, i = (int64_t)blockIdx.z * 65535 + blockIdx.y;
    if (i >= r.results)
        return; /* the whole block */
    float s = ba_reduce_terms<T, MOST>(x + ba_offset(i, r.left, r.dim_left, r.step_left), r, first + threadIdx.x, first + r.piece < r.each ? first + r.piece : r.each,
                                       blockDim.x);
    if (MOST) { /* a NaN must come through */
        float nan = ba_block_max(s != s ? 1.f : 0.f, room);
        s = ba_block_max(s, room);
        s = nan > 0 ? NAN : s;
    } else {
        s = ba_block_sum(s, room);
    }
    if (!threadIdx.x && partial)
        partial[blockIdx.x * r.results + i] = s;
    if (!threadIdx.x && !partial)
        ba_set(y, i, s * r.factor);
}

template <int MOST> static __global__ void ba_reduce_pieces(const float *partial, ba_array y, ba_reduction r)
{
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= r.results)
        return;
    float s = MOST ? -INFINITY : 0;
BA_UNROLL_8
    for (int64_t k = 0; k < r.pieces; k++)
        s = ba_join<MOST>(s, partial[k * r.results + i]);
    ba_set(y, i, s * r.factor);
}

static inline size_t ba_reduce_scratch(const ba_type *x, unsigned axes)
{
    ba_reduction r = ba_reduction_of(x, axes);
    return r.pieces > 1 ? (size_t)(r.results * r.pieces) * 4 : 0;
}

template <typename T, int MOST> static void ba_reduce_launch(const bai_cuda_call *c, const ba_reduction &r)
{
    const T *x = (const T *)c->in[0].data;
    ba_array y = ba_array_of(&c->out[0]);
    float *partial = r.pieces > 1 ? (float *)c->scratch : NULL;
    unsigned block = (unsigned)ba_least(BA_THREADS, ba_ceil(r.results, BA_WARP) * BA_WARP), grid = (unsigned)ba_ceil(r.results, block);
    auto threads = ba_reduce_threads<T, MOST>;
    auto blocks = ba_reduce_blocks<T, MOST>;
    auto pieces = ba_reduce_pieces<MOST>;
    if (r.across)
        BA_LAUNCH(threads, dim3(grid, (unsigned)r.pieces), block, 0, c, x, y, partial, r);
    else
        BA_LAUNCH(blocks, dim3((unsigned)r.pieces, (unsigned)ba_least(r.results, 65535), (unsigned)ba_ceil(r.results, 65535)), r.each > 512 ? 256 : 64, 0, c, x, y, partial, r);
    if (partial)
        BA_LAUNCH(pieces, grid, block, 0, c, (const float *)partial, y, r);
}

/* most: the maximum instead of the sum. */
static inline int ba_reduce_run(const bai_cuda_call *c, unsigned axes, int most, float factor)
{
    ba_reduction r = ba_reduction_of(&c->in[0].type, axes);
    r.factor = factor;
    BA_REAL(c->in[0].type.dtype, T, {
        if (most)
            ba_reduce_launch<T, 1>(c, r);
        else
            ba_reduce_launch<T, 0>(c, r);
    });
    return BA_OK;
}

/* Of sum, mean and max. */
static inline unsigned ba_reduce_axes(int64_t axis, const ba_type *x) { return axis == -100 ? 31u : 1u << (axis < 0 ? axis + x->rank : axis); }

#endif
