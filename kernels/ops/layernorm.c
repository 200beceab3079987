/* layernorm: y = (x - mean) rstd w + b over the last axis. x [..,D], w, b f32 [D]; out1: mean and rstd of each row. */
#include "../shared/norm.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)params, (void)n_in;
    if (bai_norm_judge("layernorm", in[0], in[1], in[2], e))
        return BA_EARG;
    out[0] = *in[0];
    out[1] = bai_norm_stats(in[0]);
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in;
    c->norm = (double)ba_type_count(&out[0]);
    c->flops = 8 * c->norm;
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)out;
    return (size_t)(workers * 2 * bai_round64(ba_type_last(in[0]) * 4));
}

static void task(void *ctx, int64_t t, int worker)
{
    const ba_kernel *k = ctx;
    const norm_params *p = k->params;
    int64_t rows = ba_type_rows(&k->in[0].type), n = ba_type_last(&k->in[0].type);
    float *tmp = (float *)((char *)k->scratch + worker * 2 * bai_round64(n * 4)), *out = tmp + bai_round64(n * 4) / 4, own[2];
    for (int64_t r = t * BAI_ROWS; r < bai_min(rows, (t + 1) * BAI_ROWS); r++) {
        const float *x = bai_row(&k->in[0], r * n, n, tmp);
        float *y = k->out[0].data ? bai_row_out(&k->out[0], r * n, out) : NULL;
        bai_norm_row(x, n, k->in[1].data, k->in[2].data, p->eps, y, k->out[1].data ? (float *)k->out[1].data + 2 * r : own);
        if (y)
            bai_row_done(&k->out[0], r * n, n, y);
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    k->parallel(k, bai_ceil(ba_type_rows(&k->in[0].type), BAI_ROWS), task, (void *)k);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const norm_params *p = r->params;
    int64_t rows = ba_type_rows(&r->in_type[0]), n = ba_type_last(&r->in_type[0]);
    for (int64_t i = 0; i < rows; i++)
        bai_norm_reference(r->in[0] + i * n, n, r->in[1], r->in[2], p->eps, r->out[0] + i * n, r->out[1] + 2 * i);
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    if (!c->dout[0])
        return BA_OK;
    ba_tensor *in[] = { c->dout[0], c->in[0], c->out[1], c->in[1] };
    ba_tensor *dx = ba_op_apply(c->g, "layernorm_grad", 4, in, 0, NULL, e);
    for (int i = 0; dx && i < 3; i++)
        c->din[i] = ba_output_of(dx, i, e);
    return dx ? BA_OK : BA_EBUG;
}

static int slice(const ba_slice_call *c, ba_err *e)
{
    const norm_params *p = c->params;
    ba_type x;
    if (ba_tensor_type(c->in[0], &x, e))
        return BA_EBUG;
    if (c->axis == x.rank - 1)
        return 1;
    const ba_attr cut[] = { BA_I("axis", c->axis), BA_I("from", c->from), BA_I("to", c->to) };
    ba_tensor *in[] = { bai_op1(c->g, "slice", c->in[0], 3, cut, e), c->in[1], c->in[2] };
    c->sliced[0] = in[0] ? ba_op_apply(c->g, "layernorm", 3, in, BA_ATTRS(BA_F("eps", p->eps)), e) : NULL;
    return c->sliced[0] ? BA_OK : BA_EBUG;
}

BA_OP(layernorm) = {
    .name = "layernorm", .doc = "layer normalisation over the last axis, with weight and bias",
    .min_in = 3, .max_in = 3, .n_out = 2, .reuse = 1,
    BA_PARAMS(norm_params, BA_FLOAT(norm_params, eps, 1e-6, 0, 1, NULL, "added to the variance")),
    .shape = shape, .cost = cost, .scratch = scratch, .grad = grad, .slice_outs = 1, .slice = slice, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 3, { { BA_F32, 2, { 5, 24 }, 0, -2, 3 }, { BA_F32, 1, { 24 }, 0, .5, 1.5 }, { BA_F32, 1, { 24 }, 0, -1, 1 } } },
        { "eps=1e-5", 3, { { BA_F32, 3, { 2, 19, 37 }, 0, -2, 3 }, { BA_F32, 1, { 37 }, 0, .5, 1.5 }, { BA_F32, 1, { 37 }, 0, -1, 1 } } },
        { "", 3, { { BA_BF16, 2, { 5, 24 }, 0, -2, 3 }, { BA_F32, 1, { 24 }, 0, .5, 1.5 }, { BA_F32, 1, { 24 }, 0, -1, 1 } }, .fixed = 7 }),
    .tolerance = 3e-6,
};
