/* div: a / b; shapes repeat as numpy's do. da = d / b, db = -d y / b. */
#include "../shared/elementwise.h"

static vf one(const vf *x, const void *params) { (void)params; return x[0] / x[1]; }
static double exact(const double *x, const void *params) { (void)params; return x[0] / x[1]; }

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)params;
    return bai_each_shape("div", n_in, in, out, e);
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in;
    c->flops = 4 * (double)ba_type_count(&out[0]);
}

static void task(void *ctx, int64_t t, int worker) { (void)worker; bai_each_block(ctx, t, 2, one); }
static int cpu(const ba_kernel *k, ba_err *e) { (void)e; return bai_each_run(k, 2, task); }
static void reference(const ba_ref *r) { bai_each_reference(r, 2, exact); }
static int slice(const ba_slice_call *c, ba_err *e) { return bai_each_slice(c, "div", 0, NULL, e); }

static int grad(const ba_grad_call *c, ba_err *e)
{
    ba_tensor *da = bai_op2(c->g, "div", c->dout[0], c->in[1], 0, NULL, e);
    if (c->want[0] && !(c->din[0] = bai_back_to(c->g, da, c->in[0], e)))
        return BA_EBUG;
    if (!c->want[1])
        return BA_OK;
    ba_tensor *down = bai_op1(c->g, "neg", bai_op2(c->g, "mul", da, c->out[0], 0, NULL, e), 0, NULL, e);
    c->din[1] = bai_back_to(c->g, down, c->in[1], e);
    return c->din[1] ? BA_OK : BA_EBUG;
}

BA_OP(div) = {
    .name = "div", .doc = "a / b",
    .min_in = 2, .max_in = 2, .n_out = 1, .reuse = 3,
    .shape = shape, .cost = cost, .grad = grad, .slice_outs = 1, .slice = slice, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 2, { 3, 5 }, 0, -1, 1 }, { BA_F32, 2, { 3, 5 }, 0, 0.5, 2 } } },
        { "", 2, { { BA_F32, 3, { 2, 3, 5 }, 0, -1, 1 }, { BA_F32, 1, { 5 }, 0, 0.5, 2 } } },
        { "", 2, { { BA_F32, 0, { 0 }, 0, -1, 1 }, { BA_F32, 2, { 1, 7 }, 0, 0.5, 2 } } },
        { "", 2, { { BA_F32, 5, { 2, 1, 3, 1, 2 }, 0, -1, 1 }, { BA_F32, 4, { 4, 1, 3, 1 }, 0, 0.5, 2 } } },
        { "", 2, { { BA_F32, 3, { 3, 40, 67 }, 0, -1, 1 }, { BA_F32, 3, { 3, 40, 1 }, 0, 0.5, 2 } } },
        { "", 2, { { BA_BF16, 3, { 3, 9, 67 }, 0, -1, 1 }, { BA_BF16, 2, { 9, 67 }, 0, 0.5, 2 } } },
        { "", 2, { { BA_BF16, 2, { 9, 30 }, 0, -1, 1 }, { BA_F32, 2, { 9, 1 }, 0, 0.5, 2 } } }),
    .tolerance = 3e-7,
};
