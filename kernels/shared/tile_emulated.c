/* tile_emulated: tiles in plain C, for the tests of what is built on them. As on the processor: bf16 numbers are multiplied exactly, even and odd
 * members of the pairs are summed apart in fp32 (each step one rounding to nearest even), then added to one another and to what was there; denormals
 * are zero before and after each step. Tiles that were not configured are a fault. */
#include "tile.h"

#if BAI_TILES_EMULATED
#include <stdlib.h>
#include <string.h>

enum { TILES = 8, WIDE = BAI_TILE_ROW / 4 };

typedef unsigned char tile_data[BAI_TILE];
static _Thread_local tile_data *here; /* memory of its own: a library opened late has little room for what threads own */

static unsigned char *tile(int t)
{
    if (!here || t < 0 || t >= TILES)
        __builtin_trap();
    return here[t];
}

void bai_tile_open(void)
{
    if (!(here = calloc(TILES, sizeof *here)))
        __builtin_trap();
}

void bai_tile_close(void)
{
    free(here);
    here = NULL;
}

void bai_tile_zero(int t) { memset(tile(t), 0, BAI_TILE); }

void bai_tile_load(int t, const void *p, int64_t stride)
{
    unsigned char *to = tile(t);
    for (int r = 0; r < BAI_TILE_ROWS; r++)
        memcpy(to + r * BAI_TILE_ROW, (const char *)p + r * stride, BAI_TILE_ROW);
}

void bai_tile_store(int t, void *p, int64_t stride)
{
    const unsigned char *from = tile(t);
    for (int r = 0; r < BAI_TILE_ROWS; r++)
        memcpy((char *)p + r * stride, from + r * BAI_TILE_ROW, BAI_TILE_ROW);
}

static float flushed(float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    if (!(u & 0x7f800000))
        u &= 0x80000000;
    memcpy(&x, &u, 4);
    return x;
}

static float widened(uint16_t h)
{
    uint32_t u = (uint32_t)h << 16;
    float x;
    memcpy(&x, &u, 4);
    return flushed(x);
}

static void widen_tile(float *to, int t)
{
    uint16_t h[BAI_TILE / 2];
    memcpy(h, tile(t), sizeof h);
    for (int i = 0; i < BAI_TILE / 2; i++)
        to[i] = widened(h[i]);
}

/* One row of c: the sums of even and of odd members over all pairs, then both to c. In double a product is exact, and rounding such a sum twice
 * gives what rounding once would. */
static void row_dot(float *c, const float *a, const float *b)
{
    float sum[2 * WIDE] = { 0 };
    for (int k = 0; k < WIDE; k++)
        for (int i = 0; i < 2 * WIDE; i++)
            sum[i] = flushed((float)((double)a[2 * k + (i & 1)] * b[k * 2 * WIDE + i] + sum[i]));
    for (int n = 0; n < WIDE; n++)
        c[n] = flushed(flushed(c[n]) + flushed(sum[2 * n] + sum[2 * n + 1]));
}

void bai_tile_dot(int c, int a, int b)
{
    float left[BAI_TILE / 2], right[BAI_TILE / 2], row[WIDE];
    widen_tile(left, a);
    widen_tile(right, b);
    for (int r = 0; r < BAI_TILE_ROWS; r++) {
        unsigned char *sum = tile(c) + r * BAI_TILE_ROW;
        memcpy(row, sum, sizeof row);
        row_dot(row, left + r * 2 * WIDE, right);
        memcpy(sum, row, sizeof row);
    }
}

#endif
