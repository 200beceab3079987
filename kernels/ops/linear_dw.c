/* linear_dw: dW = d^T x and db = column sums of d, the gradients of linear's weights. d [..,O], x [..,K]; dW f32 [O,K], db f32 [O].
 * A task makes a tile of dW from a run of the rows; where there are several runs, their tiles are added up in order. */
#include "../shared/gemm.h"
#include "../shared/tile_linear.h"
#include "../shared/widen.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    (void)params, (void)n_in;
    if (in[0]->rank < 1 || in[1]->rank < 1 || !bai_is_real(in[0]) || !bai_is_real(in[1]) || ba_type_rows(in[0]) != ba_type_rows(in[1]))
        return ba_fail(e, BA_EARG, "linear_dw: d is %s and x %s; as many rows in both expected", bai_text(in[0], t[0]), bai_text(in[1], t[1]));
    out[0] = bai_shape(BA_F32, 2, ba_type_last(in[0]), ba_type_last(in[1]), 1, 1);
    out[1] = bai_shape(BA_F32, 1, ba_type_last(in[0]), 1, 1, 1);
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in;
    c->macs = (double)ba_type_count(&out[0]) * (double)ba_type_rows(in[0]);
    c->flops = (double)ba_type_count(in[0]);
}

enum { TILE_N = 384, TILE_K = BAI_NB, TASKS = 16,
       LEAST = 512,             /* fewest rows of a run */
       STEP = BAI_TERMS };      /* rows that are multiplied at a time, and the second-level cache holds */

/* Runs of equal length, enough for TASKS tasks. */
static int64_t rows_of_run(int64_t M, int64_t N, int64_t K)
{
    int64_t tiles = bai_ceil(N, TILE_N) * bai_ceil(K, TILE_K), runs = bai_max(1, bai_min(bai_ceil(TASKS, tiles), M / LEAST));
    return runs == 1 ? M : bai_ceil(bai_ceil(M, runs), 64) * 64;
}

static int64_t size_of_run(int64_t N, int64_t K) { return bai_round64((N * K + N) * 4) / 4; } /* dW, then db */

#if BAI_TILES
static int on_tiles(const ba_type *d, const ba_type *x) { return d->dtype == BA_BF16 && x->dtype == BA_BF16; }
#endif

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)out, (void)workers;
#if BAI_TILES
    if (on_tiles(in[0], in[1]))
        return bai_tile_dw_bytes(ba_type_rows(in[0]), ba_type_last(in[0]), ba_type_last(in[1]), workers);
#endif
    int64_t M = ba_type_rows(in[0]), N = ba_type_last(in[0]), K = ba_type_last(in[1]), runs = bai_ceil(M, rows_of_run(M, N, K));
    return (size_t)(bai_widen_bytes(in[0], ba_type_count(in[0])) + bai_widen_bytes(in[1], ba_type_count(in[1])) +
                    (runs > 1 ? runs * size_of_run(N, K) * 4 : 0));
}

typedef struct job {
    const ba_kernel *k;
    int64_t M, N, K, run, runs, across, tiles;
    const float *d, *x;
    float *dw, *db, *parts;
} job;

static void sum_columns(const job *j, int64_t m0, int64_t rows, int64_t n0, int64_t cols, int add, float *db)
{
    for (int64_t i = 0; i < cols; i += VL) {
        int64_t n = bai_min(VL, cols - i);
        vf s[4] = { { 0 } };
        const float *d = j->d + m0 * j->N + n0 + i;
        for (int64_t m = 0; m < rows; m++)
            s[m & 3] += v_load_part(d + m * j->N, n);
        vf all = (s[0] + s[1]) + (s[2] + s[3]);
        v_store_part(db + n0 + i, add ? v_load_part(db + n0 + i, n) + all : all, n);
    }
}

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    (void)worker;
    const int64_t run = t / j->tiles, n0 = t % j->tiles / j->across * TILE_N, k0 = t % j->across * TILE_K;
    const int64_t cols = bai_min(TILE_N, j->N - n0), wide = bai_min(TILE_K, j->K - k0), end = bai_min(j->M, (run + 1) * j->run);
    float *dw = j->runs > 1 ? j->parts + run * size_of_run(j->N, j->K) : j->dw, *db = j->runs > 1 ? dw + j->N * j->K : j->db;
    for (int64_t m = run * j->run, first = m, rows; m < end; m += rows) {
        rows = BAI_LIBRARY ? end - m : bai_min(STEP, end - m);
        if (j->dw) {
            const bai_gemm g = { .M = cols, .N = wide, .K = rows, .trans_a = 1, .add = m > first, .alpha = 1, .A = j->d + m * j->N + n0, .lda = j->N,
                                 .C = dw + n0 * j->K + k0, .ldc = j->K, .more = bai_min(STEP, end - m - rows) };
            const bai_panels x = { .B = j->x + m * j->K + k0, .ldb = j->K, .K = rows, .N = wide };
            bai_multiply(&g, &x, 0);
        }
        if (j->db && !k0)
            sum_columns(j, m, rows, n0, cols, m > first, db);
    }
}

/* to[i] = the sum over the runs. */
static void add_runs(const job *j, int64_t at, int64_t n, float *to)
{
    const float *from = j->parts + at;
    const int64_t step = size_of_run(j->N, j->K);
    for (int64_t i = 0; i < n; i += VL) {
        vf s = v_load_part(from + i, n - i);
        for (int64_t r = 1; r < j->runs; r++)
            s += v_load_part(from + r * step + i, n - i);
        v_store_part(to + i, s, n - i);
    }
}

static void total(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const int64_t at = t * BAI_BLOCK, n = j->N * j->K;
    (void)worker;
    if (j->dw)
        add_runs(j, at, bai_min(BAI_BLOCK, n - at), j->dw + at);
    if (j->db && !t)
        add_runs(j, n, j->N, j->db);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    float *room = k->scratch;
    job j = { .k = k, .M = ba_type_rows(&k->in[0].type), .N = ba_type_last(&k->in[0].type), .K = ba_type_last(&k->in[1].type),
              .dw = k->out[0].data, .db = k->out[1].data };
#if BAI_TILES
    if (on_tiles(&k->in[0].type, &k->in[1].type)) {
        bai_tile_dw(k, k->in[0].data, k->in[1].data, j.M, j.N, j.K, k->scratch, j.dw, j.db);
        return BA_OK;
    }
#endif
    j.run = rows_of_run(j.M, j.N, j.K);
    j.runs = bai_ceil(j.M, j.run);
    j.across = bai_ceil(j.K, TILE_K);
    j.tiles = bai_ceil(j.N, TILE_N) * j.across;
    j.d = bai_widen(k, &k->in[0], 0, j.M * j.N, &room);
    j.x = bai_widen(k, &k->in[1], 0, j.M * j.K, &room);
    j.parts = room;
    k->parallel(k, j.runs * j.tiles, task, &j);
    if (j.runs > 1)
        k->parallel(k, bai_ceil(j.N * j.K, BAI_BLOCK), total, &j);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    int64_t M = ba_type_rows(&r->in_type[0]), N = ba_type_last(&r->in_type[0]), K = ba_type_last(&r->in_type[1]);
    for (int64_t n = 0; n < N; n++) {
        double b = 0;
        for (int64_t m = 0; m < M; m++)
            b += r->in[0][m * N + n];
        r->out[1][n] = b;
        for (int64_t i = 0; i < K; i++) {
            double s = 0;
            for (int64_t m = 0; m < M; m++)
                s += r->in[0][m * N + n] * r->in[1][m * K + i];
            r->out[0][n * K + i] = s;
        }
    }
}

BA_OP(linear_dw) = {
    .name = "linear_dw", .doc = "gradients of linear's weight and bias: d^T x and the column sums of d",
    .min_in = 2, .max_in = 2, .n_out = 2,
    .shape = shape, .cost = cost, .scratch = scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 2, { 5, 7 }, 0, -1, 1 }, { BA_F32, 2, { 5, 9 }, 0, -1, 1 } } },
        { "", 2, { { BA_F32, 3, { 4, 9, 130 }, 0, -1, 1 }, { BA_F32, 3, { 4, 9, 400 }, 0, -1, 1 } } },
        { "", 2, { { BA_F32, 2, { 1100, 13 }, 0, -.1, .1 }, { BA_F32, 2, { 1100, 17 }, 0, -1, 1 } } }, /* two runs of rows */
        { "", 2, { { BA_F32, 2, { 1, 385 }, 0, -1, 1 }, { BA_F32, 2, { 1, 385 }, 0, -1, 1 } } },
        { "", 2, { { BA_F32, 2, { 257, 193 }, 0, -.1, .1 }, { BA_F32, 2, { 257, 33 }, 0, -1, 1 } } },
        /* sums of many terms, no multiples of 128 */
        { "", 2, { { BA_F32, 2, { 6304, 64 }, 0, -.01, .01 }, { BA_F32, 2, { 6304, 48 }, 0, -1, 1 } } },
        { "", 2, { { BA_BF16, 2, { 19700, 16 }, 0, -.01, .01 }, { BA_BF16, 2, { 19700, 32 }, 0, -1, 1 } } },
        { "", 2, { { BA_BF16, 2, { 1030, 14 }, 0, -.1, .1 }, { BA_BF16, 2, { 1030, 18 }, 0, -1, 1 } } },
        { "", 2, { { BA_BF16, 2, { 6, 8 }, 0, -1, 1 }, { BA_BF16, 2, { 6, 9 }, 0, -1, 1 } } }),
    .tolerance = 5e-6,
};
