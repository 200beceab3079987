/* e4m3: FP8 as tensor cores multiply it: a sign, 4 bits of exponent (bias 7), 3 of mantissa. The smallest number is 2^-9, the largest 448; there is no
 * infinity, and one NaN (0x7f, 0xff). In tensors a code is a u8.
 *
 * A tensor's scale is the power of two that brings its largest number into (224, 448]: a power of two costs no precision, dividing by it is exact, and the
 * rounding to E4M3 is the same on every device. */
#ifndef BAI_E4M3_H
#define BAI_E4M3_H

#include "bauta/fp8.h"
#include "kernel.h"

enum { E4M3_NAN = 0x7f };

static inline float e4m3_value(int code)
{
    const uint32_t exponent = (uint32_t)code >> 3 & 15, mantissa = (uint32_t)code & 7, u = (exponent + 120) << 23 | mantissa << 20;
    float f;
    memcpy(&f, &u, 4);
    f = (code & 0x7f) == E4M3_NAN ? NAN : exponent ? f : (float)mantissa * 0x1p-9f;
    return code & 0x80 ? -f : f;
}

/* The nearest numbers of E4M3, ties to the even code, beyond 448: 448. What is not finite becomes NaN, so that it is seen. */
static inline vf v_to_e4m3(vf x)
{
    const vi sign = (vi)x & INT32_MIN, wild = ((vi)x & 0x7fffffff) > 0x7f7fffff;
    const vf a = v_min(v_abs(x), v_set(512));
    const vf step = v_max((vf)((vi)a & 0x7f800000), v_set(0x1p-6f)) * 0x1p20f; /* so large that a sum with it keeps 3 bits of a's mantissa */
    const vf r = v_min((a + step) - step, v_set(448));
    return (vf)((vi)v_select(wild, v_set(NAN), r) | sign);
}

/* The code of a number that is one of E4M3's. */
static inline uint8_t e4m3_code(float rounded)
{
    uint32_t u;
    memcpy(&u, &rounded, 4);
    const uint32_t sign = u >> 24 & 0x80, a = u & 0x7fffffff;
    if (rounded != rounded)
        return (uint8_t)(sign | E4M3_NAN);
    return (uint8_t)(sign | (a < 0x3c800000 ? (uint32_t)(fabsf(rounded) * 512) : (a >> 20) - (120 << 3)));
}

/* The scale of a tensor whose largest absolute value is this; 1 for zeros. */
static inline float e4m3_scale(float largest)
{
    int e;
    if (!(largest > 0))
        return 1;
    const float m = frexpf(largest < 0x1p100f ? largest : 0x1p100f, &e); /* 448 is 0.875 * 2^9 */
    return ldexpf(1, (int)bai_max(m > 0.875f ? e - 8 : e - 9, -100));
}

#endif
