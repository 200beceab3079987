/* attention: multi-head self-attention on packed queries, keys and values.
 * qkv [B,T,3D] with columns [q|k|v], each split into heads of d = D/heads. out0 [B,T,D]: softmax(q k^T / sqrt d) v, heads side by side;
 * out1 f32 [B,heads,T]: log-sum-exp of the scores, for the backward pass; out2 f32 [B,heads,E,T]: the attention of the first E (`prefix`)
 * tokens, the only rows of the attention matrix that leave the cache. One task a head. */
#include "../shared/attention.h"
#include "../shared/tile_attention.h"

typedef struct attention_params { int64_t heads, prefix; } attention_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const attention_params *p = params;
    char t[96];
    (void)n_in;
    if (in[0]->rank != 3 || !bai_is_real(in[0]) || in[0]->dim[2] % 3 || in[0]->dim[2] / 3 % p->heads)
        return ba_fail(e, BA_EARG, "attention: qkv is %s with %lld heads; [B,T,3D] with D a multiple of the heads expected", bai_text(in[0], t),
                       (long long)p->heads);
    if (p->prefix > in[0]->dim[1])
        return ba_fail(e, BA_EARG, "attention: prefix = %lld, there are %lld tokens", (long long)p->prefix, (long long)in[0]->dim[1]);
    out[0] = *in[0];
    out[0].dim[2] /= 3;
    out[1] = bai_shape(BA_F32, 3, in[0]->dim[0], p->heads, in[0]->dim[1], 1);
    out[2] = bai_shape(BA_F32, 4, in[0]->dim[0], p->heads, bai_max(p->prefix, 1), in[0]->dim[1]);
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    const attention_params *p = params;
    (void)n_in;
    double T = (double)in[0]->dim[1];
    c->macs = 2 * (double)ba_type_count(&out[0]) * T;
    c->flops = 12 * (double)in[0]->dim[0] * (double)p->heads * T * T;
}

typedef struct job { const ba_kernel *k; int64_t H, T, D, d, per_worker; } job;

static int64_t room(const ba_type *x, int64_t heads) /* floats a worker needs: P, and q k v o of a head where they are bf16 */
{
    int64_t T = x->dim[1], d = x->dim[2] / 3 / heads;
#if BAI_TILES
    if (x->dtype == BA_BF16)
        return (int64_t)bai_tile_forward_bytes(T, d) / 4;
#endif
    return bai_scores_room(T, T) + (x->dtype == BA_BF16 ? 4 * bai_round64(T * d * 4) / 4 : 0);
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)n_in, (void)out;
    return (size_t)(workers * room(in[0], ((const attention_params *)params)->heads) * 4);
}

#if BAI_TILES
static void tile_task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const ba_view *y = j->k->out;
    int64_t b = t / j->H, col = t % j->H * j->d, T = j->T, D = j->D, E = y[2].type.dim[2];
    const uint16_t *q = (const uint16_t *)j->k->in[0].data + b * T * 3 * D + col;
    const bai_half_head h = { T, j->d, 3 * D, q, q + D, q + 2 * D };
    bai_tile_forward(&h, (float *)j->k->scratch + worker * j->per_worker, y[0].data ? (uint16_t *)y[0].data + b * T * D + col : NULL, D,
                     y[1].data ? (float *)y[1].data + t * T : NULL, y[2].data ? (float *)y[2].data + t * E * T : NULL, E);
}
#endif

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const ba_kernel *k = j->k;
    int64_t b = t / j->H, head = t % j->H, T = j->T, d = j->d, D = j->D, row = b * T * 3 * D + head * d, o = b * T * D + head * d;
    float *mine = (float *)k->scratch + worker * j->per_worker, *wide = mine + bai_scores_room(T, T);
    int bf16 = k->in[0].type.dtype == BA_BF16;
    bai_head h = { .tq = T, .tk = T, .d = d, .P = mine, .ldq = 3 * D, .ldk = 3 * D, .ldv = 3 * D, .ldo = D };
    const float *part[3];
    for (int i = 0; i < 3; i++) {
        float *to = wide + i * bai_round64(T * d * 4) / 4;
        for (int64_t r = 0; bf16 && r < T; r++)
            bai_row(&k->in[0], row + i * D + r * 3 * D, d, to + r * d);
        part[i] = bf16 ? to : (const float *)k->in[0].data + row + i * D;
    }
    h.q = part[0], h.k = part[1], h.v = part[2];
    if (bf16)
        h.ldq = h.ldk = h.ldv = h.ldo = d;
    float *out = !k->out[0].data ? NULL : bf16 ? wide + 3 * bai_round64(T * d * 4) / 4 : (float *)k->out[0].data + o;
    bai_head_forward(&h, k->out[1].data ? (float *)k->out[1].data + t * T : NULL, out);
    for (int64_t r = 0; out && bf16 && r < T; r++)
        bai_row_done(&k->out[0], o + r * D, d, out + r * d);
    const int64_t E = k->out[2].type.dim[2];
    for (int64_t i = 0; k->out[2].data && i < E; i++)
        memcpy((float *)k->out[2].data + (t * E + i) * T, mine + i * bai_scores_stride(T), (size_t)T * 4);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    const attention_params *p = k->params;
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

static void reference(const ba_ref *r)
{
    const attention_params *p = r->params;
    int64_t B = r->in_type[0].dim[0], T = r->in_type[0].dim[1], D = r->in_type[0].dim[2] / 3, d = D / p->heads, E = r->out_type[2].dim[2];
    for (int64_t t = 0; t < B * p->heads; t++) {
        const double *q = r->in[0] + t / p->heads * T * 3 * D + t % p->heads * d;
        bai_head_reference(T, T, d, q, 3 * D, q + D, 3 * D, q + 2 * D, 3 * D, r->out[1] + t * T,
                           r->out[0] + t / p->heads * T * D + t % p->heads * d, D, r->out[2] + t * E * T, E);
    }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    const attention_params *p = c->params;
    if (!c->dout[0] && !c->dout[2])
        return BA_OK;
    ba_tensor *in[] = { c->in[0], c->out[1], c->dout[0], c->dout[2] };
    c->din[0] = ba_op_apply(c->g, "attention_grad", 4, in, BA_ATTRS(BA_I("heads", p->heads)), e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

/* Only the first tokens are read: queries for those alone, keys and values for all. */
static int slice(const ba_slice_call *c, ba_err *e)
{
    const attention_params *p = c->params;
    int64_t D = bai_dim(c->in[0], 2) / 3;
    if (c->axis != 1 || c->from != 0 || c->to < p->prefix)
        return 1;
    ba_tensor *q = bai_op1(c->g, "slice", c->in[0], BA_ATTRS(BA_I("axis", 2), BA_I("from", 0), BA_I("to", D)), e);
    q = bai_op1(c->g, "slice", q, BA_ATTRS(BA_I("axis", 1), BA_I("from", 0), BA_I("to", c->to)), e);
    ba_tensor *kv = bai_op1(c->g, "slice", c->in[0], BA_ATTRS(BA_I("axis", 2), BA_I("from", D), BA_I("to", 3 * D)), e);
    ba_tensor *y = bai_op2(c->g, "class_attention", q, kv, BA_ATTRS(BA_I("heads", p->heads), BA_I("prefix", p->prefix)), e);
    c->sliced[0] = y;
    c->sliced[2] = y ? ba_output_of(y, 2, e) : NULL;
    return y ? BA_OK : BA_EBUG;
}

BA_OP(attention) = {
    .name = "attention", .doc = "multi-head self-attention on packed q, k, v; also gives the attention of the class token",
    .min_in = 1, .max_in = 1, .n_out = 3,
    BA_PARAMS(attention_params,
        BA_INT(attention_params, heads, 1, 1, 1024, NULL, "attention heads"),
        BA_INT(attention_params, prefix, 1, 0, 1024, "tokens", "extra tokens in front (class, distillation) whose attention is given out")),
    .shape = shape, .cost = cost, .scratch = scratch, .grad = grad, .slice_outs = 1, .slice = slice, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "heads=2", 1, { { BA_F32, 3, { 2, 5, 24 }, 0, -1, 1 } } },
        { "heads=3,prefix=2", 1, { { BA_F32, 3, { 2, 19, 45 }, 0, -2, 2 } } },
        { "heads=1", 1, { { BA_F32, 3, { 1, 197, 192 }, 0, -2, 2 } }, .fixed = 1 }, /* lengths around the panels of gemm */
        { "heads=2", 1, { { BA_F32, 3, { 1, 32, 30 }, 0, -2, 2 } }, .fixed = 1 },
        { "heads=2,prefix=2", 1, { { BA_F32, 3, { 1, 17, 42 }, 0, -2, 2 } }, .fixed = 1 },
        { "heads=2", 1, { { BA_F32, 3, { 2, 1, 6 }, 0, -2, 2 } } },
        { "heads=2", 1, { { BA_BF16, 3, { 2, 5, 48 }, 0, -1, 1 } }, .fixed = 1 },
        { "heads=2,prefix=2", 1, { { BA_BF16, 3, { 2, 37, 384 }, 0, -1, 1 } }, .fixed = 1 }, /* widths and lengths of tensor-core kernels */
        { "heads=2", 1, { { BA_BF16, 3, { 1, 70, 192 }, 0, -2, 2 } }, .fixed = 1 },
        { "heads=1,prefix=0", 1, { { BA_BF16, 3, { 1, 197, 96 }, 0, -1, 1 } }, .fixed = 1 },
        { "heads=1", 1, { { BA_BF16, 3, { 1, 261, 96 }, 0, -1, 1 } }, .fixed = 1 },
        { "heads=2,prefix=2", 1, { { BA_BF16, 3, { 1, 300, 192 }, 0, -2, 2 } }, .fixed = 1 }, /* more tokens than a head has room in shared memory */
        { "heads=1", 1, { { BA_BF16, 3, { 1, 385, 192 }, 0, -1, 1 } }, .fixed = 1 }),
    .tolerance = 3e-6,
};
