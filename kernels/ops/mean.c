/* mean: over one axis or all. */
#include "../shared/reduce.h"

static double share(const ba_type *x, const ba_type *y) { return (double)(ba_type_count(x) / ba_type_count(y)); } /* numbers behind each result */

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)n_in;
    return bai_reduce_shape("mean", params, in[0], out, e);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    return bai_reduce(k, bai_reduce_mask(k->params, &k->in[0].type), BAI_SUM, (float)(1.0 / share(&k->in[0].type, &k->out[0].type)));
}

static void reference(const ba_ref *r) { bai_reduce_reference(r, bai_reduce_mask(r->params, &r->in_type[0]), BAI_SUM, 1); }

static int grad(const ba_grad_call *c, ba_err *e)
{
    ba_type x, y;
    if (ba_tensor_type(c->in[0], &x, e) || ba_tensor_type(c->out[0], &y, e))
        return BA_EBUG;
    c->din[0] = bai_spread(c, bai_op1(c->g, "scale", c->dout[0], BA_ATTRS(BA_F("by", 1 / share(&x, &y))), e), e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(mean) = {
    .name = "mean", .doc = "mean over an axis, or over all",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(axis_params,
        BA_INT(axis_params, axis, BAI_ALL, BAI_ALL, BA_MAX_RANK - 1, NULL, "axis, -1 the last; -100: all"),
        BA_FLAG(axis_params, keep, 0, "keep the axis, with size 1")),
    .shape = shape, .cost = bai_reduce_cost, .scratch = bai_reduce_room, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 1, { { BA_F32, 2, { 3, 5 }, 0, -1, 1 } } },
        { "axis=-1", 1, { { BA_F32, 3, { 4, 3, 50 }, 0, -1, 1 } } },
        { "axis=0,keep=1", 1, { { BA_F32, 3, { 7, 3, 5 }, 0, -1, 1 } } },
        { "axis=1", 1, { { BA_F32, 3, { 3, 3000, 7 }, 0, -0.1, 0.1 } } },
        { "axis=-100,keep=1", 1, { { BA_F32, 2, { 20, 9000 }, 0, -0.01, 0.01 } }, .fixed = 1 },
        { "axis=-100", 1, { { BA_F32, 0, { 0 }, 0, -1, 1 } } },
        { "axis=-1", 1, { { BA_F32, 1, { 300000 }, 0, -0.01, 0.01 } }, .fixed = 1 },
        { "axis=1", 1, { { BA_BF16, 3, { 3, 9, 7 }, 0, -1, 1 } } }),
    .tolerance = 2e-6,
};
