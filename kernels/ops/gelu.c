/* gelu: y = x Phi(x), Phi the normal distribution function (the exact form, not the tanh one). */
#include "../shared/elementwise.h"

static vf one(const vf *x, const void *params) { (void)params; return v_gelu(x[0]); }
static double exact(const double *x, const void *params) { (void)params; return 0.5 * x[0] * (1 + erf(x[0] / sqrt(2))); }

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)params;
    return bai_each_shape("gelu", n_in, in, out, e);
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in;
    c->flops = 40 * (double)ba_type_count(&out[0]);
}

static void task(void *ctx, int64_t t, int worker) { (void)worker; bai_each_block(ctx, t, 1, one); }
static int cpu(const ba_kernel *k, ba_err *e) { (void)e; return bai_each_run(k, 1, task); }
static void reference(const ba_ref *r) { bai_each_reference(r, 1, exact); }
static int slice(const ba_slice_call *c, ba_err *e) { return bai_each_slice(c, "gelu", 0, NULL, e); }

static int grad(const ba_grad_call *c, ba_err *e)
{
    c->din[0] = bai_op2(c->g, "gelu_grad", c->dout[0], c->in[0], 0, NULL, e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(gelu) = {
    .name = "gelu", .doc = "exact (erf) GELU of x",
    .min_in = 1, .max_in = 1, .n_out = 1, .reuse = 1,
    .shape = shape, .cost = cost, .grad = grad, .slice_outs = 1, .slice = slice, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 1, { { BA_F32, 2, { 3, 5 }, 0, -4, 4 } } },
        { "", 1, { { BA_F32, 0, { 0 }, 0, -4, 4 } } },
        { "", 1, { { BA_F32, 3, { 3, 41, 67 }, 0, -4, 4 } } },
        { "", 1, { { BA_BF16, 3, { 3, 9, 67 }, 0, -4, 4 } } }),
    .tolerance = 1e-6,
};
