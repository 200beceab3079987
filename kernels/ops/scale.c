/* scale: y = x * by + plus. */
#include "../shared/elementwise.h"

typedef struct scale_params { double by, plus; } scale_params;

static vf one(const vf *x, const void *params)
{
    const scale_params *p = params;
    return x[0] * (float)p->by + (float)p->plus;
}
static double exact(const double *x, const void *params)
{
    const scale_params *p = params;
    return x[0] * (double)(float)p->by + (double)(float)p->plus;
}

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)params;
    return bai_each_shape("scale", n_in, in, out, e);
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in;
    c->flops = 2 * (double)ba_type_count(&out[0]);
}

static void task(void *ctx, int64_t t, int worker) { (void)worker; bai_each_block(ctx, t, 1, one); }
static int cpu(const ba_kernel *k, ba_err *e) { (void)e; return bai_each_run(k, 1, task); }
static void reference(const ba_ref *r) { bai_each_reference(r, 1, exact); }

static int slice(const ba_slice_call *c, ba_err *e)
{
    const scale_params *p = c->params;
    return bai_each_slice(c, "scale", BA_ATTRS(BA_F("by", p->by), BA_F("plus", p->plus)), e);
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    const scale_params *p = c->params;
    c->din[0] = bai_op1(c->g, "scale", c->dout[0], BA_ATTRS(BA_F("by", p->by)), e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(scale) = {
    .name = "scale", .doc = "x times a number, plus a number",
    .min_in = 1, .max_in = 1, .n_out = 1, .reuse = 1,
    BA_PARAMS(scale_params,
        BA_FLOAT(scale_params, by, 1, -1e38, 1e38, NULL, "factor"),
        BA_FLOAT(scale_params, plus, 0, -1e38, 1e38, NULL, "added afterwards")),
    .shape = shape, .cost = cost, .grad = grad, .slice_outs = 1, .slice = slice, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "by=-0.5,plus=1.25", 1, { { BA_F32, 2, { 3, 5 }, 0, -2, 2 } } },
        { "by=3", 1, { { BA_F32, 0, { 0 }, 0, -2, 2 } } },
        { "plus=-1", 1, { { BA_F32, 3, { 3, 41, 67 }, 0, -2, 2 } } },
        { "by=1.5", 1, { { BA_BF16, 2, { 9, 67 }, 0, -2, 2 } } }),
    .tolerance = 3e-7,
};
