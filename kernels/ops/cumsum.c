/* cumsum: running sums along the last axis, from the first on or, reversed, from the last. */
#include "../shared/rows.h"

typedef struct cumsum_params { int64_t reverse; } cumsum_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)params;
    return bai_rows_shape("cumsum", n_in, in, out, e);
}

static void row(const ba_kernel *k, int64_t n, const float *const *x, float *y)
{
    const cumsum_params *p = k->params;
    double s = 0; /* rows are long and the last sum decides */
    for (int64_t i = 0; i < n; i++) {
        int64_t at = p->reverse ? n - 1 - i : i;
        s += x[0][at];
        y[at] = (float)s;
    }
}

static int cpu(const ba_kernel *k, ba_err *e) { (void)e; return bai_rows(k, 1, row); }

static void reference(const ba_ref *r)
{
    const cumsum_params *p = r->params;
    int64_t n = ba_type_last(&r->in_type[0]);
    for (int64_t i = 0; i < ba_type_count(&r->in_type[0]); i++) {
        r->out[0][i] = 0;
        for (int64_t j = p->reverse ? i : i - i % n; p->reverse ? j < i - i % n + n : j <= i; j++)
            r->out[0][i] += r->in[0][j];
    }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    const cumsum_params *p = c->params;
    c->din[0] = bai_op1(c->g, "cumsum", c->dout[0], BA_ATTRS(BA_I("reverse", !p->reverse)), e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(cumsum) = {
    .name = "cumsum", .doc = "running sums along the last axis",
    .min_in = 1, .max_in = 1, .n_out = 1, .reuse = 1,
    BA_PARAMS(cumsum_params, BA_FLAG(cumsum_params, reverse, 0, "from the last element on")),
    .shape = shape, .scratch = bai_rows_scratch, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 1, { { BA_F32, 2, { 3, 5 }, 0, -1, 1 } } },
        { "reverse=1", 1, { { BA_F32, 3, { 2, 40, 19 }, 0, -1, 1 } } },
        { "", 1, { { BA_BF16, 2, { 4, 10 }, 0, -1, 1 } } }),
    .tolerance = 1e-6,
};
