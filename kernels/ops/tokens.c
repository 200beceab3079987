/* tokens: puts the extra tokens in front and adds the positions.
 * x [B,k,D] embedded patches, prefix f32 [..] of P*D numbers, pos f32 [..] of (P+N)*D or N*D numbers (rows; P, N from the attributes), kept i32 [B,k]
 * (optional): out [B,P+k,D]. With position rows for the extra tokens (DeiT) these are added to them, without (DeiT III) not. */
#include "../shared/index.h"

typedef struct tokens_params { int64_t prefix, patches; } tokens_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const tokens_params *p = params;
    const ba_type *x = in[0], *kept = n_in > 3 ? in[3] : NULL;
    char t[3][96];
    if (x->rank != 3 || !bai_is_real(x) || in[1]->dtype != BA_F32 || in[2]->dtype != BA_F32 || ba_type_count(in[1]) != p->prefix * x->dim[2])
        return ba_fail(e, BA_EARG, "tokens: x is %s, prefix %s; x [B,k,D] and %lld x D numbers of prefix expected", bai_text(x, t[0]), bai_text(in[1], t[1]),
                       (long long)p->prefix);
    int64_t rows = ba_type_count(in[2]) / x->dim[2];
    if (ba_type_count(in[2]) % x->dim[2] || (rows != p->patches && rows != p->patches + p->prefix))
        return ba_fail(e, BA_EARG, "tokens: pos is %s; %lld or %lld rows of %lld expected", bai_text(in[2], t[0]), (long long)p->patches,
                       (long long)(p->patches + p->prefix), (long long)x->dim[2]);
    if (kept ? kept->dtype != BA_I32 || kept->rank != 2 || kept->dim[0] != x->dim[0] || kept->dim[1] != x->dim[1] : x->dim[1] != p->patches)
        return ba_fail(e, BA_EARG, "tokens: x is %s, kept %s; %lld patches in all", bai_text(x, t[0]), kept ? bai_text(kept, t[1]) : "left out", (long long)p->patches);
    out[0] = *x;
    out[0].dim[1] += p->prefix;
    return BA_OK;
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)out;
    return (size_t)(workers * 2 * bai_round64(in[0]->dim[2] * 4));
}

static void task(void *ctx, int64_t b, int worker)
{
    const ba_kernel *k = ctx;
    const tokens_params *p = k->params;
    int64_t D = k->in[0].type.dim[2], n = k->in[0].type.dim[1], lead = ba_type_count(&k->in[2].type) / D - p->patches;
    const int32_t *kept = k->n_in > 3 ? k->in[3].data : NULL;
    const float *prefix = k->in[1].data, *pos = k->in[2].data;
    float *tmp = (float *)((char *)k->scratch + worker * 2 * bai_round64(D * 4)), *tmp2 = tmp + bai_round64(D * 4) / 4;
    for (int64_t r = 0; r < p->prefix + n; r++) {
        int64_t at = (b * (p->prefix + n) + r) * D, i = r - p->prefix;
        const float *x = i < 0 ? prefix + r * D : bai_row(&k->in[0], (b * n + i) * D, D, tmp);
        const float *add = i < 0 ? (lead ? pos + r * D : NULL) : pos + (lead + (kept ? kept[b * n + i] : i)) * D;
        float *o = bai_row_out(&k->out[0], at, tmp2);
        for (int64_t c = 0; c < D; c++)
            o[c] = x[c] + (add ? add[c] : 0);
        bai_row_done(&k->out[0], at, D, o);
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    const tokens_params *p = k->params;
    if (k->n_in > 3 && k->in[3].data && bai_index_check("tokens", &k->in[3], p->patches, e))
        return BA_EDATA;
    k->parallel(k, k->in[0].type.dim[0], task, (void *)k);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const tokens_params *p = r->params;
    int64_t B = r->in_type[0].dim[0], n = r->in_type[0].dim[1], D = r->in_type[0].dim[2], lead = ba_type_count(&r->in_type[2]) / D - p->patches;
    for (int64_t b = 0; b < B; b++)
        for (int64_t c = 0; c < D; c++) {
            for (int64_t i = 0; i < p->prefix; i++)
                r->out[0][(b * (p->prefix + n) + i) * D + c] = r->in[1][i * D + c] + (lead ? r->in[2][i * D + c] : 0);
            for (int64_t i = 0; i < n; i++) {
                int64_t which = r->n_in > 3 && r->in[3] ? (int64_t)r->in[3][b * n + i] : i;
                r->out[0][(b * (p->prefix + n) + p->prefix + i) * D + c] = r->in[0][(b * n + i) * D + c] + r->in[2][(lead + which) * D + c];
            }
        }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    const tokens_params *p = c->params;
    int64_t T = bai_dim(c->out[0], 1);
    if (c->want[0] && !(c->din[0] = bai_op1(c->g, "slice", c->dout[0], BA_ATTRS(BA_I("axis", 1), BA_I("from", p->prefix), BA_I("to", T)), e)))
        return BA_EBUG;
    if (!c->want[1] && !c->want[2])
        return BA_OK;
    ba_tensor *in[] = { c->dout[0], c->in[1], c->in[2], c->n_in > 3 ? c->in[3] : NULL };
    c->din[1] = ba_op_apply(c->g, "tokens_grad", 4, in, BA_ATTRS(BA_I("prefix", p->prefix), BA_I("patches", p->patches)), e);
    c->din[2] = c->din[1] ? ba_output_of(c->din[1], 1, e) : NULL;
    return c->din[1] ? BA_OK : BA_EBUG;
}

BA_OP(tokens) = {
    .name = "tokens", .doc = "extra tokens in front of the embedded patches, positions added",
    .min_in = 3, .max_in = 4, .n_out = 1,
    BA_PARAMS(tokens_params,
        BA_INT(tokens_params, prefix, 1, 1, 1024, "tokens", "extra tokens"),
        BA_INT(tokens_params, patches, 1, 1, 1 << 24, "tokens", "patches of the whole picture")),
    .shape = shape, .scratch = scratch, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "patches=4", 3, { { BA_F32, 3, { 2, 4, 6 }, 0, -1, 1 }, { BA_F32, 3, { 1, 1, 6 }, 0, -1, 1 }, { BA_F32, 3, { 1, 5, 6 }, 0, -1, 1 } } },
        { "patches=7,prefix=2", 4, { { BA_F32, 3, { 3, 4, 6 }, 0, -1, 1 }, { BA_F32, 2, { 2, 6 }, 0, -1, 1 }, { BA_F32, 3, { 1, 9, 6 }, 0, -1, 1 },
          { BA_I32, 2, { 3, 4 }, BA_FILL_CHOICE, 0, 7 } } },
        { "patches=4", 3, { { BA_F32, 3, { 2, 4, 6 }, 0, -1, 1 }, { BA_F32, 3, { 1, 1, 6 }, 0, -1, 1 }, { BA_F32, 3, { 1, 4, 6 }, 0, -1, 1 } } },
        { "patches=4", 3, { { BA_BF16, 3, { 2, 4, 6 }, 0, -1, 1 }, { BA_F32, 3, { 1, 1, 6 }, 0, -1, 1 }, { BA_F32, 3, { 1, 5, 6 }, 0, -1, 1 } }, .fixed = 7 }),
    .tolerance = 1e-6,
};
