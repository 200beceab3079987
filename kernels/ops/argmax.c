/* argmax: where the largest number of the last axis stands, the first of equals; NaN counts as larger than all. y i32. */
#include "../shared/axes.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[96];
    (void)params, (void)n_in;
    if (in[0]->rank < 1 || !bai_is_real(in[0]) || ba_type_last(in[0]) > INT32_MAX)
        return ba_fail(e, BA_EARG, "argmax: x is %s; f32 or bf16 [..,N] expected", bai_text(in[0], t));
    *out = bai_like(in[0], BA_I32);
    out->dim[--out->rank] = 1;
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)out;
    c->flops = (double)ba_type_count(in[0]);
}

static void task(void *ctx, int64_t t, int worker)
{
    const ba_kernel *k = ctx;
    const ba_view *x = &k->in[0];
    int64_t n = ba_type_last(&x->type), rows = ba_type_count(&x->type) / n;
    (void)worker;
    for (int64_t r = t * BAI_ROWS; r < bai_min(rows, (t + 1) * BAI_ROWS); r++) {
        int32_t best = 0;
        float tmp, top = *bai_row(x, r * n, 1, &tmp);
        for (int64_t i = 1; i < n && top == top; i++) {
            float v = *bai_row(x, r * n + i, 1, &tmp);
            if (v > top || v != v) {
                top = v;
                best = (int32_t)i;
            }
        }
        ((int32_t *)k->out[0].data)[r] = best;
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    k->parallel(k, bai_ceil(ba_type_count(&k->out[0].type), BAI_ROWS), task, (void *)k);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    int64_t n = ba_type_last(&r->in_type[0]);
    for (int64_t i = 0; i < ba_type_count(&r->out_type[0]); i++) {
        int64_t best = 0;
        for (int64_t j = 1; j < n; j++)
            best = r->in[0][i * n + j] > r->in[0][i * n + best] ? j : best;
        r->out[0][i] = (double)best;
    }
}

BA_OP(argmax) = {
    .name = "argmax", .doc = "where the largest number of the last axis stands",
    .min_in = 1, .max_in = 1, .n_out = 1,
    .shape = shape, .cost = cost, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 1, { { BA_F32, 2, { 3, 5 }, 0, -1, 1 } } },
        { "", 1, { { BA_F32, 3, { 5, 9, 10 }, BA_FILL_INDEX, 0, 3 } } },
        { "", 1, { { BA_F32, 1, { 1 }, 0, -1, 1 } } },
        { "", 1, { { BA_BF16, 2, { 40, 100 }, 0, -1, 1 } } }),
    .tolerance = 0,
};
