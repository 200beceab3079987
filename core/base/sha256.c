/* sha256: FIPS 180-4, by the processor's instructions where it has them (found out at run time), else in plain C. */
#include "crc.h"

#include <string.h>

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t turn(uint32_t x, int n) { return x >> n | x << (32 - n); }

/* One round. The caller renames the eight words instead of moving them. */
static inline void round_of(const uint32_t *a, const uint32_t *b, const uint32_t *c, uint32_t *d, const uint32_t *e,
    const uint32_t *f,
                            const uint32_t *g, uint32_t *h, uint32_t kw)
{
    uint32_t t = *h + (turn(*e, 6) ^ turn(*e, 11) ^ turn(*e, 25)) + ((*e & *f) ^ (~*e & *g)) + kw;
    *d += t;
    *h = t + (turn(*a, 2) ^ turn(*a, 13) ^ turn(*a, 22)) + ((*a & *b) ^ (*a & *c) ^ (*b & *c));
}

static void plain(uint32_t state[8], const uint8_t *p, size_t blocks)
{
    for (; blocks; blocks--, p += 64) {
        uint32_t w[64], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6],
            h = state[7];
        for (int i = 0; i < 16; i++)
            w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
        for (int i = 16; i < 64; i++)
            w[i] = w[i - 16] + w[i - 7] + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3)
                 + (turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
        for (int i = 0; i < 64; i += 8) {
            round_of(&a, &b, &c, &d, &e, &f, &g, &h, K[i] + w[i]);
            round_of(&h, &a, &b, &c, &d, &e, &f, &g, K[i + 1] + w[i + 1]);
            round_of(&g, &h, &a, &b, &c, &d, &e, &f, K[i + 2] + w[i + 2]);
            round_of(&f, &g, &h, &a, &b, &c, &d, &e, K[i + 3] + w[i + 3]);
            round_of(&e, &f, &g, &h, &a, &b, &c, &d, K[i + 4] + w[i + 4]);
            round_of(&d, &e, &f, &g, &h, &a, &b, &c, K[i + 5] + w[i + 5]);
            round_of(&c, &d, &e, &f, &g, &h, &a, &b, K[i + 6] + w[i + 6]);
            round_of(&b, &c, &d, &e, &f, &g, &h, &a, K[i + 7] + w[i + 7]);
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d;
        state[4] += e, state[5] += f, state[6] += g, state[7] += h;
    }
}

#if defined(__x86_64__)
#include <immintrin.h>

static int has_instructions(void)
{
    unsigned a = 7, b, c = 0, d;
    if (!__builtin_cpu_supports("sse4.1"))
        return 0;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return b >> 29 & 1;
}

/* The state lives in two registers as (a,b,e,f) and (c,d,g,h); one instruction does two rounds. */
__attribute__((target("sha,sse4.1,ssse3")))
static void fast(uint32_t h[8], const uint8_t *p, size_t blocks)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    __m128i abef = _mm_set_epi32((int)h[0], (int)h[1], (int)h[4], (int)h[5]);
    __m128i cdgh = _mm_set_epi32((int)h[2], (int)h[3], (int)h[6], (int)h[7]);
    for (; blocks; blocks--, p += 64) {
        __m128i a0 = abef, c0 = cdgh, m[4];
        for (int i = 0; i < 4; i++)
            m[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i)), swap);
        for (int i = 0; i < 16; i++) {
            __m128i w = _mm_add_epi32(m[i & 3], _mm_loadu_si128((const __m128i *)(const void *)(K + 4 * i)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, w);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(w, 0x0e));
            if (i < 12) { /* words 4i+16..4i+19 take the place of words 4i..4i+3 */
                __m128i x = _mm_sha256msg1_epu32(m[i & 3], m[(i + 1) & 3]);
                x = _mm_add_epi32(x, _mm_alignr_epi8(m[(i + 3) & 3], m[(i + 2) & 3], 4));
                m[i & 3] = _mm_sha256msg2_epu32(x, m[(i + 3) & 3]);
            }
        }
        abef = _mm_add_epi32(abef, a0);
        cdgh = _mm_add_epi32(cdgh, c0);
    }
    h[0] = (uint32_t)_mm_extract_epi32(abef, 3), h[1] = (uint32_t)_mm_extract_epi32(abef, 2);
    h[4] = (uint32_t)_mm_extract_epi32(abef, 1), h[5] = (uint32_t)_mm_extract_epi32(abef, 0);
    h[2] = (uint32_t)_mm_extract_epi32(cdgh, 3), h[3] = (uint32_t)_mm_extract_epi32(cdgh, 2);
    h[6] = (uint32_t)_mm_extract_epi32(cdgh, 1), h[7] = (uint32_t)_mm_extract_epi32(cdgh, 0);
}
#endif

int bai_sha256_plain;

static void blocks_of(uint32_t h[8], const uint8_t *p, size_t blocks)
{
#if defined(__x86_64__)
    if (!bai_sha256_plain && has_instructions()) {
        fast(h, p, blocks);
        return;
    }
#endif
    plain(h, p, blocks);
}

void bai_sha256_begin(bai_sha256 *s)
{
    static const uint32_t h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
        0x5be0cd19 };
    memset(s, 0, sizeof *s);
    memcpy(s->h, h, sizeof h);
}

void bai_sha256_add(bai_sha256 *s, const void *data, size_t n)
{
    const uint8_t *p = data;
    size_t have = s->bytes & 63;
    s->bytes += n;
    if (have) {
        size_t take = n < 64 - have ? n : 64 - have;
        memcpy(s->rest + have, p, take);
        if (have + take < 64)
            return;
        blocks_of(s->h, s->rest, 1);
        p += take;
        n -= take;
    }
    blocks_of(s->h, p, n / 64);
    if (n & 63)
        memcpy(s->rest, p + (n & ~(size_t)63), n & 63);
}

void bai_sha256_end(bai_sha256 *s, uint8_t out[32])
{
    uint64_t bits = s->bytes * 8;
    uint8_t pad[72] = { 0x80 };
    size_t n = 64 - ((s->bytes + 8) & 63); /* 1..64: the first is 0x80, zeros follow */
    for (int i = 0; i < 8; i++)
        pad[n + (size_t)i] = (uint8_t)(bits >> (56 - 8 * i));
    bai_sha256_add(s, pad, n + 8);
    for (int i = 0; i < 32; i++)
        out[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

void bai_sha256_text(bai_sha256 *s, char out[65])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t sum[32];
    bai_sha256_end(s, sum);
    for (int i = 0; i < 32; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    out[64] = 0;
}
