/* add_layernorm: a residual branch joins and the sum is normalised, in one pass over memory.
 * x, branch [B,..,D], w, b f32 [D], scale f32 [B] (optional: stochastic depth): out0 = x + scale*branch, out1 = LayerNorm(out0),
 * out2: mean and rstd of each row. */
#include "../shared/norm.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    (void)params;
    if (bai_norm_judge("add_layernorm", in[0], in[2], in[3], e))
        return BA_EARG;
    if (!bai_same_dims(in[0], in[1]) || in[0]->dtype != in[1]->dtype)
        return ba_fail(e, BA_EARG, "add_layernorm: x is %s, the branch %s; equal types expected", bai_text(in[0], t[0]), bai_text(in[1], t[1]));
    if (n_in > 4 && in[4] && (in[4]->dtype != BA_F32 || in[4]->rank != 1 || in[4]->dim[0] != in[0]->dim[0]))
        return ba_fail(e, BA_EARG, "add_layernorm: scale is %s; f32[%lld] expected", bai_text(in[4], t[0]), (long long)in[0]->dim[0]);
    out[0] = out[1] = *in[0];
    out[2] = bai_norm_stats(in[0]);
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in;
    c->norm = (double)ba_type_count(&out[0]);
    c->flops = 10 * c->norm;
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)out;
    return (size_t)(workers * 4 * bai_round64(ba_type_last(in[0]) * 4));
}

static void one_row(const ba_kernel *k, int64_t r, int64_t n, float factor, float *tmp)
{
    const norm_params *p = k->params;
    int64_t room = bai_round64(n * 4) / 4;
    const float *x = bai_row(&k->in[0], r * n, n, tmp), *a = bai_row(&k->in[1], r * n, n, tmp + room);
    float *sum = k->out[0].data ? bai_row_out(&k->out[0], r * n, tmp + 2 * room) : tmp + 2 * room;
    float *y = k->out[1].data ? bai_row_out(&k->out[1], r * n, tmp + 3 * room) : NULL, own[2];
    for (int64_t i = 0; i < n; i += VL) {
        int64_t m = bai_min(VL, n - i);
        v_store_part(sum + i, v_load_part(x + i, m) + factor * v_load_part(a + i, m), m);
    }
    if (k->out[0].data)
        bai_row_done(&k->out[0], r * n, n, sum);
    bai_norm_row(sum, n, k->in[2].data, k->in[3].data, p->eps, y, k->out[2].data ? (float *)k->out[2].data + 2 * r : own);
    if (y)
        bai_row_done(&k->out[1], r * n, n, y);
}

static void task(void *ctx, int64_t t, int worker)
{
    const ba_kernel *k = ctx;
    int64_t rows = ba_type_rows(&k->in[0].type), n = ba_type_last(&k->in[0].type), per = rows / k->in[0].type.dim[0];
    const float *scale = k->n_in > 4 ? k->in[4].data : NULL;
    float *tmp = (float *)((char *)k->scratch + worker * 4 * bai_round64(n * 4));
    for (int64_t r = t * BAI_ROWS; r < bai_min(rows, (t + 1) * BAI_ROWS); r++)
        one_row(k, r, n, scale ? scale[k->in[0].type.rank > 1 ? r / per : 0] : 1.0f, tmp);
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
    int64_t rows = ba_type_rows(&r->in_type[0]), n = ba_type_last(&r->in_type[0]), per = rows / r->in_type[0].dim[0];
    for (int64_t i = 0; i < rows; i++) {
        double f = r->n_in > 4 && r->in[4] ? r->in[4][i / per] : 1;
        for (int64_t j = 0; j < n; j++)
            r->out[0][i * n + j] = r->in[0][i * n + j] + f * r->in[1][i * n + j];
        bai_norm_reference(r->out[0] + i * n, n, r->in[2], r->in[3], p->eps, r->out[1] + i * n, r->out[2] + 2 * i);
    }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    ba_tensor *d = c->dout[0];
    if (c->dout[1]) {
        ba_tensor *in[] = { c->dout[1], c->out[0], c->out[2], c->in[2], c->dout[0] };
        if (!(d = ba_op_apply(c->g, "layernorm_grad", 5, in, 0, NULL, e)))
            return BA_EBUG;
        c->din[2] = ba_output_of(d, 1, e);
        c->din[3] = ba_output_of(d, 2, e);
    }
    if (!d)
        return BA_OK;
    c->din[0] = c->din[1] = d;
    if (c->n_in > 4 && c->in[4] && c->want[1])
        c->din[1] = bai_op2(c->g, "scale_rows", d, c->in[4], 0, NULL, e);
    return c->din[1] ? BA_OK : BA_EBUG;
}

static int slice(const ba_slice_call *c, ba_err *e)
{
    const norm_params *p = c->params;
    ba_type x;
    if (ba_tensor_type(c->in[0], &x, e))
        return BA_EBUG;
    if (c->axis == x.rank - 1 || c->axis == 0)
        return 1;
    const ba_attr cut[] = { BA_I("axis", c->axis), BA_I("from", c->from), BA_I("to", c->to) };
    ba_tensor *in[5] = { bai_op1(c->g, "slice", c->in[0], 3, cut, e), bai_op1(c->g, "slice", c->in[1], 3, cut, e), c->in[2], c->in[3],
                         c->n_in > 4 ? c->in[4] : NULL };
    ba_tensor *y = in[0] && in[1] ? ba_op_apply(c->g, "add_layernorm", c->n_in, in, BA_ATTRS(BA_F("eps", p->eps)), e) : NULL;
    c->sliced[0] = y;
    c->sliced[1] = y ? ba_output_of(y, 1, e) : NULL;
    return y ? BA_OK : BA_EBUG;
}

BA_OP(add_layernorm) = {
    .name = "add_layernorm", .doc = "x + scale * branch, and its layer normalisation",
    .min_in = 4, .max_in = 5, .n_out = 3, .reuse = 3,
    BA_PARAMS(norm_params, BA_FLOAT(norm_params, eps, 1e-6, 0, 1, NULL, "added to the variance")),
    .shape = shape, .cost = cost, .scratch = scratch, .grad = grad, .slice_outs = 3, .slice = slice, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 4, { { BA_F32, 3, { 2, 5, 24 }, 0, -2, 3 }, { BA_F32, 3, { 2, 5, 24 }, 0, -2, 3 }, { BA_F32, 1, { 24 }, 0, .5, 1.5 }, { BA_F32, 1, { 24 }, 0, -1, 1 } } },
        { "", 5, { { BA_F32, 3, { 3, 7, 21 }, 0, -2, 3 }, { BA_F32, 3, { 3, 7, 21 }, 0, -2, 3 }, { BA_F32, 1, { 21 }, 0, .5, 1.5 }, { BA_F32, 1, { 21 }, 0, -1, 1 },
          { BA_F32, 1, { 3 }, 0, 0, 2 } }, .fixed = 16 },
        { "", 4, { { BA_BF16, 3, { 2, 5, 24 }, 0, -2, 3 }, { BA_BF16, 3, { 2, 5, 24 }, 0, -2, 3 }, { BA_F32, 1, { 24 }, 0, .5, 1.5 }, { BA_F32, 1, { 24 }, 0, -1, 1 } }, .fixed = 15 }),
    .tolerance = 3e-6,
};
