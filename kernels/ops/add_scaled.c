/* add_scaled: a residual branch joins: x + scale[b] * branch. x, branch [B,..], scale f32 [B] (optional: stochastic depth). */
#include "../shared/kernel.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    (void)params;
    if (in[0]->rank < 1 || !bai_is_real(in[0]) || in[0]->dtype != in[1]->dtype || !bai_same_dims(in[0], in[1]))
        return ba_fail(e, BA_EARG, "add_scaled: x is %s, the branch %s; equal types expected", bai_text(in[0], t[0]), bai_text(in[1], t[1]));
    if (n_in > 2 && in[2] && (in[2]->dtype != BA_F32 || in[2]->rank != 1 || in[2]->dim[0] != in[0]->dim[0]))
        return ba_fail(e, BA_EARG, "add_scaled: scale is %s; f32[%lld] expected", bai_text(in[2], t[0]), (long long)in[0]->dim[0]);
    out[0] = *in[0];
    return BA_OK;
}

static void task(void *ctx, int64_t t, int worker)
{
    const ba_kernel *k = ctx;
    (void)worker;
    const float *scale = k->n_in > 2 ? k->in[2].data : NULL;
    int64_t all = ba_type_count(&k->in[0].type), per = all / k->in[0].type.dim[0];
    float tmp[2][256], out[256];
    for (int64_t at = t * BAI_BLOCK, end = bai_min(all, at + BAI_BLOCK); at < end;) {
        int64_t n = bai_min(256, bai_min(end - at, per - at % per));
        const float *x = bai_row(&k->in[0], at, n, tmp[0]), *a = bai_row(&k->in[1], at, n, tmp[1]), s = scale ? scale[at / per] : 1;
        float *o = bai_row_out(&k->out[0], at, out);
        for (int64_t i = 0; i < n; i++)
            o[i] = x[i] + s * a[i];
        bai_row_done(&k->out[0], at, n, o);
        at += n;
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    k->parallel(k, bai_ceil(ba_type_count(&k->in[0].type), BAI_BLOCK), task, (void *)k);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    int64_t all = ba_type_count(&r->in_type[0]), per = all / r->in_type[0].dim[0];
    for (int64_t i = 0; i < all; i++)
        r->out[0][i] = r->in[0][i] + (r->n_in > 2 && r->in[2] ? r->in[2][i / per] : 1) * r->in[1][i];
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    c->din[0] = c->din[1] = c->dout[0];
    if (c->n_in > 2 && c->in[2] && c->want[1])
        c->din[1] = bai_op2(c->g, "scale_rows", c->dout[0], c->in[2], 0, NULL, e);
    return c->din[1] ? BA_OK : BA_EBUG;
}

static int slice(const ba_slice_call *c, ba_err *e)
{
    if (c->axis == 0)
        return 1;
    const ba_attr cut[] = { BA_I("axis", c->axis), BA_I("from", c->from), BA_I("to", c->to) };
    ba_tensor *in[3] = { bai_op1(c->g, "slice", c->in[0], 3, cut, e), bai_op1(c->g, "slice", c->in[1], 3, cut, e), c->n_in > 2 ? c->in[2] : NULL };
    c->sliced[0] = in[0] && in[1] ? ba_op_apply(c->g, "add_scaled", c->n_in, in, 0, NULL, e) : NULL;
    return c->sliced[0] ? BA_OK : BA_EBUG;
}

BA_OP(add_scaled) = {
    .name = "add_scaled", .doc = "x + scale * branch, one scale a sample",
    .min_in = 2, .max_in = 3, .n_out = 1, .reuse = 3,
    .shape = shape, .grad = grad, .slice_outs = 1, .slice = slice, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 3, { 3, 5, 7 }, 0, -1, 1 }, { BA_F32, 3, { 3, 5, 7 }, 0, -1, 1 } } },
        { "", 3, { { BA_F32, 3, { 3, 50, 70 }, 0, -1, 1 }, { BA_F32, 3, { 3, 50, 70 }, 0, -1, 1 }, { BA_F32, 1, { 3 }, 0, 0, 2 } }, .fixed = 4 },
        { "", 2, { { BA_BF16, 2, { 3, 7 }, 0, -1, 1 }, { BA_BF16, 2, { 3, 7 }, 0, -1, 1 } }, .fixed = 3 }),
    .tolerance = 1e-6,
};
