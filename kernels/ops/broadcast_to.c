/* broadcast_to: x repeated along axes until it has the given shape, as numpy does; reduce_to's gradient. */
#include "../shared/elementwise.h"

typedef struct to_params { const char *shape; } to_params;

static vf one(const vf *x, const void *params) { (void)params; return x[0]; }
static double exact(const double *x, const void *params) { (void)params; return x[0]; }

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    ba_type to, both;
    (void)n_in;
    if (!bai_is_real(in[0]))
        return ba_fail(e, BA_EARG, "broadcast_to: x is %s; f32 or bf16 expected", bai_text(in[0], t[0]));
    if (bai_shape_list("broadcast_to", ((const to_params *)params)->shape, in[0]->dtype, &to, e))
        return BA_EARG;
    if (bai_broadcast("broadcast_to", 2, (const ba_type *[]){ in[0], &to }, &both, NULL) || !bai_same_dims(&both, &to))
        return ba_fail(e, BA_EARG, "broadcast_to: %s cannot be repeated to %s", bai_text(in[0], t[0]), bai_text(&to, t[1]));
    *out = to;
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

BA_OP(broadcast_to) = {
    .name = "broadcast_to", .doc = "x repeated along axes up to a shape",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(to_params, BA_STRING(to_params, shape, "", "axes, e.g. 2,3,4")),
    .shape = shape, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "shape=4 3 5", 1, { { BA_F32, 2, { 3, 1 }, 0, -1, 1 } } },
        { "shape=70 90", 1, { { BA_F32, 0, { 0 }, 0, -1, 1 } } },
        { "shape=40 130", 1, { { BA_F32, 1, { 130 }, 0, -1, 1 } } },
        { "shape=2 3 2 3 2", 1, { { BA_F32, 5, { 2, 1, 2, 1, 2 }, 0, -1, 1 } } },
        { "shape=3 7", 1, { { BA_BF16, 2, { 3, 1 }, 0, -1, 1 } } }),
    .tolerance = 0,
};
