/* mul: a b, element by element; shapes repeat as numpy's do. */
#include "../shared/elementwise.h"

static vf one(const vf *x, const void *params) { (void)params; return x[0] * x[1]; }
static double exact(const double *x, const void *params) { (void)params; return x[0] * x[1]; }

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)params;
    return bai_each_shape("mul", n_in, in, out, e);
}

static void task(void *ctx, int64_t t, int worker) { (void)worker; bai_each_block(ctx, t, 2, one); }
static int cpu(const ba_kernel *k, ba_err *e) { (void)e; return bai_each_run(k, 2, task); }
static void reference(const ba_ref *r) { bai_each_reference(r, 2, exact); }
static int slice(const ba_slice_call *c, ba_err *e) { return bai_each_slice(c, "mul", 0, NULL, e); }

static int grad(const ba_grad_call *c, ba_err *e)
{
    if (c->want[0] && !(c->din[0] = bai_back_to(c->g, bai_op2(c->g, "mul", c->dout[0], c->in[1], 0, NULL, e), c->in[0], e)))
        return BA_EBUG;
    if (c->want[1] && !(c->din[1] = bai_back_to(c->g, bai_op2(c->g, "mul", c->dout[0], c->in[0], 0, NULL, e), c->in[1], e)))
        return BA_EBUG;
    return BA_OK;
}

BA_OP(mul) = {
    .name = "mul", .doc = "a times b, element by element",
    .min_in = 2, .max_in = 2, .n_out = 1, .reuse = 3,
    .shape = shape, .grad = grad, .slice_outs = 1, .slice = slice, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 2, { 3, 5 }, 0, -1, 1 }, { BA_F32, 2, { 3, 5 }, 0, -1, 1 } } },
        { "", 2, { { BA_F32, 3, { 2, 3, 5 }, 0, -1, 1 }, { BA_F32, 1, { 5 }, 0, -1, 1 } } },
        { "", 2, { { BA_F32, 0, { 0 }, 0, -1, 1 }, { BA_F32, 2, { 1, 7 }, 0, -1, 1 } } },
        { "", 2, { { BA_F32, 5, { 2, 1, 3, 1, 2 }, 0, -1, 1 }, { BA_F32, 4, { 4, 1, 3, 1 }, 0, -1, 1 } } },
        { "", 2, { { BA_F32, 3, { 3, 40, 67 }, 0, -1, 1 }, { BA_F32, 3, { 3, 40, 1 }, 0, -1, 1 } } },
        { "", 2, { { BA_BF16, 3, { 3, 9, 67 }, 0, -1, 1 }, { BA_BF16, 2, { 9, 67 }, 0, -1, 1 } } },
        { "", 2, { { BA_BF16, 2, { 9, 30 }, 0, -1, 1 }, { BA_F32, 2, { 9, 1 }, 0, -1, 1 } } }),
    .tolerance = 2e-7,
};
