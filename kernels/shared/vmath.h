/* vmath: elementary functions on vectors beyond those of simd.h; NaN stays NaN. */
#ifndef BAI_VMATH_H
#define BAI_VMATH_H

#include "simd.h"

static inline vf v_keep_nan(vf y, vf x) { return v_select(x == x, y, x); }

/* e^x over the whole range of floats; the ends go through e^(x/2). */
static inline vf v_exp_full(vf x)
{
    vf y = v_exp(x), far = v_exp(0.5f * x);
    vi out = v_abs(x) > 86.0f;
    y = v_select(out, far * far, y);
    y = v_select(x > 88.73f, v_set(__builtin_inff()), y);
    return v_keep_nan(v_select(x < -104.0f, v_set(0), y), x);
}

/* ln x = k ln 2 + 2 artanh((m - 1) / (m + 1)) with m in [sqrt(1/2), sqrt 2). */
static inline vf v_log(vf x)
{
    vi tiny = (x > 0) & (x < 1.17549435e-38f);
    vf y = v_select(tiny, x * 16777216.0f, x);
    vi k = (((vi)y >> 23) & 255) - 127;
    vf m = (vf)(((vi)y & 0x007fffff) | 0x3f800000);
    vi high = m > 1.41421356f;
    m = v_select(high, 0.5f * m, m);
    vf kf = __builtin_convertvector(k - high - (tiny & 24), vf); /* a mask is -1 */
    vf s = (m - 1.0f) / (m + 1.0f), q = s * s;
    vf p = v_set(2.0f / 11);
    p = p * q + 2.0f / 9;
    p = p * q + 2.0f / 7;
    p = p * q + 2.0f / 5;
    p = p * q + 2.0f / 3;
    p = p * q + 2.0f;
    vf r = kf * 0.693359375f + (s * p + kf * -2.12194440e-4f);
    r = v_select(x == 0, v_set(-__builtin_inff()), r);
    r = v_select(x < 0, v_set(__builtin_nanf("")), r);
    return v_keep_nan(v_select(x == __builtin_inff(), x, r), x);
}

static inline vf v_sqrt(vf x)
{
    for (int i = 0; i < VL; i++)
        x[i] = __builtin_sqrtf(x[i]);
    return x;
}

static inline vf v_sigmoid(vf x) { return v_keep_nan(1.0f / (1.0f + v_exp(-x)), x); }

static inline vf v_tanh(vf x)
{
    vf a = v_abs(x), t = v_exp(-2.0f * a), q = x * x;
    vf far = (1.0f - t) / (1.0f + t);
    far = v_select(x < 0, -far, far);
    vf near = x + x * q * (-1.0f / 3 + q * (2.0f / 15 + q * (-17.0f / 315)));
    return v_keep_nan(v_select(a < 0.15f, near, far), x);
}

/* the larger; NaN when either is */
static inline vf v_maximum(vf a, vf b) { return v_select((a > b) | (a != a), a, b); }
static inline vf v_minimum(vf a, vf b) { return v_select((a < b) | (a != a), a, b); }

#endif
