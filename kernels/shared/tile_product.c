/* tile_product: see tile_product.h. A packed tile is 16 rows of 16 dwords, each a pair of numbers that are neighbours in the sum: for A a row of the
 * tile is a row of A, for B a dword is a column of B. So the tile of a matrix taken as A and that of its transpose taken as B are transposes of one another. */
#include "tile_product.h"

enum { PAIRS = BAI_TILE_ROWS, STEP = BAI_TILE }; /* numbers of a strip or a panel in one step of 32: two tiles of two bytes each */
_Static_assert((int)VL == (int)PAIRS, "a row of a tile is one vector");

static void transpose(uint16_t *tile) /* 16x16 dwords, in place; moved, never read as fp32 */
{
    vf r[PAIRS];
    memcpy(r, tile, sizeof r);
    v_transpose(r);
    memcpy(tile, r, sizeof r);
}

/* 16 rows of 32 numbers; rows and cols are what there is. */
static void copy_tile(uint16_t *to, const uint16_t *x, int64_t ld, int64_t rows, int64_t cols)
{
    if (rows >= PAIRS && cols >= BAI_SIDE) {
        for (int64_t r = 0; r < PAIRS; r++)
            memcpy(to + r * BAI_SIDE, x + r * ld, BAI_TILE_ROW);
        return;
    }
    memset(to, 0, BAI_TILE);
    for (int64_t r = 0; r < bai_min(rows, PAIRS); r++)
        memcpy(to + r * BAI_SIDE, x + r * ld, (size_t)bai_min(cols, BAI_SIDE) * 2);
}

static vu wide_row(const uint16_t *x) { vh h; memcpy(&h, x, sizeof h); return __builtin_convertvector(h, vu); }

/* 32 rows of 16 numbers, two rows as one row of pairs: the first of a pair is the lower half. */
static void pair_tile(uint16_t *to, const uint16_t *x, int64_t ld, int64_t rows, int64_t cols)
{
    uint16_t whole[BAI_SIDE * PAIRS];
    if (rows < BAI_SIDE || cols < PAIRS) {
        memset(whole, 0, sizeof whole);
        for (int64_t r = 0; r < bai_min(rows, BAI_SIDE); r++)
            memcpy(whole + r * PAIRS, x + r * ld, (size_t)bai_min(cols, PAIRS) * 2);
        x = whole;
        ld = PAIRS;
    }
    for (int64_t r = 0; r < BAI_SIDE; r += 2) {
        const vu pairs = wide_row(x + r * ld) | wide_row(x + (r + 1) * ld) << 16;
        memcpy(to + r * PAIRS, &pairs, sizeof pairs);
    }
}

/* Both tiles of one step: lines l, l + 16 (rows of A, columns of B; of `lines`), numbers k.. of the sum. in_rows: the lines are rows in memory. */
static void pack_step(bai_half x, int in_rows, int as_columns, int64_t l, int64_t lines, int64_t k, int64_t K, uint16_t *to)
{
    for (int i = 0; i < 2; i++, l += PAIRS, to += BAI_TILE / 2) {
        if (l >= lines)
            memset(to, 0, BAI_TILE);
        else if (in_rows)
            copy_tile(to, x.data + l * x.ld + k, x.ld, lines - l, K - k);
        else
            pair_tile(to, x.data + k * x.ld + l, x.ld, K - k, lines - l);
        if (l < lines && in_rows == as_columns)
            transpose(to);
    }
}

void bai_pack_strips(bai_half b, int64_t K, int64_t N, int64_t first, int64_t last, uint16_t *to)
{
    for (int64_t s = first; s < last; s++)
        for (int64_t k = 0; k < K; k += BAI_SIDE, to += STEP)
            pack_step(b, b.transposed, 1, s * BAI_SIDE, N, k, K, to);
}

/* One block: a at `a` (upper 16 rows) and `low`, `stride` bytes from row to row, `step` bytes from one 32 of the sum to the next. */
static void block(const char *a, const char *low, int64_t stride, int64_t step, const uint16_t *strip, int64_t steps, float *c)
{
    bai_tile_zero(0);
    bai_tile_zero(1);
    bai_tile_zero(2);
    bai_tile_zero(3);
    for (int64_t i = 0; i < steps; i++, a += step, low += step, strip += STEP) {
        bai_tile_load(4, a, stride);
        bai_tile_load(6, strip, BAI_TILE_ROW);
        bai_tile_load(7, strip + STEP / 2, BAI_TILE_ROW);
        bai_tile_dot(0, 4, 6);
        bai_tile_load(5, low, stride);
        bai_tile_dot(1, 4, 7);
        bai_tile_dot(2, 5, 6);
        bai_tile_dot(3, 5, 7);
    }
    bai_tile_store(0, c, BAI_SIDE * 4);
    bai_tile_store(1, c + PAIRS, BAI_SIDE * 4);
    bai_tile_store(2, c + PAIRS * BAI_SIDE, BAI_SIDE * 4);
    bai_tile_store(3, c + PAIRS * BAI_SIDE + PAIRS, BAI_SIDE * 4);
}

void bai_tile_product(bai_half a, int64_t m0, int64_t m1, const uint16_t *strips, int64_t first, int64_t last, int64_t N, int64_t K, uint16_t *panel,
                      bai_block_fn done, void *ctx)
{
    float c[BAI_SIDE * BAI_SIDE] __attribute__((aligned(64)));
    const int64_t steps = bai_ceil(K, BAI_SIDE);
    bai_tile_open();
    for (int64_t m = m0; m < m1; m += BAI_SIDE) {
        int64_t rows = bai_min(BAI_SIDE, m1 - m), in_place = !a.transposed && rows == BAI_SIDE && K % BAI_SIDE == 0;
        for (int64_t i = 0; !in_place && i < steps; i++)
            pack_step(a, !a.transposed, 0, m, m1, i * BAI_SIDE, K, panel + i * STEP);
        const uint16_t *from = in_place ? a.data + m * a.ld : panel;
        int64_t stride = in_place ? a.ld * 2 : BAI_TILE_ROW, low = in_place ? PAIRS * a.ld : STEP / 2;
        for (int64_t s = first; s < last; s++) {
            block((const char *)from, (const char *)(from + low), stride, in_place ? BAI_TILE_ROW : STEP * 2, strips + (s - first) * steps * STEP, steps, c);
            done(ctx, m, s * BAI_SIDE, rows, bai_min(BAI_SIDE, N - s * BAI_SIDE), c, BAI_SIDE);
        }
    }
    bai_tile_close();
}
