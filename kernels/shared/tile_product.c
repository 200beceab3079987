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
    if (!in_rows && (as_columns || BAI_PAIRS) && l + BAI_SIDE <= lines && k + BAI_SIDE <= K) {
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
        if (l < lines && in_rows == as_columns && !(BAI_PAIRS && !as_columns)) /* (vectors take pairs from anywhere) */
            transpose(to);
    }
}

void bai_tile_put(void *place, int64_t m, int64_t n, int64_t rows, int64_t cols, const float *c, int64_t ldc)
{
    const bai_place *p = place;
    float *to = p->to + (m - p->first) * p->ld + n;
    for (int64_t r = 0; r < rows; r++, to += p->ld, c += ldc)
        for (int64_t i = 0; i < cols; i += VL) {
            const int64_t k = bai_min(VL, cols - i);
            const vf x = v_load_part(c + i, k);
            v_store_part(to + i, p->add ? v_load_part(to + i, k) + x : x, k);
        }
}

void bai_tile_halve(void *half_place, int64_t m, int64_t n, int64_t rows, int64_t cols, const float *c, int64_t ldc)
{
    const bai_half_place *p = half_place;
    uint16_t *to = p->to + m * p->ld + n;
    for (int64_t r = 0; r < rows; r++, to += p->ld, c += ldc) {
        const float by = p->by ? p->by[r] : 1;
        __builtin_prefetch(to + cols, 1); /* of the next block, in time */
        for (int64_t i = 0; i < cols; i += VL)
            v_store_halves(to + i, v_load_part(c + i, cols - i) * by, cols - i);
    }
}

void bai_pack_strips(bai_half b, int64_t K, int64_t N, int64_t first, int64_t last, uint16_t *to)
{
    for (int64_t s = first; s < last; s++)
        for (int64_t k = 0; k < K; k += BAI_SIDE, to += STEP)
            pack_step(b, b.transposed, 1, s * BAI_SIDE, N, k, K, to);
}

/* Where the rows of A are: the first at `a`, the seventeenth at `low`. */
typedef struct left_rows {
    const char *a, *low;
    int64_t stride, step;        /* bytes from row to row, and from one 32 of the sum to the next */
    int across;                  /* pairs of one row lie in the rows of a tile, not side by side: only where BAI_PAIRS */
    int64_t K;                   /* terms of the sum */
    bai_soon below;              /* the rows that come next, where they lie behind these: only where BAI_PAIRS */
} left_rows;

/* One block of C into c, or added to it. Only the first `rows` rows and `cols` columns are asked for. place: what else is fetched, or NULL. */
#if BAI_PAIRS

enum { DOWN = 8,                /* rows at a time: 16 sums of a whole register each, two of B, one of A */
       LINE = 64,               /* bytes of a line of a cache */
       FETCHED = 2 * LINE };    /* of what is read next, with every step */

/* So many bytes of what is read next; NULL when all of it was fetched. */
static const char *take_run(bai_soon *s, int64_t bytes)
{
    const char *at = s->at;
    if (s->bytes <= 0)
        return NULL;
    *s = (bai_soon){ at + bytes, s->bytes - bytes };
    return at;
}

static const char *next_run(bai_soon *below, bai_place *p, int64_t bytes)
{
    const char *at = take_run(below, bytes);
    for (int i = 0; !at && p && i < BAI_SOON; i++)
        at = take_run(&p->soon[i], bytes);
    return at;
}

/* The first `pairs` pairs of a step. stride: bytes from a row's pair to the next row's; next: from a row's pair to its next. */
static inline __attribute__((always_inline)) void add_pairs(int wide, const char *a, int64_t stride, int64_t next, const uint16_t *strip, int pairs,
                                                            __m512 sum[DOWN][2])
{
    for (int p = 0; p < pairs; p++, a += next) {
        const __m512bh left = (__m512bh)_mm512_loadu_si512(strip + p * BAI_SIDE);
        const __m512bh right = wide ? (__m512bh)_mm512_loadu_si512(strip + STEP / 2 + p * BAI_SIDE) : left;
        for (int r = 0; r < DOWN; r++) {
            int32_t pair;
            memcpy(&pair, a + r * stride, 4);
            const __m512bh x = (__m512bh)_mm512_set1_epi32(pair);
            sum[r][0] = _mm512_dpbf16_ps(sum[r][0], x, left);
            if (wide)
                sum[r][1] = _mm512_dpbf16_ps(sum[r][1], x, right);
        }
    }
}

/* wide: both halves of the strip, else the left one. */
static inline __attribute__((always_inline)) void few_rows(int wide, const char *a, int64_t stride, int64_t next, int64_t step, const uint16_t *strip,
                                                           int64_t K, float *c, int64_t ldc, int add, const char *soon)
{
    __m512 sum[DOWN][2];
    for (int r = 0; r < DOWN; r++) {
        __builtin_prefetch(c + r * ldc, 1); /* where sums go is fetched while they are made */
        __builtin_prefetch(c + r * ldc + PAIRS, 1);
        sum[r][0] = sum[r][1] = _mm512_setzero_ps();
    }
    for (int64_t i = 0; i < K / BAI_SIDE; i++, a += step, strip += STEP) {
        for (int64_t at = i * FETCHED; soon && at < (i + 1) * FETCHED; at += LINE)
            __builtin_prefetch(soon + at, 0, 2);
        add_pairs(wide, a, stride, next, strip, PAIRS, sum);
    }
    add_pairs(wide, a, stride, next, strip, (int)(K % BAI_SIDE + 1) / 2, sum);
    for (int r = 0; r < DOWN; r++)
        for (int h = 0; h < 1 + wide; h++) {
            float *to = c + r * ldc + h * PAIRS;
            _mm512_storeu_ps(to, add ? _mm512_add_ps(_mm512_loadu_ps(to), sum[r][h]) : sum[r][h]);
        }
}

static void block(left_rows *l, const uint16_t *strip, int64_t rows, int64_t cols, float *c, int64_t ldc, int add, bai_place *place)
{
    for (int64_t r = 0; r < rows; r += DOWN, c += DOWN * ldc) {
        const char *a = (r < PAIRS ? l->a : l->low) + r % PAIRS * l->stride;
        const char *soon = next_run(&l->below, place, l->K / BAI_SIDE * FETCHED);
        switch (2 * l->across + (cols > PAIRS)) {
        case 0: few_rows(0, a, l->stride, 4, l->step, strip, l->K, c, ldc, add, soon); break;
        case 1: few_rows(1, a, l->stride, 4, l->step, strip, l->K, c, ldc, add, soon); break;
        case 2: few_rows(0, a, 4, BAI_TILE_ROW, l->step, strip, l->K, c, ldc, add, soon); break;
        case 3: few_rows(1, a, 4, BAI_TILE_ROW, l->step, strip, l->K, c, ldc, add, soon); break;
        }
    }
}

/* Blocks that end where C ends are written there at once. */
static int straight(const bai_place *p, int64_t rows, int64_t cols) { return p->over || (rows % DOWN == 0 && (cols == BAI_SIDE || cols == PAIRS)); }

#else

static void block(left_rows *l, const uint16_t *strip, int64_t rows, int64_t cols, float *c, int64_t ldc, int add, bai_place *place)
{
    const char *a = l->a, *low = l->low;
    (void)rows, (void)cols, (void)add, (void)place; /* nothing is added: straight() */
    bai_tile_zero(0);
    bai_tile_zero(1);
    bai_tile_zero(2);
    bai_tile_zero(3);
    for (int64_t k = 0; k < l->K; k += BAI_SIDE, a += l->step, low += l->step, strip += STEP) {
        bai_tile_load(4, a, l->stride);
        bai_tile_load(6, strip, BAI_TILE_ROW);
        bai_tile_load(7, strip + STEP / 2, BAI_TILE_ROW);
        bai_tile_dot(0, 4, 6);
        bai_tile_load(5, low, l->stride);
        bai_tile_dot(1, 4, 7);
        bai_tile_dot(2, 5, 6);
        bai_tile_dot(3, 5, 7);
    }
    bai_tile_store(0, c, ldc * 4);
    bai_tile_store(1, c + PAIRS, ldc * 4);
    bai_tile_store(2, c + PAIRS * ldc, ldc * 4);
    bai_tile_store(3, c + PAIRS * ldc + PAIRS, ldc * 4);
}

static int straight(const bai_place *p, int64_t rows, int64_t cols) { return !p->add && (p->over || (rows == BAI_SIDE && cols == BAI_SIDE)); }

#endif

void bai_tile_product(bai_half a, int64_t m0, int64_t m1, const uint16_t *strips, int64_t first, int64_t last, int64_t N, int64_t K, uint16_t *panel,
                      bai_block_fn done, void *ctx)
{
    float c[BAI_SIDE * BAI_SIDE] __attribute__((aligned(64)));
    const int64_t steps = bai_ceil(K, BAI_SIDE);
    bai_tile_open();
    for (int64_t m = m0; m < m1; m += BAI_SIDE) {
        int64_t rows = bai_min(BAI_SIDE, m1 - m), in_place = !a.transposed && rows == BAI_SIDE && K % BAI_WHOLE == 0;
        for (int64_t i = 0; !in_place && i < steps; i++)
            pack_step(a, !a.transposed, 0, m, m1, i * BAI_SIDE, K, panel + i * STEP);
        const char *from = (const char *)(in_place ? a.data + m * a.ld : panel);
        left_rows l = { .a = from, .low = from + (in_place ? PAIRS * a.ld * 2 : BAI_TILE), .stride = in_place ? a.ld * 2 : BAI_TILE_ROW,
                        .step = in_place ? BAI_TILE_ROW : STEP * 2, .across = BAI_PAIRS && a.transposed, .K = K };
        if (l.across)
            l.stride = 4;
        if (BAI_PAIRS && in_place && a.ld == K) /* of another task's, or behind the matrix, at the end */
            l.below = (bai_soon){ (const void *)((uintptr_t)from + (uintptr_t)(BAI_SIDE * K * 2)), BAI_SIDE * K * 2 };
        for (int64_t s = first; s < last; s++) {
            const int64_t cols = bai_min(BAI_SIDE, N - s * BAI_SIDE);
            const uint16_t *strip = strips + (s - first) * steps * STEP;
            bai_place *p = done == bai_tile_put ? ctx : NULL;
            if (p && straight(p, rows, cols)) {
                block(&l, strip, rows, cols, p->to + (m - p->first) * p->ld + s * BAI_SIDE, p->ld, p->add, p);
                continue;
            }
            block(&l, strip, rows, cols, c, BAI_SIDE, 0, p);
            done(ctx, m, s * BAI_SIDE, rows, cols, c, BAI_SIDE);
        }
    }
    bai_tile_close();
}
