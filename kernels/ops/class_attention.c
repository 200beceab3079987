/* class_attention: attention of a few queries on all keys. q [B,Q,D], kv [B,T,2D] with columns [k|v]; out0 [B,Q,D], out1 f32 [B,heads,Q]
 * log-sum-exp, out2 f32 [B,heads,E,T] attention of the first E (`prefix`) queries. What attention becomes when only the class token is
 * read from it; its by-product is the saliency of MaskedKD (equation 2). */
#include "../shared/attention.h"
#include "../shared/widen.h"

typedef struct class_params { int64_t heads, prefix; } class_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const class_params *p = params;
    const ba_type *q = in[0], *kv = in[1];
    char t[2][96];
    (void)n_in;
    if (q->rank != 3 || kv->rank != 3 || !bai_is_real(q) || kv->dtype != q->dtype || q->dim[0] != kv->dim[0] || 2 * q->dim[2] != kv->dim[2] ||
        q->dim[2] % p->heads || p->prefix > q->dim[1])
        return ba_fail(e, BA_EARG, "class_attention: q is %s, kv %s with %lld heads; q [B,Q,D], kv [B,T,2D] expected", bai_text(q, t[0]), bai_text(kv, t[1]),
                       (long long)p->heads);
    out[0] = *q;
    out[1] = bai_shape(BA_F32, 3, q->dim[0], p->heads, q->dim[1], 1);
    out[2] = bai_shape(BA_F32, 4, q->dim[0], p->heads, bai_max(p->prefix, 1), kv->dim[1]);
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)n_in;
    c->macs = 2 * (double)ba_type_count(&out[0]) * (double)in[1]->dim[1];
    c->flops = 12 * (double)in[0]->dim[0] * (double)((const class_params *)params)->heads * (double)in[0]->dim[1] * (double)in[1]->dim[1];
}

typedef struct job { const ba_kernel *k; const float *q, *kv; float *out, *P; int64_t H, Q, T, D, d; } job;

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in;
    return (size_t)(bai_widen_bytes(in[0], ba_type_count(in[0])) + bai_widen_bytes(in[1], ba_type_count(in[1])) +
                    bai_widen_bytes(&out[0], ba_type_count(&out[0])) + workers * bai_scores_room(in[0]->dim[1], in[1]->dim[1]) * 4);
}

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const ba_view *classes = &j->k->out[2];
    int64_t b = t / j->H, col = t % j->H * j->d;
    float *P = j->P + worker * bai_scores_room(j->Q, j->T);
    bai_head h = { .tq = j->Q, .tk = j->T, .d = j->d, .q = j->q + b * j->Q * j->D + col, .k = j->kv + b * j->T * 2 * j->D + col, .P = P,
                   .ldq = j->D, .ldk = 2 * j->D, .ldv = 2 * j->D, .ldo = j->D };
    h.v = h.k + j->D;
    bai_head_forward(&h, j->k->out[1].data ? (float *)j->k->out[1].data + t * j->Q : NULL, j->out ? j->out + b * j->Q * j->D + col : NULL);
    const int64_t E = classes->type.dim[2];
    for (int64_t i = 0; classes->data && i < E; i++)
        memcpy((float *)classes->data + (t * E + i) * j->T, P + i * bai_scores_stride(j->T), (size_t)j->T * 4);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    const class_params *p = k->params;
    const ba_type *q = &k->in[0].type, *kv = &k->in[1].type;
    float *room = k->scratch;
    job j = { .k = k, .H = p->heads, .Q = q->dim[1], .T = kv->dim[1], .D = q->dim[2], .d = q->dim[2] / p->heads };
    j.q = bai_widen(k, &k->in[0], 0, ba_type_count(q), &room);
    j.kv = bai_widen(k, &k->in[1], 0, ba_type_count(kv), &room);
    int bf16 = q->dtype == BA_BF16;
    j.out = !k->out[0].data ? NULL : bf16 ? room : k->out[0].data;
    j.P = room + bai_widen_bytes(q, ba_type_count(q)) / 4;
    k->parallel(k, q->dim[0] * j.H, task, &j);
    if (bf16 && j.out)
        bai_row_done(&k->out[0], 0, ba_type_count(q), j.out);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const class_params *p = r->params;
    int64_t H = p->heads, Q = r->in_type[0].dim[1], D = r->in_type[0].dim[2], T = r->in_type[1].dim[1], d = D / H, E = r->out_type[2].dim[2];
    for (int64_t t = 0; t < r->in_type[0].dim[0] * H; t++) {
        const double *k = r->in[1] + t / H * T * 2 * D + t % H * d;
        int64_t at = t / H * Q * D + t % H * d;
        bai_head_reference(Q, T, d, r->in[0] + at, D, k, 2 * D, k + D, 2 * D, r->out[1] + t * Q, r->out[0] + at, D, r->out[2] + t * E * T, E);
    }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    const class_params *p = c->params;
    if (!c->dout[0] && !c->dout[2])
        return BA_OK;
    ba_tensor *in[] = { c->in[0], c->in[1], c->out[1], c->dout[0], c->dout[2] };
    c->din[0] = ba_op_apply(c->g, "class_attention_grad", 5, in, BA_ATTRS(BA_I("heads", p->heads)), e);
    c->din[1] = c->din[0] ? ba_output_of(c->din[0], 1, e) : NULL;
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(class_attention) = {
    .name = "class_attention", .doc = "attention of a few queries (the class token) on all tokens",
    .min_in = 2, .max_in = 2, .n_out = 3,
    BA_PARAMS(class_params,
        BA_INT(class_params, heads, 1, 1, 1024, NULL, "attention heads"),
        BA_INT(class_params, prefix, 1, 0, 1024, "tokens", "queries whose attention is given out")),
    .shape = shape, .cost = cost, .scratch = scratch, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "heads=2", 2, { { BA_F32, 3, { 2, 1, 8 }, 0, -1, 1 }, { BA_F32, 3, { 2, 7, 16 }, 0, -1, 1 } } },
        { "heads=3,prefix=2", 2, { { BA_F32, 3, { 2, 3, 15 }, 0, -2, 2 }, { BA_F32, 3, { 2, 21, 30 }, 0, -2, 2 } } },
        { "heads=2", 2, { { BA_BF16, 3, { 2, 1, 8 }, 0, -1, 1 }, { BA_BF16, 3, { 2, 7, 16 }, 0, -1, 1 } }, .fixed = 3 }),
    .tolerance = 3e-6,
};
