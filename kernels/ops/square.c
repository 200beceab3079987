/* square: y = x x. */
#include "../shared/elementwise.h"

static vf one(const vf *x, const void *params) { (void)params; return x[0] * x[0]; }
static double exact(const double *x, const void *params) { (void)params; return x[0] * x[0]; }

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)params;
    return bai_each_shape("square", n_in, in, out, e);
}

static void task(void *ctx, int64_t t, int worker) { (void)worker; bai_each_block(ctx, t, 1, one); }
static int cpu(const ba_kernel *k, ba_err *e) { (void)e; return bai_each_run(k, 1, task); }
static void reference(const ba_ref *r) { bai_each_reference(r, 1, exact); }
static int slice(const ba_slice_call *c, ba_err *e) { return bai_each_slice(c, "square", 0, NULL, e); }

static int grad(const ba_grad_call *c, ba_err *e)
{
    ba_tensor *d = c->dout[0], *x = c->in[0];
    ba_tensor *twice = bai_op1(c->g, "scale", d, BA_ATTRS(BA_F("by", 2)), e);
    c->din[0] = bai_op2(c->g, "mul", twice, x, 0, NULL, e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(square) = {
    .name = "square", .doc = "x squared",
    .min_in = 1, .max_in = 1, .n_out = 1, .reuse = 1,
    .shape = shape, .grad = grad, .slice_outs = 1, .slice = slice, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 1, { { BA_F32, 2, { 3, 5 }, 0, -2, 2 } } },
        { "", 1, { { BA_F32, 0, { 0 }, 0, -2, 2 } } },
        { "", 1, { { BA_F32, 3, { 3, 41, 67 }, 0, -2, 2 } } },
        { "", 1, { { BA_BF16, 3, { 3, 9, 67 }, 0, -2, 2 } } }),
    .tolerance = 2e-7,
};
