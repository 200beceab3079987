/* attention_grad: gradient of attention. qkv [B,T,3D], lse [B,heads,T], dout [B,T,D] (may be left out), dclass f32 [B,heads,E,T] (may be
 * left out): dqkv [B,T,3D]. The attention matrix is made again from the scores and lse, in the cache. One task a head. */
#include "../shared/attention.h"
#include "../shared/tile_attention.h"

typedef struct grad_params { int64_t heads; } grad_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const grad_params *p = params;
    char t[3][96];
    int fits = in[0]->rank == 3 && bai_is_real(in[0]) && in[0]->dim[2] % (3 * p->heads) == 0 && in[1]->rank == 3 && in[1]->dtype == BA_F32 &&
               in[1]->dim[0] == in[0]->dim[0] && in[1]->dim[1] == p->heads && in[1]->dim[2] == in[0]->dim[1];
    const ba_type *d = n_in > 2 ? in[2] : NULL, *c = n_in > 3 ? in[3] : NULL;
    fits = fits && (!d || (d->rank == 3 && d->dtype == in[0]->dtype && d->dim[0] == in[0]->dim[0] && d->dim[1] == in[0]->dim[1] && 3 * d->dim[2] == in[0]->dim[2]));
    fits = fits && (!c || (c->rank == 4 && c->dtype == BA_F32 && c->dim[0] == in[0]->dim[0] && c->dim[1] == p->heads && c->dim[2] <= in[0]->dim[1] &&
                           c->dim[3] == in[0]->dim[1]));
    if (!fits)
        return ba_fail(e, BA_EARG, "attention_grad: qkv is %s, lse %s, dout %s", bai_text(in[0], t[0]), bai_text(in[1], t[1]), d ? bai_text(d, t[2]) : "left out");
    out[0] = *in[0];
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)n_in, (void)out;
    double T = (double)in[0]->dim[1];
    c->macs = 5 * (double)ba_type_count(in[0]) / 3 * T;
    c->flops = 20 * (double)in[0]->dim[0] * (double)((const grad_params *)params)->heads * T * T;
}

typedef struct job { const ba_kernel *k; int64_t H, T, D, d, per_worker; } job;

static int64_t room(const ba_type *x, int64_t heads)
{
    int64_t T = x->dim[1], d = x->dim[2] / 3 / heads;
#if BAI_TILES
    if (x->dtype == BA_BF16)
        return (int64_t)bai_tile_backward_bytes(T, d) / 4;
#endif
    return 2 * bai_scores_room(T, T) + (x->dtype == BA_BF16 ? 7 * bai_round64(T * d * 4) / 4 : 0);
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)n_in, (void)out;
    return (size_t)(workers * room(in[0], ((const grad_params *)params)->heads) * 4);
}

static const float *widened(const ba_view *v, int64_t at, int64_t stride, int64_t T, int64_t d, float *to)
{
    for (int64_t r = 0; r < T; r++)
        bai_row(v, at + r * stride, d, to + r * d);
    return to;
}

#if BAI_TILES
static void tile_task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const ba_kernel *k = j->k;
    int64_t b = t / j->H, col = t % j->H * j->d, T = j->T, D = j->D, row = b * T * 3 * D + col, E = k->n_in > 3 && k->in[3].data ? k->in[3].type.dim[2] : 0;
    const uint16_t *q = (const uint16_t *)k->in[0].data + row, *dout = k->n_in > 2 && k->in[2].data ? (const uint16_t *)k->in[2].data + b * T * D + col : NULL;
    uint16_t *dq = (uint16_t *)k->out[0].data + row;
    const bai_half_head h = { T, j->d, 3 * D, q, q + D, q + 2 * D };
    bai_tile_backward(&h, (float *)k->scratch + worker * j->per_worker, (const float *)k->in[1].data + t * T, dout, D,
                      E ? (const float *)k->in[3].data + t * E * T : NULL, E, dq, dq + D, dq + 2 * D);
}
#endif

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const ba_kernel *k = j->k;
    int64_t b = t / j->H, head = t % j->H, T = j->T, d = j->d, D = j->D, row = b * T * 3 * D + head * d, o = b * T * D + head * d;
    int64_t square = bai_scores_room(T, T), part = bai_round64(T * d * 4) / 4;
    float *mine = (float *)k->scratch + worker * j->per_worker, *wide = mine + 2 * square;
    int bf16 = k->in[0].type.dtype == BA_BF16;
    const ba_view *dout = k->n_in > 2 && k->in[2].data ? &k->in[2] : NULL, *dclass = k->n_in > 3 && k->in[3].data ? &k->in[3] : NULL;
    int64_t ld = bf16 ? d : 3 * D;
    bai_head h = { .tq = T, .tk = T, .d = d, .P = mine, .Dp = mine + square, .ldq = ld, .ldk = ld, .ldv = ld, .ldo = bf16 ? d : D };
    const float *x = (const float *)k->in[0].data + row;
    h.q = bf16 ? widened(&k->in[0], row, 3 * D, T, d, wide) : x;
    h.k = bf16 ? widened(&k->in[0], row + D, 3 * D, T, d, wide + part) : x + D;
    h.v = bf16 ? widened(&k->in[0], row + 2 * D, 3 * D, T, d, wide + 2 * part) : x + 2 * D;
    if (dout)
        h.dout = bf16 ? widened(dout, o, D, T, d, wide + 3 * part) : (const float *)dout->data + o;
    float *g = bf16 ? wide + 4 * part : (float *)k->out[0].data + row;
    int64_t step = bf16 ? part : D;
    int64_t rows = dclass ? dclass->type.dim[2] : 0;
    bai_head_backward(&h, (const float *)k->in[1].data + t * T, dclass ? (const float *)dclass->data + t * rows * T : NULL, rows, g, ld, g + step, ld,
                      g + 2 * step, ld);
    for (int i = 0; bf16 && i < 3; i++)
        for (int64_t r = 0; r < T; r++)
            bai_row_done(&k->out[0], row + i * D + r * 3 * D, d, g + i * part + r * d);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    const grad_params *p = k->params;
    const ba_type *x = &k->in[0].type;
    job j = { k, p->heads, x->dim[1], x->dim[2] / 3, x->dim[2] / 3 / p->heads, room(x, p->heads) };
#if BAI_TILES
    if (x->dtype == BA_BF16) {
        k->parallel(k, x->dim[0] * j.H, tile_task, &j);
        return BA_OK;
    }
#endif
    k->parallel(k, x->dim[0] * j.H, task, &j);
    return BA_OK;
}

static void one_head(const ba_ref *r, int64_t t)
{
    const grad_params *p = r->params;
    int64_t T = r->in_type[0].dim[1], D = r->in_type[0].dim[2] / 3, H = p->heads, d = D / H, E = r->n_in > 3 && r->in[3] ? r->in_type[3].dim[2] : 0;
    const double *q = r->in[0] + t / H * T * 3 * D + t % H * d, *lse = r->in[1] + t * T;
    const double *dout = r->n_in > 2 && r->in[2] ? r->in[2] + t / H * T * D + t % H * d : NULL;
    double *g = r->out[0] + (q - r->in[0]), *dp = malloc((size_t)T * sizeof *dp), *P = malloc((size_t)T * sizeof *P);
    for (int64_t i = 0; dp && P && i < T; i++) {
        double dot = 0;
        for (int64_t j = 0; j < T; j++) {
            double s = 0;
            dp[j] = i < E ? r->in[3][(t * E + i) * T + j] : 0;
            for (int64_t c = 0; c < d; c++) {
                s += q[i * 3 * D + c] * q[j * 3 * D + D + c] / sqrt((double)d);
                dp[j] += dout ? dout[i * D + c] * q[j * 3 * D + 2 * D + c] : 0;
            }
            P[j] = exp(s - lse[i]);
            dot += P[j] * dp[j];
        }
        for (int64_t j = 0; j < T; j++)
            for (int64_t c = 0; c < d; c++) {
                double ds = P[j] * (dp[j] - dot) / sqrt((double)d);
                g[i * 3 * D + c] += ds * q[j * 3 * D + D + c];
                g[j * 3 * D + D + c] += ds * q[i * 3 * D + c];
                g[j * 3 * D + 2 * D + c] += dout ? P[j] * dout[i * D + c] : 0;
            }
    }
    free(dp);
    free(P);
}

static void reference(const ba_ref *r)
{
    const grad_params *p = r->params;
    memset(r->out[0], 0, (size_t)ba_type_count(&r->out_type[0]) * sizeof(double));
    for (int64_t t = 0; t < r->in_type[0].dim[0] * p->heads; t++)
        one_head(r, t);
}

BA_OP(attention_grad) = {
    .name = "attention_grad", .doc = "gradient of attention",
    .min_in = 2, .max_in = 4, .n_out = 1,
    BA_PARAMS(grad_params, BA_INT(grad_params, heads, 1, 1, 1024, NULL, "attention heads")),
    .shape = shape, .cost = cost, .scratch = scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "heads=2", 3, { { BA_F32, 3, { 2, 5, 24 }, 0, -1, 1 }, { BA_F32, 3, { 2, 2, 5 }, 0, 2, 3 }, { BA_F32, 3, { 2, 5, 8 }, 0, -1, 1 } } },
        { "heads=3", 4, { { BA_F32, 3, { 2, 19, 45 }, 0, -1, 1 }, { BA_F32, 3, { 2, 3, 19 }, 0, 3, 4 }, { BA_F32, 3, { 2, 19, 15 }, 0, -1, 1 },
          { BA_F32, 4, { 2, 3, 2, 19 }, 0, -1, 1 } } },
        { "heads=2", 4, { { BA_F32, 3, { 1, 6, 24 }, 0, -1, 1 }, { BA_F32, 3, { 1, 2, 6 }, 0, 2, 3 }, { 0 }, { BA_F32, 4, { 1, 2, 1, 6 }, 0, -1, 1 } } },
        { "heads=1", 3, { { BA_F32, 3, { 1, 197, 192 }, 0, -1, 1 }, { BA_F32, 3, { 1, 1, 197 }, 0, 6, 7 }, { BA_F32, 3, { 1, 197, 64 }, 0, -1, 1 } } },
        { "heads=1", 3, { { BA_F32, 3, { 1, 300, 27 }, 0, -1, 1 }, { BA_F32, 3, { 1, 1, 300 }, 0, 6, 7 }, { BA_F32, 3, { 1, 300, 9 }, 0, -1, 1 } } },
        { "heads=2", 4, { { BA_F32, 3, { 1, 17, 42 }, 0, -1, 1 }, { BA_F32, 3, { 1, 2, 17 }, 0, 3, 4 }, { BA_F32, 3, { 1, 17, 14 }, 0, -1, 1 },
          { BA_F32, 4, { 1, 2, 2, 17 }, 0, -1, 1 } } },
        { "heads=2", 3, { { BA_BF16, 3, { 2, 5, 24 }, 0, -1, 1 }, { BA_F32, 3, { 2, 2, 5 }, 0, 2, 3 }, { BA_BF16, 3, { 2, 5, 8 }, 0, -1, 1 } } },
        { "heads=2", 4, { { BA_BF16, 3, { 2, 37, 384 }, 0, -1, 1 }, { BA_F32, 3, { 2, 2, 37 }, 0, 3.5, 4 }, { BA_BF16, 3, { 2, 37, 128 }, 0, -1, 1 },
          { BA_F32, 4, { 2, 2, 2, 37 }, 0, -1, 1 } } }, /* widths and lengths of tensor-core kernels */
        { "heads=2", 4, { { BA_BF16, 3, { 1, 21, 192 }, 0, -1, 1 }, { BA_F32, 3, { 1, 2, 21 }, 0, 3, 3.5 }, { 0 }, { BA_F32, 4, { 1, 2, 1, 21 }, 0, -1, 1 } } },
        { "heads=1", 3, { { BA_BF16, 3, { 1, 197, 96 }, 0, -1, 1 }, { BA_F32, 3, { 1, 1, 197 }, 0, 5, 5.5 }, { BA_BF16, 3, { 1, 197, 32 }, 0, -1, 1 } } },
        { "heads=2", 4, { { BA_BF16, 3, { 1, 300, 192 }, 0, -1, 1 }, { BA_F32, 3, { 1, 2, 300 }, 0, 6, 6.5 }, { BA_BF16, 3, { 1, 300, 64 }, 0, -1, 1 },
          { BA_F32, 4, { 1, 2, 2, 300 }, 0, -1, 1 } } }, /* more tokens than a head has room in shared memory */
        { "heads=1", 3, { { BA_BF16, 3, { 1, 385, 192 }, 0, -1, 1 }, { BA_F32, 3, { 1, 1, 385 }, 0, 6, 6.5 }, { BA_BF16, 3, { 1, 385, 64 }, 0, -1, 1 } } },
        { "heads=2", 4, { { BA_BF16, 3, { 1, 290, 192 }, 0, -1, 1 }, { BA_F32, 3, { 1, 2, 290 }, 0, 6, 6.5 }, { 0 }, { BA_F32, 4, { 1, 2, 1, 290 }, 0, -1, 1 } } }),
    .tolerance = 5e-6,
};
