/* linear_dx: dx = d W, the gradient of linear's input. d [..,O'], W [O,K] of which rows from..to are used; dx [..,K]. */
#include "../shared/gemm.h"
#include "../shared/tile_linear.h"
#include "../shared/widen.h"

typedef struct dx_params { int64_t from, to; } dx_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const dx_params *p = params;
    char t[2][96];
    (void)n_in;
    int64_t to = p->to ? p->to : in[1]->dim[0];
    if (in[0]->rank < 1 || in[1]->rank != 2 || !bai_is_real(in[0]) || !bai_is_real(in[1]) || p->from < 0 || to > in[1]->dim[0] ||
        ba_type_last(in[0]) != to - p->from)
        return ba_fail(e, BA_EARG, "linear_dx: d is %s and W %s; d [..,%lld] expected", bai_text(in[0], t[0]), bai_text(in[1], t[1]),
                       (long long)(to - p->from));
    out[0] = *in[0];
    out[0].dim[in[0]->rank - 1] = in[1]->dim[1];
    out[0].dtype = in[1]->dtype;
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in;
    c->macs = (double)ba_type_count(&out[0]) * (double)ba_type_last(in[0]);
}

typedef struct job { const ba_kernel *k; int64_t M, N, K; bai_panels w; char *room; int64_t d_bytes, x_bytes; } job; /* room: of each worker, where bf16 */

#if BAI_TILES
static int on_tiles(const ba_type *d, const ba_type *w) { return d->dtype == BA_BF16 && w->dtype == BA_BF16; }
#endif

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in;
    int64_t N = ba_type_last(in[0]), K = in[1]->dim[1];
#if BAI_TILES
    if (on_tiles(in[0], in[1]))
        return bai_tile_linear_bytes(K, N, workers);
#endif
    return (size_t)(bai_widen_bytes(in[1], N * K) + bai_panels_bytes(N, K) +
                    workers * (bai_widen_bytes(in[0], BAI_MB * N) + bai_widen_bytes(&out[0], BAI_MB * K)));
}

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const ba_view *x = &j->k->out[0];
    const int64_t m0 = t * BAI_MB;
    char *mine = j->room + worker * (j->d_bytes + j->x_bytes);
    bai_gemm g = { .M = bai_min(BAI_MB, j->M - m0), .N = j->K, .K = j->N, .alpha = 1, .lda = j->N, .ldc = j->K };
    g.A = bai_row(&j->k->in[0], m0 * j->N, g.M * j->N, (float *)mine);
    g.C = bai_row_out(x, m0 * j->K, (float *)(mine + j->d_bytes));
    bai_multiply(&g, &j->w, 0);
    bai_row_done(x, m0 * j->K, g.M * j->K, g.C);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    const dx_params *p = k->params;
    job j = { .k = k, .M = ba_type_rows(&k->in[0].type), .N = ba_type_last(&k->in[0].type), .K = k->in[1].type.dim[1] };
#if BAI_TILES
    if (on_tiles(&k->in[0].type, &k->in[1].type)) {
        const bai_half d = { k->in[0].data, j.N, 0 }, w = { (const uint16_t *)k->in[1].data + p->from * j.K, j.K, 0 };
        bai_tile_linear(k, d, w, j.M, j.K, j.N, k->scratch, bai_tile_halve, &(bai_half_place){ k->out[0].data, j.K, NULL });
        return BA_OK;
    }
#endif
    float *room = k->scratch;
    j.w = (bai_panels){ .B = bai_widen(k, &k->in[1], p->from * j.K, j.N * j.K, &room), .ldb = j.K, .K = j.N, .N = j.K };
    j.w.at = room;
    j.room = (char *)room + bai_panels_bytes(j.N, j.K);
    j.d_bytes = bai_widen_bytes(&k->in[0].type, BAI_MB * j.N);
    j.x_bytes = bai_widen_bytes(&k->out[0].type, BAI_MB * j.K);
    bai_panels_fill(k, &j.w);
    k->parallel(k, bai_ceil(j.M, BAI_MB), task, &j);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const dx_params *p = r->params;
    int64_t M = ba_type_rows(&r->in_type[0]), N = ba_type_last(&r->in_type[0]), K = r->in_type[1].dim[1];
    for (int64_t m = 0; m < M; m++)
        for (int64_t i = 0; i < K; i++) {
            double s = 0;
            for (int64_t n = 0; n < N; n++)
                s += r->in[0][m * N + n] * r->in[1][(p->from + n) * K + i];
            r->out[0][m * K + i] = s;
        }
}

BA_OP(linear_dx) = {
    .name = "linear_dx", .doc = "gradient of linear's input: d W",
    .min_in = 2, .max_in = 2, .n_out = 1,
    BA_PARAMS(dx_params,
        BA_INT(dx_params, from, 0, 0, 1 << 30, NULL, "first row of W used"),
        BA_INT(dx_params, to, 0, 0, 1 << 30, NULL, "row after the last row of W used; 0: all")),
    .shape = shape, .cost = cost, .scratch = scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 2, { 5, 7 }, 0, -1, 1 }, { BA_F32, 2, { 7, 9 }, 0, -1, 1 } } },
        { "from=2,to=5", 2, { { BA_F32, 3, { 2, 200, 3 }, 0, -1, 1 }, { BA_F32, 2, { 7, 33 }, 0, -1, 1 } } },
        { "", 2, { { BA_F32, 2, { 385, 31 }, 0, -.1, .1 }, { BA_F32, 2, { 31, 17 }, 0, -1, 1 } } },
        { "", 2, { { BA_F32, 2, { 193, 385 }, 0, -.1, .1 }, { BA_F32, 2, { 385, 33 }, 0, -1, 1 } } },
        { "", 2, { { BA_F32, 2, { 1, 769 }, 0, -.1, .1 }, { BA_F32, 2, { 769, 1 }, 0, -1, 1 } } },
        { "", 2, { { BA_BF16, 2, { 197, 390 }, 0, -.1, .1 }, { BA_BF16, 2, { 390, 19 }, 0, -1, 1 } } },
        { "", 2, { { BA_BF16, 2, { 5, 8 }, 0, -1, 1 }, { BA_BF16, 2, { 8, 9 }, 0, -1, 1 } } }),
    .tolerance = 2e-6, .coarse = 5e-6, /* one chain of thousands of terms */
};
