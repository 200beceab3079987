/* cast: the same numbers as another element type: from any type to f32 or bf16 (rounded to nearest even).
 * The gradient goes back as the input's type. */
#include "../shared/elementwise.h"

typedef struct cast_params { int64_t dtype; } cast_params;

static const char *const types[] = { "f32", "bf16", NULL };

static vf one(const vf *x, const void *params) { (void)params; return x[0]; }
static double exact(const double *x, const void *params) { (void)params; return x[0]; }

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const cast_params *p = params;
    (void)n_in, (void)e;
    *out = bai_like(in[0], p->dtype ? BA_BF16 : BA_F32);
    return BA_OK;
}

static void task(void *ctx, int64_t t, int worker) { (void)worker; bai_each_block(ctx, t, 1, one); }
static int cpu(const ba_kernel *k, ba_err *e) { (void)e; return bai_each_run(k, 1, task); }
static void reference(const ba_ref *r) { bai_each_reference(r, 1, exact); }

static int grad(const ba_grad_call *c, ba_err *e)
{
    c->din[0] = bai_back_to(c->g, c->dout[0], c->in[0], e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

static int slice(const ba_slice_call *c, ba_err *e)
{
    const cast_params *p = c->params;
    return bai_each_slice(c, "cast", BA_ATTRS(BA_S("dtype", types[p->dtype])), e);
}

BA_OP(cast) = {
    .name = "cast", .doc = "the same numbers as another element type",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(cast_params, BA_CHOICE(cast_params, dtype, 0, types, "element type wanted")),
    .shape = shape, .grad = grad, .slice_outs = 1, .slice = slice, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "dtype=bf16", 1, { { BA_F32, 2, { 70, 90 }, 0, -2, 2 } } },
        { "dtype=f32", 1, { { BA_BF16, 2, { 70, 90 }, 0, -2, 2 } } },
        { "dtype=f32", 1, { { BA_F32, 1, { 7 }, 0, -2, 2 } } },
        { "dtype=f32", 1, { { BA_I32, 2, { 7, 9 }, BA_FILL_INDEX, -100, 100 } } },
        { "dtype=bf16", 1, { { BA_U8, 1, { 700 }, BA_FILL_INDEX, 0, 256 } } }),
    .tolerance = 0,
};
