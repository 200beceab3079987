/* tile_linear: see tile_linear.h. */
#include "tile_linear.h"

enum { ROWS = 192, STRIPS_BYTES = 512 << 10, NARROW = 8 }; /* of a task: rows of C, bytes of packed B, strips where rows alone give few tasks */

typedef struct job {
    const ba_kernel *k;
    bai_half a, b;
    int64_t M, N, K, strips, group, across; /* strips of b, strips of a task, tasks side by side */
    uint16_t *packed, *panels;
    bai_block_fn done;
    void *ctx;
} job;

size_t bai_tile_linear_bytes(int64_t N, int64_t K, int workers)
{
    return (size_t)(bai_strips_bytes(bai_ceil(N, BAI_SIDE), K) + workers * bai_strips_bytes(1, K));
}

static void pack_task(void *ctx, int64_t s, int worker)
{
    const job *j = ctx;
    (void)worker;
    bai_pack_strips(j->b, j->K, j->N, s, s + 1, j->packed + s * bai_strips_bytes(1, j->K) / 2);
}

static void product_task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    int64_t m0 = t / j->across * ROWS, first = t % j->across * j->group, strip = bai_strips_bytes(1, j->K) / 2;
    bai_tile_product(j->a, m0, bai_min(j->M, m0 + ROWS), j->packed + first * strip, first, bai_min(j->strips, first + j->group), j->N, j->K,
                     j->panels + worker * strip, j->done, j->ctx);
}

void bai_tile_linear(const ba_kernel *k, bai_half a, bai_half b, int64_t M, int64_t N, int64_t K, void *room, bai_block_fn done, void *ctx)
{
    job j = { .k = k, .a = a, .b = b, .M = M, .N = N, .K = K, .strips = bai_ceil(N, BAI_SIDE), .packed = room, .done = done, .ctx = ctx };
    int64_t strip = bai_strips_bytes(1, K), down = bai_ceil(M, ROWS);
    j.panels = j.packed + j.strips * strip / 2;
    j.group = bai_max(1, bai_min(j.strips, STRIPS_BYTES / strip));
    if (down < 8)
        j.group = bai_min(j.group, NARROW);
    j.across = bai_ceil(j.strips, j.group);
    k->parallel(k, j.strips, pack_task, &j);
    k->parallel(k, down * j.across, product_task, &j);
}

/* ---- the weights' gradient ----
 * The rows are cut into a few groups, each summed by itself into a copy of dw, so that a row is packed once, while it is in the cache; the copies are
 * added in order. Where dw is large there are fewer groups, and bands of dw in their place. */
enum { CHUNK = 288,               /* most rows that are packed at once */
       GROUPS = 8, FEWEST = 512,  /* most groups; fewest rows of one */
       COPIES_BYTES = 32 << 20, BAND = 128 };
_Static_assert(CHUNK % BAI_SIDE == 0, "chunks are whole steps");

typedef struct cut { int64_t groups, rows, chunk, bands, wide; } cut; /* rows of a group, and of what is packed at once; columns of d in a band */

/* The size of equal parts of n, whole steps of 32, none larger than `most` where that is whole steps too. */
static int64_t equal_parts(int64_t n, int64_t most) { return bai_max(BAI_SIDE, bai_side(bai_ceil(n, bai_max(1, bai_ceil(n, most))))); }

static cut cut_of(int64_t M, int64_t N, int64_t K)
{
    int64_t most = bai_max(1, bai_min(GROUPS, bai_min(COPIES_BYTES / (N * K * 4), M / FEWEST)));
    cut c = { .rows = bai_max(BAI_SIDE, bai_side(bai_ceil(M, most))) };
    c.groups = bai_max(1, bai_ceil(M, c.rows));
    c.chunk = equal_parts(c.rows, CHUNK);
    c.wide = equal_parts(N, bai_max(BAND, bai_ceil(N, bai_ceil(GROUPS, c.groups))));
    c.bands = bai_ceil(N, c.wide);
    return c;
}

static int64_t worker_bytes(int64_t K) { return bai_strips_bytes(bai_ceil(K, BAI_SIDE), CHUNK) + bai_strips_bytes(1, CHUNK); }
static int64_t copies_bytes(const cut *c, int64_t N, int64_t K) { return c->groups > 1 ? bai_round64(c->groups * N * (K + 1) * 4) : 0; }

size_t bai_tile_dw_bytes(int64_t M, int64_t N, int64_t K, int workers)
{
    cut c = cut_of(M, N, K);
    return (size_t)(copies_bytes(&c, N, K) + workers * worker_bytes(K));
}

typedef struct dw_job {
    const uint16_t *d, *x;
    int64_t M, N, K;
    cut c;
    float *dw, *db, *sums, *bias;  /* the outputs; where groups write: copies of them, or they themselves */
    char *workers;
} dw_job;

static void add_rows(float *sum, const uint16_t *d, int64_t ld, int64_t rows, int64_t cols)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < cols; i++)
            sum[i] += bf16_to_f32(d[r * ld + i]);
}

static void dw_task(void *ctx, int64_t t, int worker)
{
    const dw_job *j = ctx;
    int64_t g = t / j->c.bands, n0 = t % j->c.bands * j->c.wide, wide = bai_min(j->c.wide, j->N - n0), end = bai_min(j->M, (g + 1) * j->c.rows);
    uint16_t *strips = (uint16_t *)(j->workers + worker * worker_bytes(j->K)), *panel = strips + bai_strips_bytes(bai_ceil(j->K, BAI_SIDE), CHUNK) / 2;
    float *bias = j->db ? j->bias + g * j->N + n0 : NULL;
    bai_place to = { .to = j->dw ? j->sums + (g * j->N + n0) * j->K : NULL, .ld = j->K };
    if (bias)
        memset(bias, 0, (size_t)wide * 4);
    for (int64_t m = g * j->c.rows; m < end; m += j->c.chunk, to.add = 1) {
        int64_t rows = bai_min(j->c.chunk, end - m);
        const uint16_t *d = j->d + m * j->N + n0;
        if (bias)
            add_rows(bias, d, j->N, rows, wide);
        if (!j->dw)
            continue;
        bai_pack_strips((bai_half){ j->x + m * j->K, j->K, 0 }, rows, j->K, 0, bai_ceil(j->K, BAI_SIDE), strips);
        const int64_t more = bai_min(j->c.chunk, end - m - rows);
        if (j->c.bands == 1)
            to.soon[0] = (bai_soon){ d + rows * j->N, more * j->N * 2 };
        to.soon[1] = (bai_soon){ j->x + (m + rows) * j->K, more * j->K * 2 };
        bai_tile_product((bai_half){ d, j->N, 1 }, 0, wide, strips, 0, bai_ceil(j->K, BAI_SIDE), j->K, rows, panel, bai_tile_put, &to);
    }
}

static void add_copies(float *to, const float *copies, int64_t n, int64_t groups, int64_t at)
{
    const int64_t end = bai_min(n, at + BAI_BLOCK);
    for (int64_t i = at; i < end; i += VL) {
        vf s = v_load_part(copies + i, end - i);
        for (int64_t g = 1; g < groups; g++)
            s += v_load_part(copies + g * n + i, end - i);
        v_store_part(to + i, s, end - i);
    }
}

static void sum_task(void *ctx, int64_t t, int worker)
{
    const dw_job *j = ctx;
    (void)worker;
    if (j->dw)
        add_copies(j->dw, j->sums, j->N * j->K, j->c.groups, t * BAI_BLOCK);
    if (j->db && t * BAI_BLOCK < j->N)
        add_copies(j->db, j->bias, j->N, j->c.groups, t * BAI_BLOCK);
}

void bai_tile_dw(const ba_kernel *k, const uint16_t *d, const uint16_t *x, int64_t M, int64_t N, int64_t K, void *room, float *dw, float *db)
{
    dw_job j = { d, x, M, N, K, cut_of(M, N, K), dw, db, dw, db, NULL };
    j.workers = (char *)room + copies_bytes(&j.c, N, K);
    if (j.c.groups > 1) {
        j.sums = room;
        j.bias = j.sums + j.c.groups * N * K;
    }
    k->parallel(k, j.c.groups * j.c.bands, dw_task, &j);
    if (j.c.groups > 1)
        k->parallel(k, bai_ceil(N * K, BAI_BLOCK), sum_task, &j);
}
