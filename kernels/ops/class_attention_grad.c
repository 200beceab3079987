/* class_attention_grad: gradient of class_attention. q [B,Q,D], kv [B,T,2D], lse [B,heads,Q], dout [B,Q,D] (may be left out),
 * dclass f32 [B,heads,E,T] (may be left out): out0 dq, out1 dkv. One task a head. */
#include "../shared/attention.h"
#include "../shared/widen.h"

typedef struct grad_params { int64_t heads; } grad_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const grad_params *p = params;
    const ba_type *q = in[0], *kv = in[1], *l = in[2], *d = n_in > 3 ? in[3] : NULL, *c = n_in > 4 ? in[4] : NULL;
    char t[3][96];
    int fits = q->rank == 3 && kv->rank == 3 && bai_is_real(q) && kv->dtype == q->dtype && q->dim[0] == kv->dim[0] && 2 * q->dim[2] == kv->dim[2] &&
               q->dim[2] % p->heads == 0 && l->rank == 3 && l->dtype == BA_F32 && l->dim[0] == q->dim[0] && l->dim[1] == p->heads && l->dim[2] == q->dim[1];
    fits = fits && (!d || (bai_same_dims(d, q) && d->dtype == q->dtype));
    fits = fits && (!c || (c->rank == 4 && c->dtype == BA_F32 && c->dim[0] == q->dim[0] && c->dim[1] == p->heads && c->dim[2] <= q->dim[1] && c->dim[3] == kv->dim[1]));
    if (!fits)
        return ba_fail(e, BA_EARG, "class_attention_grad: q is %s, kv %s, lse %s", bai_text(q, t[0]), bai_text(kv, t[1]), bai_text(l, t[2]));
    out[0] = *q;
    out[1] = *kv;
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)out;
    c->macs = 5 * (double)ba_type_count(in[0]) * (double)in[1]->dim[1];
}

typedef struct job { const ba_kernel *k; const float *q, *kv, *dout; float *dq, *dkv, *P; int64_t H, Q, T, D, d; } job;

static int64_t wide(const ba_type *t) { return bai_widen_bytes(t, ba_type_count(t)); }

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in;
    return (size_t)(3 * wide(in[0]) + wide(in[1]) + wide(&out[1]) + workers * 2 * bai_scores_room(in[0]->dim[1], in[1]->dim[1]) * 4 +
                    bai_round64(ba_type_count(in[0]) * 4) + bai_round64(ba_type_count(in[1]) * 4));
}

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const ba_view *dclass = j->k->n_in > 4 && j->k->in[4].data ? &j->k->in[4] : NULL;
    int64_t b = t / j->H, col = t % j->H * j->d, square = bai_scores_room(j->Q, j->T), at = b * j->Q * j->D + col, kat = b * j->T * 2 * j->D + col;
    bai_head h = { .tq = j->Q, .tk = j->T, .d = j->d, .q = j->q + at, .k = j->kv + kat, .v = j->kv + kat + j->D, .ldq = j->D, .ldk = 2 * j->D,
                   .ldv = 2 * j->D, .ldo = j->D, .dout = j->dout ? j->dout + at : NULL, .P = j->P + worker * 2 * square };
    h.Dp = h.P + square;
    int64_t rows = dclass ? dclass->type.dim[2] : 0;
    bai_head_backward(&h, (const float *)j->k->in[2].data + t * j->Q, dclass ? (const float *)dclass->data + t * rows * j->T : NULL, rows, j->dq + at, j->D,
                      j->dkv + kat, 2 * j->D, j->dkv + kat + j->D, 2 * j->D);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    const grad_params *p = k->params;
    const ba_type *q = &k->in[0].type, *kv = &k->in[1].type;
    int64_t nq = ba_type_count(q), nkv = ba_type_count(kv);
    float *room = k->scratch;
    job j = { .k = k, .H = p->heads, .Q = q->dim[1], .T = kv->dim[1], .D = q->dim[2], .d = q->dim[2] / p->heads };
    j.q = bai_widen(k, &k->in[0], 0, nq, &room);
    j.kv = bai_widen(k, &k->in[1], 0, nkv, &room);
    j.dout = k->n_in > 3 && k->in[3].data ? bai_widen(k, &k->in[3], 0, nq, &room) : NULL;
    int direct = q->dtype == BA_F32;
    j.dq = direct && k->out[0].data ? k->out[0].data : room;
    room += bai_round64(nq * 4) / 4;
    j.dkv = direct && k->out[1].data ? k->out[1].data : room;
    j.P = room + bai_round64(nkv * 4) / 4;
    k->parallel(k, q->dim[0] * j.H, task, &j);
    if (!direct && k->out[0].data)
        bai_row_done(&k->out[0], 0, nq, j.dq);
    if (!direct && k->out[1].data)
        bai_row_done(&k->out[1], 0, nkv, j.dkv);
    return BA_OK;
}

static void one_head(const ba_ref *r, int64_t t)
{
    const grad_params *p = r->params;
    int64_t H = p->heads, Q = r->in_type[0].dim[1], D = r->in_type[0].dim[2], T = r->in_type[1].dim[1], d = D / H;
    int64_t E = r->n_in > 4 && r->in[4] ? r->in_type[4].dim[2] : 0, at = t / H * Q * D + t % H * d, kat = t / H * T * 2 * D + t % H * d;
    const double *q = r->in[0] + at, *k = r->in[1] + kat, *dout = r->n_in > 3 && r->in[3] ? r->in[3] + at : NULL;
    double *dp = malloc((size_t)T * sizeof *dp), *P = malloc((size_t)T * sizeof *P);
    for (int64_t i = 0; dp && P && i < Q; i++) {
        double dot = 0;
        for (int64_t j = 0; j < T; j++) {
            double s = 0;
            dp[j] = i < E ? r->in[4][(t * E + i) * T + j] : 0;
            for (int64_t c = 0; c < d; c++) {
                s += q[i * D + c] * k[j * 2 * D + c] / sqrt((double)d);
                dp[j] += dout ? dout[i * D + c] * k[j * 2 * D + D + c] : 0;
            }
            P[j] = exp(s - r->in[2][t * Q + i]);
            dot += P[j] * dp[j];
        }
        for (int64_t j = 0; j < T; j++)
            for (int64_t c = 0; c < d; c++) {
                double ds = P[j] * (dp[j] - dot) / sqrt((double)d);
                r->out[0][at + i * D + c] += ds * k[j * 2 * D + c];
                r->out[1][kat + j * 2 * D + c] += ds * q[i * D + c];
                r->out[1][kat + j * 2 * D + D + c] += dout ? P[j] * dout[i * D + c] : 0;
            }
    }
    free(dp);
    free(P);
}

static void reference(const ba_ref *r)
{
    const grad_params *p = r->params;
    for (int i = 0; i < 2; i++)
        memset(r->out[i], 0, (size_t)ba_type_count(&r->out_type[i]) * sizeof(double));
    for (int64_t t = 0; t < r->in_type[0].dim[0] * p->heads; t++)
        one_head(r, t);
}

BA_OP(class_attention_grad) = {
    .name = "class_attention_grad", .doc = "gradient of class_attention",
    .min_in = 3, .max_in = 5, .n_out = 2,
    BA_PARAMS(grad_params, BA_INT(grad_params, heads, 1, 1, 1024, NULL, "attention heads")),
    .shape = shape, .cost = cost, .scratch = scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "heads=2", 4, { { BA_F32, 3, { 2, 1, 8 }, 0, -1, 1 }, { BA_F32, 3, { 2, 7, 16 }, 0, -1, 1 }, { BA_F32, 3, { 2, 2, 1 }, 0, 2, 3 }, { BA_F32, 3, { 2, 1, 8 }, 0, -1, 1 } } },
        { "heads=3", 5, { { BA_F32, 3, { 2, 3, 15 }, 0, -1, 1 }, { BA_F32, 3, { 2, 21, 30 }, 0, -1, 1 }, { BA_F32, 3, { 2, 3, 3 }, 0, 3, 4 }, { BA_F32, 3, { 2, 3, 15 }, 0, -1, 1 },
          { BA_F32, 4, { 2, 3, 2, 21 }, 0, -1, 1 } } },
        { "heads=2", 4, { { BA_BF16, 3, { 2, 1, 8 }, 0, -1, 1 }, { BA_BF16, 3, { 2, 7, 16 }, 0, -1, 1 }, { BA_F32, 3, { 2, 2, 1 }, 0, 2, 3 }, { BA_BF16, 3, { 2, 1, 8 }, 0, -1, 1 } } }),
    .tolerance = 5e-6,
};
