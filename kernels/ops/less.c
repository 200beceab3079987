/* less: 1 where a < b, else 0 (also where either is NaN), as f32. */
#include "../shared/elementwise.h"

static vf one(const vf *x, const void *params) { (void)params; return v_select(x[0] < x[1], v_set(1), v_set(0)); }
static double exact(const double *x, const void *params) { (void)params; return x[0] < x[1] ? 1 : 0; }

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)params;
    int r = bai_each_shape("less", n_in, in, out, e);
    out->dtype = BA_F32;
    return r;
}

static void task(void *ctx, int64_t t, int worker) { (void)worker; bai_each_block(ctx, t, 2, one); }
static int cpu(const ba_kernel *k, ba_err *e) { (void)e; return bai_each_run(k, 2, task); }
static void reference(const ba_ref *r) { bai_each_reference(r, 2, exact); }
static int slice(const ba_slice_call *c, ba_err *e) { return bai_each_slice(c, "less", 0, NULL, e); }

BA_OP(less) = {
    .name = "less", .doc = "1 where a < b, else 0",
    .min_in = 2, .max_in = 2, .n_out = 1, .reuse = 3,
    .shape = shape, .slice_outs = 1, .slice = slice, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 2, { 3, 5 }, 0, -1, 1 }, { BA_F32, 2, { 3, 5 }, 0, -1, 1 } } },
        { "", 2, { { BA_F32, 2, { 30, 50 }, BA_FILL_INDEX, 0, 3 }, { BA_F32, 1, { 50 }, BA_FILL_INDEX, 0, 3 } } },
        { "", 2, { { BA_F32, 0, { 0 }, 0, -1, 1 }, { BA_F32, 3, { 2, 60, 70 }, 0, -1, 1 } } },
        { "", 2, { { BA_BF16, 2, { 9, 30 }, 0, -1, 1 }, { BA_F32, 2, { 9, 1 }, 0, -1, 1 } } }),
    .tolerance = 0,
};
