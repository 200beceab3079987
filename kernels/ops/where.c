/* where: a where c is not 0, else b. c of any element type; the three shapes repeat as numpy's do.
 * What is not taken has no influence: a NaN there neither shows nor gets a gradient. */
#include "../shared/elementwise.h"

static vf one(const vf *x, const void *params) { (void)params; return v_select(x[0] != 0, x[1], x[2]); }
static double exact(const double *x, const void *params) { (void)params; return x[0] != 0 ? x[1] : x[2]; }

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)params;
    ba_type values;
    if (bai_each_shape("where", n_in - 1, in + 1, &values, e) || bai_broadcast("where", n_in, in, out, e))
        return BA_EARG;
    out->dtype = values.dtype;
    return BA_OK;
}

static void task(void *ctx, int64_t t, int worker) { (void)worker; bai_each_block(ctx, t, 3, one); }
static int cpu(const ba_kernel *k, ba_err *e) { (void)e; return bai_each_run(k, 3, task); }
static void reference(const ba_ref *r) { bai_each_reference(r, 3, exact); }
static int slice(const ba_slice_call *c, ba_err *e) { return bai_each_slice(c, "where", 0, NULL, e); }

static int grad(const ba_grad_call *c, ba_err *e)
{
    ba_tensor *zero = ba_scalar(c->g, 0, e);
    for (int i = 1; i < 3; i++) {
        ba_tensor *in[3] = { c->in[0], i == 1 ? c->dout[0] : zero, i == 1 ? zero : c->dout[0] };
        if (!zero || (c->want[i] && !(c->din[i] = bai_back_to(c->g, ba_op_apply(c->g, "where", 3, in, 0, NULL, e), c->in[i], e))))
            return BA_EBUG;
    }
    return BA_OK;
}

BA_OP(where) = {
    .name = "where", .doc = "a where c is not 0, else b",
    .min_in = 3, .max_in = 3, .n_out = 1, .reuse = 6,
    .shape = shape, .grad = grad, .slice_outs = 1, .slice = slice, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 3, { { BA_F32, 2, { 3, 5 }, BA_FILL_INDEX, 0, 2 }, { BA_F32, 2, { 3, 5 }, 0, -1, 1 }, { BA_F32, 2, { 3, 5 }, 0, -1, 1 } }, .fixed = 1 },
        { "", 3, { { BA_U8, 2, { 40, 1 }, BA_FILL_INDEX, 0, 2 }, { BA_F32, 2, { 40, 130 }, 0, -1, 1 }, { BA_F32, 0, { 0 }, 0, -1, 1 } } },
        { "", 3, { { BA_I32, 2, { 2, 7 }, BA_FILL_INDEX, -1, 2 }, { BA_F32, 1, { 7 }, 0, -1, 1 }, { BA_F32, 3, { 3, 1, 7 }, 0, -1, 1 } } },
        { "", 3, { { BA_F32, 2, { 9, 30 }, BA_FILL_INDEX, 0, 2 }, { BA_BF16, 2, { 9, 30 }, 0, -1, 1 }, { BA_BF16, 1, { 30 }, 0, -1, 1 } }, .fixed = 1 }),
    .tolerance = 0,
};
