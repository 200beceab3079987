/* scale_rows: multiplies everything of sample b by s[b]. x [B,..], s f32 [B]. */
#include "../shared/kernel.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    (void)params, (void)n_in;
    if (in[0]->rank < 1 || !bai_is_real(in[0]) || in[1]->dtype != BA_F32 || in[1]->rank != 1 || in[1]->dim[0] != in[0]->dim[0])
        return ba_fail(e, BA_EARG, "scale_rows: x is %s, s %s; f32 [B] expected", bai_text(in[0], t[0]), bai_text(in[1], t[1]));
    out[0] = *in[0];
    return BA_OK;
}

static void task(void *ctx, int64_t t, int worker)
{
    const ba_kernel *k = ctx;
    (void)worker;
    int64_t all = ba_type_count(&k->in[0].type), per = all / k->in[0].type.dim[0];
    float tmp[256], out[256];
    for (int64_t at = t * BAI_BLOCK, end = bai_min(all, at + BAI_BLOCK); at < end;) {
        int64_t n = bai_min(256, bai_min(end - at, per - at % per));
        const float *x = bai_row(&k->in[0], at, n, tmp), s = ((const float *)k->in[1].data)[at / per];
        float *o = bai_row_out(&k->out[0], at, out);
        for (int64_t i = 0; i < n; i++)
            o[i] = x[i] * s;
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
        r->out[0][i] = r->in[0][i] * r->in[1][i / per];
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    if (c->want[1])
        return ba_fail(e, BA_EARG, "scale_rows: no gradient for the factors");
    c->din[0] = bai_op2(c->g, "scale_rows", c->dout[0], c->in[1], 0, NULL, e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(scale_rows) = {
    .name = "scale_rows", .doc = "multiplies each sample by its own factor",
    .min_in = 2, .max_in = 2, .n_out = 1, .reuse = 1,
    .shape = shape, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 3, { 3, 5, 7 }, 0, -1, 1 }, { BA_F32, 1, { 3 }, 0, 0, 2 } }, .fixed = 2 },
        { "", 2, { { BA_F32, 2, { 9, 700 }, 0, -1, 1 }, { BA_F32, 1, { 9 }, 0, 0, 2 } }, .fixed = 2 },
        { "", 2, { { BA_BF16, 2, { 3, 7 }, 0, -1, 1 }, { BA_F32, 1, { 3 }, 0, 0, 2 } }, .fixed = 3 }),
    .tolerance = 1e-6,
};
