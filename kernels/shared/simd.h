/* simd: vectors as wide as the tier's registers, exp and the exact GELU on them, bf16.
 *
 * Every file of kernels/ is compiled once per tier; VL is the number of floats in a register of that tier. Loops over
 * rows handle the last few elements through a zero-padded vector, so there is one code path for all lengths. */
#ifndef BAI_SIMD_H
#define BAI_SIMD_H

#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__) || BAI_WIDE
enum { VL = 16 };
#elif defined(__AVX2__)
enum { VL = 8 };
#else
enum { VL = 4 };
#endif

typedef float vf __attribute__((vector_size(VL * 4)));
typedef int32_t vi __attribute__((vector_size(VL * 4)));
typedef uint32_t vu __attribute__((vector_size(VL * 4)));
typedef uint16_t vh __attribute__((vector_size(VL * 2)));

static inline vf v_load(const float *p) { vf v; memcpy(&v, p, sizeof v); return v; }
static inline void v_store(float *p, vf v) { memcpy(p, &v, sizeof v); }
static inline vf v_set(float x) { return (vf){ 0 } + x; }
static inline vf v_load_part(const float *p, int64_t n) /* the first n, zeros behind */
{
    if (__builtin_expect(n >= VL, 1))
        return v_load(p);
    vf v = { 0 };
    for (int64_t i = 0; i < n; i++)
        v[i] = p[i];
    return v;
}
static inline void v_store_part(float *p, vf v, int64_t n)
{
    if (__builtin_expect(n >= VL, 1)) {
        v_store(p, v);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        p[i] = v[i];
}
/* a where the mask is all ones, b where it is zero. v_max is a where a > b, else b, also when one of them is NaN; likewise v_min. */
#if defined(__AVX512F__)
static inline vf v_select(vi mask, vf a, vf b) { return (vf)_mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i)mask), (__m512)b, (__m512)a); }
static inline vf v_max(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
static inline vf v_min(vf a, vf b) { return (vf)_mm512_min_ps((__m512)a, (__m512)b); }
#elif defined(__AVX2__)
static inline vf v_select(vi mask, vf a, vf b) { return (vf)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)mask); }
static inline vf v_max(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
static inline vf v_min(vf a, vf b) { return (vf)_mm256_min_ps((__m256)a, (__m256)b); }
#else
static inline vf v_select(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
static inline vf v_max(vf a, vf b) { return v_select(a > b, a, b); }
static inline vf v_min(vf a, vf b) { return v_select(a < b, a, b); }
#endif
static inline vf v_abs(vf a) { return (vf)((vi)a & 0x7fffffff); }

/* Rows and columns of VL vectors change places: in log2(VL) rounds, blocks of w x w off the diagonal do. */
#define V_KEEP(l, w) ((l & w ? VL + l - w : l) & (2 * VL - 1)) /* the last & only matters where w >= VL, which never runs */
#define V_GIVE(l, w) ((l & w ? VL + l : l + w) & (2 * VL - 1))
#define V_LANES4(f, l, w) f(l, w), f((l + 1), w), f((l + 2), w), f((l + 3), w)
#if defined(__AVX512F__) || BAI_WIDE
#define V_LANES(f, w) V_LANES4(f, 0, w), V_LANES4(f, 4, w), V_LANES4(f, 8, w), V_LANES4(f, 12, w)
#elif defined(__AVX2__)
#define V_LANES(f, w) V_LANES4(f, 0, w), V_LANES4(f, 4, w)
#else
#define V_LANES(f, w) V_LANES4(f, 0, w)
#endif
#if __has_builtin(__builtin_shufflevector)
#define V_PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#define V_PICK16(a, b, ...) V_PICK(a, b, __VA_ARGS__) /* of 16-bit numbers */
#else
#define V_PICK(a, b, ...) __builtin_shuffle(a, b, (vi){ __VA_ARGS__ })
#define V_PICK16(a, b, ...) __builtin_shuffle(a, b, (__typeof__(a)){ __VA_ARGS__ })
#endif
/* All lanes into one, always by the same tree: the lanes of one half and those of the other, w apart, until one is left. */
#define V_TURN(l, w) ((l + w) & (VL - 1))
#define V_HALVES(f, v, w) \
    if (w < VL) \
        v = f(v, V_PICK(v, v, V_LANES(V_TURN, w)));
#define V_ALL(f, v) V_HALVES(f, v, 8) V_HALVES(f, v, 4) V_HALVES(f, v, 2) V_HALVES(f, v, 1)
static inline vf v_add(vf a, vf b) { return a + b; }
static inline float v_sum(vf v) { V_ALL(v_add, v) return v[0]; }
static inline float v_top(vf v) { V_ALL(v_max, v) return v[0]; }

#define V_ROUND(w) \
    if (w < VL) \
        for (int i = 0; i < VL; i++) \
            if (!(i & w)) { \
                const vf a = r[i], b = r[(i + w) % VL]; \
                r[i] = V_PICK(a, b, V_LANES(V_KEEP, w)); \
                r[(i + w) % VL] = V_PICK(a, b, V_LANES(V_GIVE, w)); \
            }
static inline __attribute__((always_inline)) void v_transpose(vf *r)
{
    V_ROUND(1) V_ROUND(2) V_ROUND(4) V_ROUND(8)
}

/* e^x to 1 ulp or so for |x| < 87; saturates beyond. NaN stays NaN: it must be seen, wherever it came from. */
static inline vf v_exp(vf given)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number in the low mantissa bits */
    vf x = v_min(v_max(given, v_set(-87.0f)), v_set(88.0f));
    vf shifted = x * 1.44269504088896341f + magic;
    vf n = shifted - magic;
    vf f = x - n * 0.693359375f;
    f = f - n * -2.12194440e-4f;
    vf p = v_set(1.0f / 5040);
    p = p * f + 1.0f / 720;
    p = p * f + 1.0f / 120;
    p = p * f + 1.0f / 24;
    p = p * f + 1.0f / 6;
    p = p * f + 0.5f;
    p = p * f + 1.0f;
    p = p * f + 1.0f;
    vi bits = (vi)shifted - (vi)v_set(magic);
    return v_select(given == given, (vf)((vi)p + (bits << 23)), given);
}

/* x P(x^2) / Q(x^2): odd functions, as the exact GELU's factors are when 1/2 is taken away. Numerator and denominator are independent sums, so one
 * waits for the other only at the division. */
#define V_SUM(q, u, ...) \
    static const float q##_[] = { __VA_ARGS__ }; \
    vf q = v_set(q##_[sizeof q##_ / sizeof *q##_ - 1]); \
    for (int i_ = (int)(sizeof q##_ / sizeof *q##_) - 2; i_ >= 0; i_--) \
        q = q * u + q##_[i_]

/* The standard normal's distribution function. Fitted for this file on |x| <= 5.3 (error 4e-9, 1.5e-7 as computed); 0 below, 1 above. */
static inline vf v_normal(vf given)
{
    const vf x = v_min(v_set(5.3f), v_max(v_set(-5.3f), given)), u = x * x; /* in this order NaN stays NaN */
    V_SUM(p, u, 3.98942262e-1f, 3.29361334e-2f, 4.62801196e-3f, 1.60337717e-4f, 6.37904805e-6f, 2.40497808e-8f);
    V_SUM(q, u, 1.0f, 2.49224871e-1f, 2.81390175e-2f, 1.83658977e-3f, 7.13531772e-5f, 1.23715222e-6f);
    return v_select(given < -5.3f, v_set(0), 0.5f + x * p / q);
}

static inline vf v_gelu(vf x) { return x * v_normal(x); } /* exact (erf) form */

/* The slope of the exact GELU, Phi(x) + x phi(x), in the same way on |x| <= 6 (error 5e-9, 2e-7 as computed). */
static inline vf v_gelu_slope(vf given)
{
    const vf x = v_min(v_set(6.0f), v_max(v_set(-6.0f), given)), u = x * x;
    V_SUM(p, u, 7.97884524e-1f, -1.80362239e-2f, 1.35689387e-2f, 2.85256663e-4f, 3.20271429e-5f, 1.12202372e-6f, 1.30037092e-8f, -2.88809341e-11f);
    V_SUM(q, u, 1.0f, 3.10727805e-1f, 4.55834791e-2f, 4.15031193e-3f, 2.58614280e-4f, 1.08126560e-5f, 3.63661428e-7f);
    return v_select(given < -6.0f, v_set(0), 0.5f + x * p / q);
}

/* bf16: the upper half of a float, rounded to nearest even. NaN stays NaN. */
static inline float bf16_to_f32(uint16_t h) { uint32_t u = (uint32_t)h << 16; float f; memcpy(&f, &u, 4); return f; }
#if defined(__AVX512BF16__)
static inline vh v_to_bf16(vf a) { return (vh)_mm512_cvtneps_pbh((__m512)a); } /* a denormal becomes zero; what arithmetic here makes has none */
#else
static inline vh v_to_bf16(vf a)
{
    vu u = (vu)a, up = (u + 0x7fff + (u >> 16 & 1)) >> 16, nan = u >> 16 | 0x40;
    vi is_nan = a != a;
    return __builtin_convertvector((vu)((is_nan & (vi)nan) | (~is_nan & (vi)up)), vh);
}
#endif

/* n numbers of bf16 (zeros behind them), and n numbers as bf16. */
static inline vf v_load_halves(const uint16_t *p, int64_t n)
{
    vh h = { 0 };
    if (__builtin_expect(n >= VL, 1))
        memcpy(&h, p, sizeof h);
    else
        for (int64_t i = 0; i < n; i++)
            h[i] = p[i];
    return (vf)(__builtin_convertvector(h, vu) << 16);
}
static inline void v_store_halves(uint16_t *p, vf v, int64_t n)
{
    const vh h = v_to_bf16(v);
    if (__builtin_expect(n >= VL, 1))
        memcpy(p, &h, sizeof h);
    else
        for (int64_t i = 0; i < n; i++)
            p[i] = h[i];
}

#endif
