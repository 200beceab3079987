/* tests/reference/synthetic.h: numbers that need no file, the C side of synthetic.py.
 * A tensor is a function of its name: FNV-1a of the name, then a mixed counter. docs/testing.md says it in words. */
#ifndef TESTS_SYNTHETIC_H
#define TESTS_SYNTHETIC_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "bauta/rng.h"

/* Number i of the name's sequence, in [-1, 1); hash is ba_stream(name). */
static inline double synthetic_number(uint32_t hash, int64_t i)
{
    uint32_t z = hash + 0x9E3779B9u * (uint32_t)(i + 1);
    z ^= z >> 16;
    z *= 0x85EBCA6Bu;
    z ^= z >> 13;
    z *= 0xC2B2AE35u;
    z ^= z >> 16;
    return z / 2147483648.0 - 1.0;
}

/* out[i] = scale * u(name)[i] */
static inline void synthetic_fill(const char *name, double scale, float *out, int64_t count)
{
    uint32_t hash = ba_stream(name);
    for (int64_t i = 0; i < count; i++)
        out[i] = (float)(scale * synthetic_number(hash, i));
}

/* The last part of a parameter's name decides its scale: tables 0.5, vectors 0.1, matrices sqrt(3 / fan in);
 * a vector called weight belongs to a norm and lies around one. hashed: the name to hash (a prefix may stand before it). */
static inline void synthetic_weight(const char *hashed, int rank, const int64_t *dim, float *out)
{
    const char *last = strrchr(hashed, '.');
    last = last ? last + 1 : hashed;
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= dim[i];
    int table = 0;
    static const char *const tables[] = { "pos_embed", "mid_pos_embed", "decoder_pos_embed", "cls_token", "dist_token", "det_token", "mask_token", "cls_emb",
        "relative_position_bias_table" };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        table |= !strcmp(last, tables[i]);
    int norm = !table && rank == 1 && !strcmp(last, "weight"), gamma = !strncmp(last, "gamma", 5);
    double base = gamma ? 0.5 : norm ? 1.0 : 0.0;
    double scale = table ? 0.5 : gamma ? 0.25 : norm ? 0.2 : rank == 1 ? 0.1 : sqrt(3.0 * (double)dim[0] / (double)count);
    uint32_t hash = ba_stream(hashed);
    for (int64_t i = 0; i < count; i++)
        out[i] = (float)(base + scale * synthetic_number(hash, i));
}

#endif
