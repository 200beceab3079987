/* gelu_grad: d times the slope of the exact GELU at h: Phi(h) + h phi(h). */
#include "../shared/elementwise.h"

static vf one(const vf *x, const void *params) { (void)params; return x[0] * v_gelu_slope(x[1]); }
static double exact(const double *x, const void *params) { (void)params; return x[0] * (0.5 * (1 + erf(x[1] / sqrt(2))) + x[1] * exp(-0.5 * x[1] * x[1]) / sqrt(2 * M_PI)); }

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)params;
    return bai_each_shape("gelu_grad", n_in, in, out, e);
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in;
    c->flops = 42 * (double)ba_type_count(&out[0]);
}

static void task(void *ctx, int64_t t, int worker) { (void)worker; bai_each_block(ctx, t, 2, one); }
static int cpu(const ba_kernel *k, ba_err *e) { (void)e; return bai_each_run(k, 2, task); }
static void reference(const ba_ref *r) { bai_each_reference(r, 2, exact); }
static int slice(const ba_slice_call *c, ba_err *e) { return bai_each_slice(c, "gelu_grad", 0, NULL, e); }

BA_OP(gelu_grad) = {
    .name = "gelu_grad", .doc = "gradient of gelu: d, h",
    .min_in = 2, .max_in = 2, .n_out = 1, .reuse = 3,
    .shape = shape, .cost = cost, .slice_outs = 1, .slice = slice, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 2, { 3, 5 }, 0, -1, 1 }, { BA_F32, 2, { 3, 5 }, 0, -4, 4 } } },
        { "", 2, { { BA_F32, 3, { 3, 41, 67 }, 0, -1, 1 }, { BA_F32, 3, { 3, 41, 67 }, 0, -4, 4 } } },
        { "", 2, { { BA_BF16, 2, { 9, 67 }, 0, -1, 1 }, { BA_BF16, 2, { 9, 67 }, 0, -4, 4 } } }),
    .tolerance = 1e-6,
};
