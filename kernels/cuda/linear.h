/* linear: what comes after a product on the device. The GELU is an own pass, for the library's is the tanh form, which is another function than erf's;
 * the bias goes into the product's epilogue where the library takes it, in bf16 only as a bias that was rounded to bf16. */
#ifndef BAI_CUDA_LINEAR_H
#define BAI_CUDA_LINEAR_H

#include "each.h"

/* y (and pre, before the GELU) from the sums, which may lie in either: PER neighbours of one row at a time. */
template <typename T, int PER> static __global__ void ba_linear_finish(const T *sums, const float *bias, T *pre, T *y, int64_t packs, int64_t N, int gelu)
{
    for (int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; at < packs; at += (int64_t)gridDim.x * blockDim.x) {
        ba_pack<T, PER> v = ((const ba_pack<T, PER> *)sums)[at], plain, out;
        const float *b = bias ? bias + at * PER % N : NULL;
        for (int i = 0; i < PER; i++) {
            float x = ba_wide(v.x[i]) + (b ? b[i] : 0.f);
            ba_narrow(x, &plain.x[i]);
            ba_narrow(gelu ? ba_gelu(x) : x, &out.x[i]);
        }
        if (pre)
            ((ba_pack<T, PER> *)pre)[at] = plain;
        if (y)
            ((ba_pack<T, PER> *)y)[at] = out;
    }
}

template <typename T, int PER>
static void ba_linear_launch(const bai_cuda_call *c, const void *sums, const float *bias, void *pre, void *y, int64_t count, int64_t N, int gelu)
{
    auto f = ba_linear_finish<T, PER>;
    BA_LAUNCH(f, ba_blocks(count / PER, BA_THREADS), BA_THREADS, 0, c, (const T *)sums, bias, (T *)pre, (T *)y, count / PER, N, gelu);
}

/* bias NULL: the product has added it; pre, y NULL: not written. */
static inline void ba_linear_end(const bai_cuda_call *c, int dtype, const void *sums, const float *bias, void *pre, void *y, int64_t M, int64_t N, int gelu)
{
    const uintptr_t all = (uintptr_t)sums | (uintptr_t)pre | (uintptr_t)y; /* parts of packed tensors may begin in the middle */
    BA_REAL(dtype, T, {
        if (N % (16 / (int64_t)sizeof(T)) || all % 16)
            ba_linear_launch<T, 1>(c, sums, bias, pre, y, M * N, N, gelu);
        else
            ba_linear_launch<T, 16 / sizeof(T)>(c, sums, bias, pre, y, M * N, N, gelu);
    });
}

static __global__ void ba_round_bias(const float *from, bf16 *to, int64_t n)
{
    int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        ba_narrow(from[i], &to[i]);
}

/* The bias [N] in bf16, in `room`. */
static inline const void *ba_bias_halves(const bai_cuda_call *c, const float *bias, void *room, int64_t N)
{
    BA_LAUNCH(ba_round_bias, (unsigned)ba_ceil(N, BA_THREADS), BA_THREADS, 0, c, bias, (bf16 *)room, N);
    return room;
}

#endif
