/* gemm: register tiles over panels, or the library. See gemm.h.
 *
 * Order of loops: terms of the sum by BAI_KC, rows by BAI_MB, panels of B, tiles of BAI_MR rows. So a panel's part (BAI_KC x BAI_NR)
 * is read from the first-level cache by all tiles of a block of rows, and the block's part of A from the second. A transposed A is packed, once for BAI_NB
 * columns of C, and B with it; the rows that are packed next come from memory meanwhile. */
#include "gemm.h"

#if BAI_LIBRARY && BA_HAVE_DNNL
#include <oneapi/dnnl/dnnl.h>
#elif BAI_LIBRARY
#include <cblas.h>
#endif

enum { SIX = 6,             /* rows that one base address reaches */
       LINE = 16,           /* numbers of a line of a cache */
       AHEAD = 16,          /* rows that are fetched before they are packed */
       SOON = 3,            /* lines that are fetched for the next terms with every LINE terms of a tile */
       PIECE = 192,         /* numbers of a row that they fetch in a tile, about */
       CACHED = 1 << 15 };  /* numbers of a transposed A that stay in the second-level cache and are read where they are */

/* What is packed next, fetched a piece at a time while tiles are multiplied: of `left` rows the wide_a first numbers of A's and the wide_b first of B's. */
typedef struct soon { const float *a, *b; int64_t lda, ldb, wide_a, wide_b, left, column; } soon;

/* The part of one product that goes through the tiles at a time. */
typedef struct part {
    const bai_gemm *g;
    int64_t k0, terms, m0, rows;
    const float *A;              /* of row m0, term k0 */
    int64_t step, cs;            /* A's element (m, k): m a tile's first row, at m * step + k * cs, the other rows of the tile behind it */
    int first, last;             /* whether C is written, not added to; whether sums are complete */
    soon soon;
} part;

/* Where the next piece of what is packed next begins. */
static const float *next_piece(soon *s)
{
    if (!s->left)
        return s->a;
    const float *at = s->column < s->wide_a ? s->a + s->column : s->b + (s->column - s->wide_a);
    s->column += PIECE;
    if (s->column >= s->wide_a + s->wide_b) {
        s->column = 0;
        s->left--;
        s->a += s->lda;
        s->b += s->ldb;
    }
    return at;
}

/* mr x (1 + wide) VL sums over `terms` products, each row beginning with `from`. Always inlined, with mr, wide and along constants, so that the sums
 * stay in registers. along: the rows of A lie `step` apart and are read along; otherwise they lie side by side and the terms `step` apart. While it
 * multiplies, it fetches the rows of the tile below, or what is packed next (from `next`). */
static inline __attribute__((always_inline)) void sums(int mr, int wide, int along, int64_t terms, const float *a, int64_t step, const float *b,
                                                       const float *from, float alpha, int add, float *c, int64_t ldc, const float *const *next)
{
    vf s[BAI_MR][2];
    const int64_t rs = along ? step : 1, cs = along ? 1 : step;
    const float *a6 = a + SIX * rs;
#pragma GCC unroll 16
    for (int i = 0; i < mr; i++) {
        s[i][0] = v_load(from);
        s[i][1] = v_load(from + VL);
    }
    for (int64_t k = 0; k < terms; k++) {
        const vf y0 = v_load(b), y1 = v_load(b + VL);
        if (along && k % LINE == 0)
#pragma GCC unroll 16
            for (int i = 0; i < mr; i++)
                __builtin_prefetch(a + (mr + i) * rs);
        if (!along && k % LINE == 0)
            for (int i = 0; i < SOON; i++)
                __builtin_prefetch(next[i] + k, 0, 2);
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++) {
            const float x = i < SIX ? a[i * rs] : a6[(i - SIX) * rs];
            s[i][0] += x * y0;
            if (wide)
                s[i][1] += x * y1;
        }
        a += cs;
        a6 += cs;
        b += BAI_NR;
    }
#pragma GCC unroll 16
    for (int i = 0; i < mr; i++, c += ldc)
        for (int h = 0; h < 1 + wide; h++)
            v_store(c + h * VL, add ? v_load(c + h * VL) + alpha * s[i][h] : alpha * s[i][h]);
}

typedef void tile_fn(int64_t rows, int64_t terms, const float *a, int64_t step, const float *b, const float *from, float alpha, int add, float *c, int64_t ldc,
                     const float *const *next);
#define ROWS(n) case n: if (n <= BAI_MR) sums(n <= BAI_MR ? n : 1, wide, along, terms, a, step, b, from, alpha, add, c, ldc, next); break;
#define TILE(name, is_wide, is_along) \
    static void name(int64_t rows, int64_t terms, const float *a, int64_t step, const float *b, const float *from, float alpha, int add, float *c, \
                     int64_t ldc, const float *const *next) \
    { \
        enum { wide = is_wide, along = is_along }; \
        switch (rows) { ROWS(1) ROWS(2) ROWS(3) ROWS(4) ROWS(5) ROWS(6) ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12) } \
    }
TILE(tile_of_rows, 1, 1)
TILE(tile_of_columns, 1, 0)
TILE(narrow_of_rows, 0, 1)
TILE(narrow_of_columns, 0, 0)

/* The tile of the part's rows from m, `cols` columns, into t: C itself or a place for one tile. */
static void tile(part *p, int64_t m, int64_t rows, int64_t cols, const float *b, const float *from, int add, float *t, int64_t ldt)
{
    static tile_fn *const ways[2][2] = { { narrow_of_columns, narrow_of_rows }, { tile_of_columns, tile_of_rows } };
    const int along = p->cs == 1;
    const float *next[SOON] = { NULL };
    for (int i = 0; !along && i < SOON; i++)
        next[i] = next_piece(&p->soon);
    ways[cols > VL][along](rows, p->terms, p->A + m * p->step, along ? p->step : p->cs, b, from, p->g->alpha, add, t, ldt, next);
}

static void copy_part(float *to, int64_t ldt, const float *from, int64_t ldf, int64_t rows, int64_t cols)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < cols; i += VL)
            v_store_part(to + r * ldt + i, v_load_part(from + r * ldf + i, cols - i), cols - i);
}

/* All rows of the part by one panel, columns n .. n + cols of C. */
static void column_of_tiles(part *p, int64_t n, int64_t cols, const float *b)
{
    const bai_gemm *g = p->g;
    _Alignas(64) float t[BAI_MR * BAI_NR], from[BAI_NR] = { 0 };
    const int done = p->last && g->finish, straight = (cols == BAI_NR || cols == VL) && !done;
    if (p->first && g->bias)
        memcpy(from, g->bias + n, (size_t)cols * sizeof *from);
    for (int64_t m = 0; m < p->rows; m += BAI_MR) {
        int64_t rows = bai_min(BAI_MR, p->rows - m);
        const int64_t at = (p->m0 + m) * g->ldc + n;
        float *c = g->C + at;
        for (int64_t r = 0; r < rows; r++) { /* where sums go is fetched while they are made */
            for (int64_t i = 0; i < cols; i += LINE)
                __builtin_prefetch(c + r * g->ldc + i, 1);
            for (int64_t i = 0; g->also && i < cols; i += LINE)
                __builtin_prefetch(g->also + at + r * g->ldc + i, 1);
        }
        if (straight) {
            tile(p, m, rows, cols, b, from, !p->first, c, g->ldc);
            continue;
        }
        tile(p, m, rows, cols, b, from, 0, t, BAI_NR);
        for (int64_t r = 0; !p->first && r < rows; r++)
            for (int64_t i = 0; i < cols; i += VL)
                v_store(t + r * BAI_NR + i, v_load(t + r * BAI_NR + i) + v_load_part(c + r * g->ldc + i, cols - i));
        if (done)
            g->finish(g->ctx, p->m0 + m, n, rows, cols, t, BAI_NR);
        else
            copy_part(c, g->ldc, t, BAI_NR, rows, cols);
    }
}

/* rows x cols numbers in strips of `wide` columns, one row after the other. fill: zeros behind the last column. */
static inline __attribute__((always_inline)) void pack(int wide, int fill, const float *a, int64_t lda, int64_t cols, int64_t rows, float *to)
{
    enum { FOUR = 4 };
    for (int64_t k = 0, n; k < rows; k += n) {
        n = bai_min(FOUR, rows - k);
        for (int64_t r = k; r < k + n; r++) /* rows far apart in memory: the processor does not see by itself that they come */
            for (int64_t i = 0; i < cols; i += LINE)
                __builtin_prefetch((const void *)((uintptr_t)a + (uintptr_t)((r + AHEAD) * lda + i) * sizeof *a)); /* maybe behind the matrix */
        int64_t m = 0;
        float *y = to + k * wide;
        for (; n == FOUR && m + wide <= cols; m += wide, y += rows * wide)
#pragma GCC unroll 4
            for (int64_t r = 0; r < FOUR; r++)
                memcpy(y + r * wide, a + (k + r) * lda + m, (size_t)wide * sizeof *y);
        for (; m < cols; m += wide, y += rows * wide)
            for (int64_t r = 0; r < n; r++)
                for (int64_t i = 0; i < wide && (fill || m + i < cols); i++)
                    y[r * wide + i] = m + i < cols ? a[(k + r) * lda + m + i] : 0;
    }
}

/* Columns n .. n + cols of op(B), terms k0 .. k0 + terms, in panels of BAI_NR, one term after the other; zeros behind. */
static void pack_columns(const bai_panels *b, int64_t n, int64_t cols, int64_t k0, int64_t terms, float *to)
{
    if (!b->trans) {
        pack(BAI_NR, 1, b->B + k0 * b->ldb + n, b->ldb, cols, terms, to);
        return;
    }
    for (int64_t p = 0; p < cols; p += BAI_NR, to += terms * BAI_NR) {
        const float *from = b->B + (n + p) * b->ldb + k0;
        for (int64_t i = 0; i < BAI_NR; i += VL)
            for (int64_t k = 0; k < terms; k += VL) {
                vf r[VL];
                for (int64_t j = 0; j < VL; j++)
                    r[j] = p + i + j < cols ? v_load_part(from + (i + j) * b->ldb + k, terms - k) : (vf){ 0 };
                v_transpose(r);
                for (int64_t j = 0; j < VL && k + j < terms; j++)
                    v_store(to + (k + j) * BAI_NR + i, r[j]);
            }
    }
}

/* Panel n / BAI_NR of op(B), terms k0 .. k0 + terms: from memory where it was packed before, else made in `room`. */
static const float *panel(const bai_panels *b, int64_t n, int64_t k0, int64_t terms, float *room)
{
    if (b->at)
        return b->at + n * b->K + k0 * BAI_NR;
    pack_columns(b, n, bai_min(BAI_NR, b->N - n), k0, terms, room);
    return room;
}

static void through_panels(part *p, const bai_panels *b, int64_t n0)
{
    _Alignas(64) float room[BAI_KC * BAI_NR];
    for (int64_t n = 0; n < p->g->N; n += BAI_NR)
        column_of_tiles(p, n, bai_min(BAI_NR, p->g->N - n), panel(b, n0 + n, p->k0, p->terms, room));
}

/* A^T in strips of BAI_MR rows, B in panels. */
static void blocks_of_packed(part *p, const bai_panels *b, int64_t n0)
{
    _Alignas(64) float room[BAI_MB * BAI_TERMS], panels[BAI_NB * BAI_TERMS];
    const bai_gemm *g = p->g;
    const int64_t k1 = p->k0 + p->terms;
    const int rows_of_b = !b->at && !b->trans;
    for (int64_t n = 0; n < g->N; n += BAI_NB) {
        const int64_t cols = bai_min(BAI_NB, g->N - n);
        if (!b->at)
            pack_columns(b, n0 + n, bai_min(cols, b->N - n0 - n), p->k0, p->terms, panels);
        p->soon = (soon){ .a = g->A + k1 * g->lda, .b = rows_of_b ? b->B + k1 * b->ldb + n0 + n : NULL, .lda = g->lda, .ldb = rows_of_b ? b->ldb : 0,
                          .wide_a = bai_ceil(g->M, PIECE) * PIECE, .wide_b = rows_of_b ? cols : 0, .left = g->K + g->more - k1 };
        for (p->m0 = 0; p->m0 < g->M; p->m0 += BAI_MB) {
            p->rows = bai_min(BAI_MB, g->M - p->m0);
            pack(BAI_MR, 0, g->A + p->k0 * g->lda + p->m0, g->lda, p->rows, p->terms, room);
            p->A = room;
            p->step = p->terms; /* row m is the first of tile m / BAI_MR, each of which has terms * BAI_MR numbers */
            p->cs = BAI_MR;
            for (int64_t i = 0; i < cols; i += BAI_NR)
                column_of_tiles(p, n + i, bai_min(BAI_NR, cols - i), b->at ? panel(b, n0 + n + i, p->k0, p->terms, NULL) : panels + i * p->terms);
        }
    }
}

/* A as it lies. A panel that is made on the way should serve all rows. */
static void blocks_in_place(part *p, const bai_panels *b, int64_t n0)
{
    const bai_gemm *g = p->g;
    const int64_t rows = b->at ? BAI_MB : g->M;
    p->step = g->trans_a ? 1 : g->lda;
    p->cs = g->trans_a ? g->lda : 1;
    for (p->m0 = 0; p->m0 < g->M; p->m0 += rows) {
        p->rows = bai_min(rows, g->M - p->m0);
        p->A = g->A + p->m0 * p->step + p->k0 * p->cs;
        p->soon = (soon){ .a = p->A };
        through_panels(p, b, n0);
    }
}

static void own(const bai_gemm *g, const bai_panels *b, int64_t n0)
{
    const int64_t most = g->trans_a ? BAI_TERMS : BAI_KC, pieces = bai_max(1, bai_ceil(g->K, most)), each = bai_min(most, (bai_ceil(g->K, pieces) + 7) / 8 * 8);
    const int packed = g->trans_a && g->K * g->lda > CACHED;
    for (int64_t k0 = 0; k0 == 0 || k0 < g->K; k0 += each) {
        part p = { .g = g, .k0 = k0, .terms = bai_min(each, g->K - k0), .first = !k0 && !g->add, .last = k0 + each >= g->K };
        (packed ? blocks_of_packed : blocks_in_place)(&p, b, n0);
    }
}

int64_t bai_panels_bytes(int64_t K, int64_t N) { return BAI_LIBRARY ? 0 : bai_round64(bai_ceil(N, BAI_NR) * BAI_NR * K * 4); }

#if BAI_LIBRARY
/* 1 when the library has done it. What it refuses, the tiles do. */
static int by_library(const bai_gemm *g, const float *B, int64_t ldb, int trans_b)
{
    const float beta = g->add ? 1 : 0;
#if BA_HAVE_DNNL
    return dnnl_sgemm(g->trans_a ? 'T' : 'N', trans_b ? 'T' : 'N', g->M, g->N, g->K, g->alpha, g->A, g->lda, B, ldb, beta, g->C, g->ldc) == dnnl_success;
#else
    const int64_t most = bai_max(bai_max(bai_max(g->M, g->N), g->K), bai_max(bai_max(g->lda, ldb), g->ldc));
    if (most > INT32_MAX)
        return 0;
    cblas_sgemm(CblasRowMajor, g->trans_a ? CblasTrans : CblasNoTrans, trans_b ? CblasTrans : CblasNoTrans, (int)g->M, (int)g->N, (int)g->K, g->alpha,
                g->A, (int)g->lda, B, (int)ldb, beta, g->C, (int)g->ldc);
    return 1;
#endif
}

static int library(const bai_gemm *g, const bai_panels *b, int64_t n0)
{
    if (!by_library(g, b->B + (b->trans ? n0 * b->ldb : n0), b->ldb, b->trans))
        return 0;
    for (int64_t m = 0; g->bias && m < g->M; m++)
        for (int64_t i = 0; i < g->N; i += VL)
            v_store_part(g->C + m * g->ldc + i, v_load_part(g->C + m * g->ldc + i, g->N - i) + v_load_part(g->bias + i, g->N - i), g->N - i);
    if (g->finish)
        g->finish(g->ctx, 0, 0, g->M, g->N, g->C, g->ldc);
    return 1;
}

void bai_panels_fill(const ba_kernel *k, bai_panels *b) { (void)k; b->at = NULL; }

#else

static int library(const bai_gemm *g, const bai_panels *b, int64_t n0) { (void)g, (void)b, (void)n0; return 0; }

static void fill(void *ctx, int64_t t, int worker)
{
    const bai_panels *b = ctx;
    (void)worker;
    pack_columns(b, t * BAI_NR, bai_min(BAI_NR, b->N - t * BAI_NR), 0, b->K, b->at + t * BAI_NR * b->K);
}

void bai_panels_fill(const ba_kernel *k, bai_panels *b) { k->parallel(k, bai_ceil(b->N, BAI_NR), fill, b); }

#endif

void bai_multiply(const bai_gemm *g, const bai_panels *b, int64_t n0)
{
    if (!library(g, b, n0))
        own(g, b, n0);
}

void bai_sgemm(int trans_a, int trans_b, int64_t M, int64_t N, int64_t K, float alpha, const float *A, int64_t lda,
               const float *B, int64_t ldb, int add, float *C, int64_t ldc)
{
    const bai_gemm g = { .M = M, .N = N, .K = K, .trans_a = trans_a, .add = add, .alpha = alpha, .A = A, .lda = lda, .C = C, .ldc = ldc };
    const bai_panels b = { .B = B, .ldb = ldb, .trans = trans_b, .K = K, .N = N };
    bai_multiply(&g, &b, 0);
}
