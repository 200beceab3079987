/* matmul: y[..,M,N] = a[..,M,K] b[..,K,N], either factor transposed on request; leading axes repeat as numpy's do.
 * A task makes one band of one product, of a size that follows from the shape alone. */
#include "../shared/elementwise.h"
#include "../shared/gemm.h"
#include "../shared/tile_product.h"
#include "../shared/widen.h"

typedef struct matmul_params { int64_t transpose_a, transpose_b; } matmul_params;

enum { ROWS = 192, COLUMNS = 384 }; /* both whole tiles */

static ba_type head(const ba_type *t) /* the leading axes */
{
    ba_type h = *t;
    h.rank -= 2;
    return h;
}

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const matmul_params *p = params;
    const ba_type *a = in[0], *b = in[1];
    char t[2][96];
    (void)n_in;
    if (a->rank < 2 || b->rank < 2 || !bai_is_real(a) || a->dtype != b->dtype)
        return ba_fail(e, BA_EARG, "matmul: a is %s and b %s; [..,M,K] and [..,K,N] of one real type expected", bai_text(a, t[0]), bai_text(b, t[1]));
    int64_t ka = a->dim[a->rank - (p->transpose_a ? 2 : 1)], kb = b->dim[b->rank - (p->transpose_b ? 1 : 2)];
    if (ka != kb)
        return ba_fail(e, BA_EARG, "matmul: a is %s%s and b %s%s; %lld and %lld are summed over and must be equal", bai_text(a, t[0]),
                       p->transpose_a ? " transposed" : "", bai_text(b, t[1]), p->transpose_b ? " transposed" : "", (long long)ka, (long long)kb);
    ba_type h[2] = { head(a), head(b) };
    if (bai_broadcast("matmul: leading axes", 2, (const ba_type *[]){ &h[0], &h[1] }, out, e))
        return BA_EARG;
    out->dim[out->rank] = a->dim[a->rank - (p->transpose_a ? 1 : 2)];
    out->dim[out->rank + 1] = b->dim[b->rank - (p->transpose_b ? 2 : 1)];
    out->rank += 2;
    out->dtype = a->dtype;
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    const matmul_params *p = params;
    (void)n_in;
    c->macs = (double)ba_type_count(&out[0]) * (double)in[0]->dim[in[0]->rank - (p->transpose_a ? 2 : 1)];
}

#if BAI_TILES
/* What a worker packs: a band of b, and a panel of a. */
static int64_t packed_bytes(int64_t nb, int64_t K) { return bai_strips_bytes(bai_ceil(nb, BAI_SIDE), K) + bai_strips_bytes(1, K); }
#endif

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
#if BAI_TILES
    if (in[0]->dtype == BA_BF16)
        return (size_t)(workers * packed_bytes(bai_min(COLUMNS, ba_type_last(&out[0])),
                                               in[0]->dim[in[0]->rank - (((const matmul_params *)params)->transpose_a ? 2 : 1)]));
#endif
    (void)params, (void)n_in;
    int64_t y = bai_widen_bytes(&out[0], bai_min(ROWS, out[0].dim[out[0].rank - 2]) * bai_min(COLUMNS, ba_type_last(&out[0])));
    return (size_t)(bai_widen_bytes(in[0], ba_type_count(in[0])) + bai_widen_bytes(in[1], ba_type_count(in[1])) + workers * y);
}

typedef struct job {
    const ba_kernel *k;
    bai_walk w;                  /* over the leading axes: which matrix of a, of b */
    int64_t M, N, K, mb, nb, down, across, bands;
    const float *a, *b;
    float *room;
} job;

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const matmul_params *p = j->k->params;
    const ba_view *y = &j->k->out[0];
    int64_t off[BAI_EACH], batch = t / j->bands, m0 = t % j->bands / j->across * j->mb, n0 = t % j->across * j->nb;
    int64_t rows = bai_min(j->mb, j->M - m0), cols = bai_min(j->nb, j->N - n0), lda = p->transpose_a ? j->M : j->K, ldb = p->transpose_b ? j->K : j->N;
    bai_walk_seek(&j->w, batch, off);
    const float *a = j->a + off[0] * j->M * j->K + (p->transpose_a ? m0 : m0 * lda), *b = j->b + off[1] * j->K * j->N + (p->transpose_b ? n0 * ldb : n0);
    int64_t at = (batch * j->M + m0) * j->N + n0;
    int direct = y->type.dtype == BA_F32;
    float *c = direct ? (float *)y->data + at : j->room + worker * (bai_round64(j->mb * j->nb * 4) / 4);
    bai_sgemm(p->transpose_a != 0, p->transpose_b != 0, rows, cols, j->K, 1, a, lda, b, ldb, 0, c, direct ? j->N : cols);
    for (int64_t r = 0; !direct && r < rows; r++)
        bai_row_done(y, at + r * j->N, cols, c + r * cols);
}

#if BAI_TILES
static void tile_task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const matmul_params *p = j->k->params;
    int64_t off[BAI_EACH], batch = t / j->bands, m0 = t % j->bands / j->across * j->mb, n0 = t % j->across * j->nb, cols = bai_min(j->nb, j->N - n0);
    bai_walk_seek(&j->w, batch, off);
    bai_half a = { (const uint16_t *)j->k->in[0].data + off[0] * j->M * j->K, p->transpose_a ? j->M : j->K, p->transpose_a != 0 };
    bai_half b = { (const uint16_t *)j->k->in[1].data + off[1] * j->K * j->N, p->transpose_b ? j->K : j->N, p->transpose_b != 0 };
    uint16_t *strips = (uint16_t *)((char *)j->room + worker * packed_bytes(j->nb, j->K)), *panel = strips + bai_strips_bytes(bai_ceil(j->nb, BAI_SIDE), j->K) / 2;
    int64_t first = n0 / BAI_SIDE, last = bai_ceil(n0 + cols, BAI_SIDE);
    bai_half_place to = { (uint16_t *)j->k->out[0].data + batch * j->M * j->N, j->N, NULL };
    bai_pack_strips(b, j->K, j->N, first, last, strips);
    bai_tile_product(a, m0, bai_min(j->M, m0 + j->mb), strips, first, last, j->N, j->K, panel, bai_tile_halve, &to);
}
#endif

static int cpu(const ba_kernel *k, ba_err *e)
{
    const matmul_params *p = k->params;
    const ba_type *a = &k->in[0].type, *b = &k->in[1].type, *y = &k->out[0].type;
    ba_type h[3] = { head(a), head(b), head(y) };
    job j = { .k = k, .M = y->dim[y->rank - 2], .N = ba_type_last(y), .K = a->dim[a->rank - (p->transpose_a ? 2 : 1)], .room = k->scratch };
    (void)e;
    bai_walk_plan(&j.w, &h[2], 2, (const ba_type *[]){ &h[0], &h[1] });
    j.mb = bai_min(ROWS, j.M);
    j.nb = bai_min(COLUMNS, j.N);
    j.across = bai_ceil(j.N, j.nb);
    j.bands = bai_ceil(j.M, j.mb) * j.across;
#if BAI_TILES
    if (a->dtype == BA_BF16) {
        k->parallel(k, ba_type_count(&h[2]) * j.bands, tile_task, &j);
        return BA_OK;
    }
#endif
    j.a = bai_widen(k, &k->in[0], 0, ba_type_count(a), &j.room);
    j.b = bai_widen(k, &k->in[1], 0, ba_type_count(b), &j.room);
    k->parallel(k, ba_type_count(&h[2]) * j.bands, task, &j);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const matmul_params *p = r->params;
    const ba_type *t = r->in_type, *y = &r->out_type[0];
    int64_t M = y->dim[y->rank - 2], N = ba_type_last(y), K = t[0].dim[t[0].rank - (p->transpose_a ? 2 : 1)];
    for (int64_t i = 0; i < ba_type_count(y); i++) {
        int64_t m = i / N % M, n = i % N, at[2] = { 0, 0 }, rest = i / N / M, size[2] = { 1, 1 };
        for (int c = y->rank - 3; c >= 0; c--) {
            for (int s = 0; s < 2; s++) {
                int own = c - (y->rank - t[s].rank);
                at[s] += own >= 0 && t[s].dim[own] > 1 ? rest % y->dim[c] * size[s] : 0;
                size[s] *= own >= 0 ? t[s].dim[own] : 1;
            }
            rest /= y->dim[c];
        }
        double sum = 0;
        for (int64_t k = 0; k < K; k++)
            sum += r->in[0][at[0] * M * K + (p->transpose_a ? k * M + m : m * K + k)] * r->in[1][at[1] * K * N + (p->transpose_b ? n * K + k : k * N + n)];
        r->out[0][i] = sum;
    }
}

/* y = op(a) op(b). With a not transposed: da = d op(b)^T; transposed: da = op(b) d^T. Likewise for b. */
static int grad(const ba_grad_call *c, ba_err *e)
{
    const matmul_params *p = c->params;
    ba_type t;
    if (ba_tensor_type(c->out[0], &t, e))
        return BA_EBUG;
    ba_tensor *d = c->dout[0];
    if (bai_dtype(d) != t.dtype)
        d = bai_op1(c->g, "cast", d, BA_ATTRS(BA_S("dtype", t.dtype == BA_BF16 ? "bf16" : "f32")), e);
    const ba_attr da[] = { BA_I("transpose_a", p->transpose_a && p->transpose_b), BA_I("transpose_b", p->transpose_a || !p->transpose_b) };
    const ba_attr db[] = { BA_I("transpose_a", p->transpose_b || !p->transpose_a), BA_I("transpose_b", p->transpose_a && p->transpose_b) };
    if (c->want[0]) {
        ba_tensor *x = bai_op2(c->g, "matmul", p->transpose_a ? c->in[1] : d, p->transpose_a ? d : c->in[1], 2, da, e);
        if (!(c->din[0] = bai_back_to(c->g, x, c->in[0], e)))
            return BA_EBUG;
    }
    if (c->want[1]) {
        ba_tensor *x = bai_op2(c->g, "matmul", p->transpose_b ? d : c->in[0], p->transpose_b ? c->in[0] : d, 2, db, e);
        if (!(c->din[1] = bai_back_to(c->g, x, c->in[1], e)))
            return BA_EBUG;
    }
    return BA_OK;
}

BA_OP(matmul) = {
    .name = "matmul", .doc = "matrix products a b over leading axes",
    .min_in = 2, .max_in = 2, .n_out = 1,
    BA_PARAMS(matmul_params,
        BA_FLAG(matmul_params, transpose_a, 0, "a is [..,K,M]"),
        BA_FLAG(matmul_params, transpose_b, 0, "b is [..,N,K]")),
    .shape = shape, .cost = cost, .scratch = scratch, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 2, { 3, 5 }, 0, -1, 1 }, { BA_F32, 2, { 5, 4 }, 0, -1, 1 } } },
        { "transpose_a=1", 2, { { BA_F32, 3, { 2, 5, 3 }, 0, -1, 1 }, { BA_F32, 3, { 2, 5, 4 }, 0, -1, 1 } } },
        { "transpose_b=1", 2, { { BA_F32, 4, { 2, 3, 3, 5 }, 0, -1, 1 }, { BA_F32, 4, { 2, 3, 4, 5 }, 0, -1, 1 } } },
        { "transpose_a=1,transpose_b=1", 2, { { BA_F32, 3, { 2, 5, 3 }, 0, -1, 1 }, { BA_F32, 3, { 2, 4, 5 }, 0, -1, 1 } } },
        { "", 2, { { BA_F32, 4, { 2, 1, 3, 5 }, 0, -1, 1 }, { BA_F32, 3, { 3, 5, 4 }, 0, -1, 1 } } },
        { "transpose_b=1", 2, { { BA_F32, 3, { 2, 200, 31 }, 0, -1, 1 }, { BA_F32, 2, { 400, 31 }, 0, -1, 1 } }, .fixed = 3 },
        { "transpose_a=1", 2, { { BA_F32, 2, { 257, 193 }, 0, -.1, .1 }, { BA_F32, 2, { 257, 33 }, 0, -1, 1 } }, .fixed = 3 }, /* one past each block of gemm */
        { "transpose_a=1,transpose_b=1", 2, { { BA_F32, 2, { 513, 191 }, 0, -.1, .1 }, { BA_F32, 2, { 31, 513 }, 0, -1, 1 } }, .fixed = 3 },
        { "", 2, { { BA_F32, 2, { 385, 385 }, 0, -.1, .1 }, { BA_F32, 2, { 385, 17 }, 0, -1, 1 } }, .fixed = 3 },
        { "", 2, { { BA_F32, 3, { 32770, 1, 4 }, 0, -1, 1 }, { BA_F32, 3, { 32770, 4, 2 }, 0, -1, 1 } }, .fixed = 3 }, /* more than a batch of CUDA's library */
        { "transpose_b=1", 2, { { BA_F32, 2, { 1, 1 }, 0, -1, 1 }, { BA_F32, 2, { 1, 1 }, 0, -1, 1 } } },
        { "", 2, { { BA_BF16, 3, { 2, 9, 16 }, 0, -1, 1 }, { BA_BF16, 3, { 2, 16, 7 }, 0, -1, 1 } } }),
    .tolerance = 5e-6,
};
