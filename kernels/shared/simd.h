/* simd: vectors as wide as the tier's registers, exp and the normal distribution on them, bf16.
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

static inline float v_sum(vf v) /* always the same tree */
{
    for (int w = VL / 2; w; w /= 2)
        for (int i = 0; i < w; i++)
            v[i] += v[i + w];
    return v[0];
}

static inline float v_top(vf v)
{
    float m = v[0];
    for (int i = 1; i < VL; i++)
        m = v[i] > m ? v[i] : m;
    return m;
}

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
#else
#define V_PICK(a, b, ...) __builtin_shuffle(a, b, (vi){ __VA_ARGS__ })
#endif
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

/* The standard normal's distribution function and density times sqrt(2 pi), from one exponential.
 * erfc(z) = exp(-z^2) t Q(t), t = 1/(1 + 0.3 z): Q fitted for this file, relative error 2e-8 on [0, 8]. */
static inline vf v_normal(vf x, vf *density)
{
    vf z = v_abs(x) * 0.70710678118654752f;
    vf e = v_exp(-z * z), t = 1.0f / (1.0f + 0.3f * z);
    vf q = v_set(-1.284297407e-01f);
    q = q * t + 4.797774553e-01f;
    q = q * t + -4.991354346e-01f;
    q = q * t + 5.310060382e-01f;
    q = q * t + -8.165196329e-02f;
    q = q * t + 2.086036056e-01f;
    q = q * t + 1.502149999e-01f;
    q = q * t + 1.704051793e-01f;
    q = q * t + 1.692098379e-01f;
    vf tail = 0.5f * e * q * t;
    *density = e;
    return v_select(x < 0, tail, 1.0f - tail);
}

static inline vf v_gelu(vf x) { vf d; return x * v_normal(x, &d); }                 /* exact (erf) form */
static inline vf v_gelu_slope(vf x) { vf d, p = v_normal(x, &d); return p + x * d * 0.39894228040143268f; }

/* bf16: the upper half of a float, rounded to nearest even. NaN stays NaN. */
static inline float bf16_to_f32(uint16_t h) { uint32_t u = (uint32_t)h << 16; float f; memcpy(&f, &u, 4); return f; }
static inline uint16_t f32_to_bf16(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    if ((u & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
static inline vh v_to_bf16(vf a)
{
    vu u = (vu)a, up = (u + 0x7fff + (u >> 16 & 1)) >> 16, nan = u >> 16 | 0x40;
    vi is_nan = a != a;
    return __builtin_convertvector((vu)((is_nan & (vi)nan) | (~is_nan & (vi)up)), vh);
}

#endif
