/* tile_product: see tile_product.h. A packed tile is 16 rows of 16 dwords, each a pair of numbers that are neighbours in the sum: for A a row of the
 * tile is a row of A, for B a dword is a column of B. So the tile of a matrix taken as A and that of its transpose taken as B are transposes of one another. */
#include "tile_product.h"

enum { PAIRS = BAI_TILE_ROWS, STEP = BAI_TILE, /* of a row of a tile; numbers of a strip or a panel in one step of 32: two tiles of two bytes each */
       AHEAD = 32 };                           /* rows that are fetched before they are packed */
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

/* Both tiles of a step at once, 32 rows of 32 numbers: where all are there. */
static void pair_tiles(uint16_t *to, const uint16_t *x, int64_t ld)
{
    typedef uint16_t row __attribute__((vector_size(BAI_TILE_ROW)));
#define BOTH(i) i, i + BAI_SIDE
    for (int64_t r = 0; r < BAI_SIDE; r += 2) {
        row a, b;
        memcpy(&a, x + r * ld, sizeof a);
        memcpy(&b, x + (r + 1) * ld, sizeof b);
        for (int64_t i = r + AHEAD; i < r + AHEAD + 2; i++) /* rows far apart in memory: the processor does not see by itself that they come */
            __builtin_prefetch((const void *)((uintptr_t)x + (uintptr_t)(i * ld) * sizeof *x)); /* maybe behind the matrix */
        const row left = V_PICK16(a, b, BOTH(0), BOTH(1), BOTH(2), BOTH(3), BOTH(4), BOTH(5), BOTH(6), BOTH(7), BOTH(8), BOTH(9), BOTH(10), BOTH(11), BOTH(12),
                                  BOTH(13), BOTH(14), BOTH(15));
        const row right = V_PICK16(a, b, BOTH(16), BOTH(17), BOTH(18), BOTH(19), BOTH(20), BOTH(21), BOTH(22), BOTH(23), BOTH(24), BOTH(25), BOTH(26), BOTH(27),
                                   BOTH(28), BOTH(29), BOTH(30), BOTH(31));
        memcpy(to + r * PAIRS, &left, sizeof left);
        memcpy(to + BAI_TILE / 2 + r * PAIRS, &right, sizeof right);
    }
#undef BOTH
}

/* Both tiles of one step: lines l, l + 16 (rows of A, columns of B; of `lines`), numbers k.. of the sum. in_rows: the lines are rows in memory. */
static void pack_step(bai_half x, int in_rows, int as_columns, int64_t l, int64_t lines, int64_t k, int64_t K, uint16_t *to)
{
    if (!in_rows && as_columns && l + BAI_SIDE <= lines && k + BAI_SIDE <= K) {
        pair_tiles(to, x.data + k * x.ld + l, x.ld);
        return;
    }
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

/* One block: a at `a` (upper 16 rows) and `low`, `stride` bytes from row to row, `step` bytes from one 32 of the sum to the next. Only the first `rows`
 * rows of c are asked for. */
#if BAI_PAIRS

enum { DOWN = 8 }; /* rows at a time: 16 sums of a whole register each, two of B, one of A */

static inline __attribute__((always_inline)) void few_rows(const char *a, int64_t stride, int64_t step, const uint16_t *strip, int64_t steps, float *c)
{
    __m512 sum[DOWN][2];
    for (int r = 0; r < DOWN; r++)
        sum[r][0] = sum[r][1] = _mm512_setzero_ps();
    for (int64_t i = 0; i < steps; i++, a += step, strip += STEP)
        for (int p = 0; p < PAIRS; p++) {
            const __m512bh left = (__m512bh)_mm512_loadu_si512(strip + p * BAI_SIDE), right = (__m512bh)_mm512_loadu_si512(strip + STEP / 2 + p * BAI_SIDE);
            for (int r = 0; r < DOWN; r++) {
                int32_t pair;
                memcpy(&pair, a + r * stride + p * 4, 4);
                const __m512bh x = (__m512bh)_mm512_set1_epi32(pair);
                sum[r][0] = _mm512_dpbf16_ps(sum[r][0], x, left);
                sum[r][1] = _mm512_dpbf16_ps(sum[r][1], x, right);
            }
        }
    for (int r = 0; r < DOWN; r++) {
        _mm512_store_ps(c + r * BAI_SIDE, sum[r][0]);
        _mm512_store_ps(c + r * BAI_SIDE + PAIRS, sum[r][1]);
    }
}

static void block(const char *a, const char *low, int64_t stride, int64_t step, const uint16_t *strip, int64_t steps, int64_t rows, float *c)
{
    for (int64_t r = 0; r < rows; r += DOWN)
        few_rows((r < PAIRS ? a : low) + r % PAIRS * stride, stride, step, strip, steps, c + r * BAI_SIDE);
}

#else

static void block(const char *a, const char *low, int64_t stride, int64_t step, const uint16_t *strip, int64_t steps, int64_t rows, float *c)
{
    (void)rows;
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

#endif

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
            block((const char *)from, (const char *)(from + low), stride, in_place ? BAI_TILE_ROW : STEP * 2, strips + (s - first) * steps * STEP, steps, rows, c);
            done(ctx, m, s * BAI_SIDE, rows, bai_min(BAI_SIDE, N - s * BAI_SIDE), c, BAI_SIDE);
        }
    }
    bai_tile_close();
}
