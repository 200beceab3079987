/* maximum: the larger of a and b; NaN when either is. Equal values share the gradient half and half. */
#include "../shared/elementwise.h"
#include "../shared/vmath.h"

static vf one(const vf *x, const void *params) { (void)params; return v_maximum(x[0], x[1]); }
static double exact(const double *x, const void *params) { (void)params; return x[0] > x[1] ? x[0] : x[1]; }

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)params;
    return bai_each_shape("maximum", n_in, in, out, e);
}

static void task(void *ctx, int64_t t, int worker) { (void)worker; bai_each_block(ctx, t, 2, one); }
static int cpu(const ba_kernel *k, ba_err *e) { (void)e; return bai_each_run(k, 2, task); }
static void reference(const ba_ref *r) { bai_each_reference(r, 2, exact); }
static int slice(const ba_slice_call *c, ba_err *e) { return bai_each_slice(c, "maximum", 0, NULL, e); }

static int grad(const ba_grad_call *c, ba_err *e) { return bai_each_pick(c, 0, 1, e); }

BA_OP(maximum) = {
    .name = "maximum", .doc = "the larger of a and b",
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
    .tolerance = 0,
};
