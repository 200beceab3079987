/* fp8: E4M3 on the device; what it is says ../shared/e4m3.h, to whose bits these functions agree. */
#ifndef BAI_CUDA_FP8_H
#define BAI_CUDA_FP8_H

#include "each.h"

/* The code of the nearest number, ties to the even one, beyond 448: 448. What is not finite becomes NaN. */
static __device__ __forceinline__ uint8_t ba_e4m3(float x)
{
    uint32_t u = ba_float_bits(x), sign = u >> 24 & 0x80, a = u & 0x7fffffffu;
    if (a > 0x7f7fffffu)
        return (uint8_t)(sign | 0x7f);
    if (a >= 0x43e00000u) /* 448 */
        return (uint8_t)(sign | 0x7e);
    if (a < 0x3c800000u) { /* below 2^-6: whole multiples of 2^-9 */
        float shifted = ba_bits_float(a) + 16384.f; /* 2^14, whose last bit is 2^-9 */
        return (uint8_t)(sign | (ba_float_bits(shifted) & 15));
    }
    return (uint8_t)(sign | (((a + 0x7ffffu + (a >> 20 & 1)) >> 20) - (120 << 3)));
}

static __device__ __forceinline__ float ba_e4m3_scale(float largest)
{
    uint32_t u = ba_float_bits(fminf(largest, 1.2676506e30f)); /* 2^100 */
    int e = (int)(u >> 23) - 126; /* as frexp's: largest = m 2^e with m from 0.5 to 1 */
    if (!(largest > 0))
        return 1;
    e = (u & 0x7fffffu) > 0x600000u ? e - 8 : e - 9;
    return ba_bits_float((uint32_t)((e < -100 ? -100 : e) + 127) << 23);
}

/* PER neighbours a thread: their codes, after each was multiplied by 1 / *scale. */
template <typename T, int PER> static __global__ void ba_quantise(const T *x, const float *scale, uint8_t *codes, int64_t packs)
{
    enum { EACH = PER * sizeof(T) > 16 ? 16 / sizeof(T) : PER };
    const float by = 1 / *scale;
    for (int64_t at = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; at < packs; at += (int64_t)gridDim.x * blockDim.x) {
        ba_pack<uint8_t, PER> out;
        for (int p = 0; p < PER / EACH; p++) {
            ba_pack<T, EACH> v = ((const ba_pack<T, EACH> *)x)[at * (PER / EACH) + p];
            for (int i = 0; i < EACH; i++)
                out.x[p * EACH + i] = ba_e4m3(ba_wide(v.x[i]) * by);
        }
        ((ba_pack<uint8_t, PER> *)codes)[at] = out;
    }
}

/* All n numbers of x: 16 a thread where addresses and number allow. */
static inline void ba_quantise_all(const bai_cuda_call *c, const ba_view *x, const float *scale, uint8_t *codes, int64_t n)
{
    const int wide = n % 16 == 0 && ((uintptr_t)x->data | (uintptr_t)codes) % 16 == 0;
    BA_REAL(x->type.dtype, T, {
        auto many = ba_quantise<T, 16>;
        auto one = ba_quantise<T, 1>;
        if (wide)
            BA_LAUNCH(many, ba_blocks(n / 16, BA_THREADS), BA_THREADS, 0, c, (const T *)x->data, scale, codes, n / 16);
        else
            BA_LAUNCH(one, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, (const T *)x->data, scale, codes, n);
    });
}

#endif
