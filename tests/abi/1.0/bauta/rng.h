/* bauta/rng.h: Philox4x32-10, the only source of randomness.
 *
 * A random number is a function of (seed, stream, step, index) and of nothing else: no state to save, no
 * order of calls to keep, the same bits on every device and for every number of threads.
 *   key     = seed (64 bits)
 *   counter = { index low, index high, step, stream }
 * A stream is named; its number is FNV-1a-32 of the name (Salmon et al., SC 2011, for the generator). */
#ifndef BAUTA_RNG_H
#define BAUTA_RNG_H

#include <stdint.h>

typedef struct ba_philox { uint32_t x[4]; } ba_philox;

static inline uint32_t ba_stream(const char *name) /* FNV-1a-32 of the name */
{
    uint32_t h = 0x811C9DC5u;
    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 0x01000193u;
    return h;
}

static inline ba_philox ba_philox4x32(uint64_t seed, uint32_t stream, uint32_t step, uint64_t index)
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    ba_philox c = { { (uint32_t)index, (uint32_t)(index >> 32), step, stream } };
    for (int r = 0; r < 10; r++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c.x[0], p1 = (uint64_t)0xCD9E8D57u * c.x[2];
        c = (ba_philox){ { (uint32_t)(p1 >> 32) ^ c.x[1] ^ k0, (uint32_t)p1,
                           (uint32_t)(p0 >> 32) ^ c.x[3] ^ k1, (uint32_t)p0 } };
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

/* The i-th 32-bit word of a (seed, stream, step): block i/4, word i%4. */
static inline uint32_t ba_random_u32(uint64_t seed, uint32_t stream, uint32_t step, uint64_t i)
{
    return ba_philox4x32(seed, stream, step, i >> 2).x[i & 3];
}

/* Uniform in [0, 1) with 24 bits, exactly representable as float. */
static inline float ba_random_uniform(uint64_t seed, uint32_t stream, uint32_t step, uint64_t i)
{
    return (float)(ba_random_u32(seed, stream, step, i) >> 8) * 0x1p-24f;
}

#endif
