/* max: the largest number along one axis or of all; NaN when any is. Equal maxima share the gradient. */
#include "../shared/reduce.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)n_in;
    return bai_reduce_shape("max", params, in[0], out, e);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    return bai_reduce(k, bai_reduce_mask(k->params, &k->in[0].type), BAI_MAX, 1);
}

static void reference(const ba_ref *r) { bai_reduce_reference(r, bai_reduce_mask(r->params, &r->in_type[0]), BAI_MAX, 0); }

static int grad(const ba_grad_call *c, ba_err *e)
{
    const axis_params *p = c->params;
    const ba_attr again[] = { BA_I("axis", p->axis), BA_I("keep", p->keep) };
    ba_tensor *below = bai_op2(c->g, "less", c->in[0], bai_spread(c, c->out[0], e), 0, NULL, e);
    ba_tensor *top = bai_op1(c->g, "scale", below, BA_ATTRS(BA_F("by", -1), BA_F("plus", 1)), e); /* 1 at each maximum */
    ba_tensor *each = bai_op2(c->g, "div", c->dout[0], bai_op1(c->g, "sum", top, 2, again, e), 0, NULL, e);
    c->din[0] = bai_back_to(c->g, bai_op2(c->g, "mul", top, each ? bai_spread(c, each, e) : NULL, 0, NULL, e), c->in[0], e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(max) = {
    .name = "max", .doc = "largest number along an axis, or over all",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(axis_params,
        BA_INT(axis_params, axis, BAI_ALL, BAI_ALL, BA_MAX_RANK - 1, NULL, "axis, -1 the last; -100: all"),
        BA_FLAG(axis_params, keep, 0, "keep the axis, with size 1")),
    .shape = shape, .cost = bai_reduce_cost, .scratch = bai_reduce_room, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 1, { { BA_F32, 2, { 3, 5 }, 0, -1, 1 } } },
        { "axis=-1", 1, { { BA_F32, 3, { 4, 3, 50 }, BA_FILL_DISTINCT, -1, 1 } } },
        { "axis=0,keep=1", 1, { { BA_F32, 3, { 7, 3, 5 }, 0, -1, 1 } } },
        { "axis=1", 1, { { BA_F32, 3, { 3, 3000, 7 }, 0, -0.1, 0.1 } } },
        { "axis=1", 1, { { BA_F32, 3, { 2, 700, 40 }, 0, -1, 1 } }, .fixed = 1 },
        { "axis=-100,keep=1", 1, { { BA_F32, 2, { 20, 9000 }, 0, -0.01, 0.01 } }, .fixed = 1 },
        { "axis=-100", 1, { { BA_F32, 0, { 0 }, 0, -1, 1 } } },
        { "axis=-1", 1, { { BA_F32, 1, { 300000 }, 0, -0.01, 0.01 } }, .fixed = 1 },
        { "axis=2", 1, { { BA_BF16, 3, { 3, 9, 7 }, BA_FILL_DISTINCT, -1, 1 } } }),
    .tolerance = 0,
};
