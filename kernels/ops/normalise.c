/* normalise: rows of the last axis divided by their length: y = x / max(|x|, eps). Defined, and with a finite slope, at 0 too. */
#include "../shared/length.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)params;
    return bai_rows_shape("normalise", n_in, in, out, e);
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in;
    c->flops = 3 * (double)ba_type_count(&out[0]);
}

static void row(const ba_kernel *k, int64_t n, const float *const *x, float *y)
{
    const length_params *p = k->params;
    double length = sqrt(bai_dot(x[0], x[0], n));
    float by = (float)(1 / fmax(length, p->eps));
    for (int64_t i = 0; i < n; i++)
        y[i] = x[0][i] * by;
    if (length != length)
        y[0] = (float)length; /* fmax drops a NaN; it has to show */
}

static int cpu(const ba_kernel *k, ba_err *e) { (void)e; return bai_rows(k, 1, row); }

static void reference(const ba_ref *r)
{
    const length_params *p = r->params;
    int64_t n = ba_type_last(&r->in_type[0]);
    for (int64_t i = 0; i < ba_type_count(&r->in_type[0]); i++) {
        double s = 0;
        for (int64_t j = i - i % n; j < i - i % n + n; j++)
            s += r->in[0][j] * r->in[0][j];
        r->out[0][i] = r->in[0][i] / fmax(sqrt(s), p->eps);
    }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    const length_params *p = c->params;
    c->din[0] = bai_op2(c->g, "normalise_grad", c->dout[0], c->in[0], BA_ATTRS(BA_F("eps", p->eps)), e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(normalise) = {
    .name = "normalise", .doc = "rows of the last axis divided by their length",
    .min_in = 1, .max_in = 1, .n_out = 1, .reuse = 1,
    BAI_LENGTH_PARAMS,
    .shape = shape, .cost = cost, .scratch = bai_rows_scratch, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 1, { { BA_F32, 2, { 3, 5 }, 0, -3, 3 } } },
        { "eps=10", 1, { { BA_F32, 2, { 4, 9 }, 0, -1, 1 } } },
        { "", 1, { { BA_F32, 3, { 2, 40, 197 }, 0, -2, 2 } }, .fixed = 1 },
        { "", 1, { { BA_BF16, 2, { 40, 100 }, 0, -3, 3 } } }),
    .tolerance = 1e-6,
};
