/* slice: elements from..to of one axis. The compiler reads ba_slice_params itself, so axis counts from the first here. */
#include "../shared/move.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const ba_slice_params *p = params;
    char t[96];
    (void)n_in;
    if (p->axis < 0 || p->axis >= in[0]->rank)
        return ba_fail(e, BA_EARG, "slice: axis %lld of %s; 0 to %d expected", (long long)p->axis, bai_text(in[0], t), in[0]->rank - 1);
    if (p->from < 0 || p->to <= p->from || p->to > in[0]->dim[p->axis])
        return ba_fail(e, BA_EARG, "slice: %lld to %lld of axis %lld of %s; 0 <= from < to <= %lld expected", (long long)p->from, (long long)p->to,
                       (long long)p->axis, bai_text(in[0], t), (long long)in[0]->dim[p->axis]);
    *out = *in[0];
    out->dim[p->axis] = p->to - p->from;
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in;
    c->bytes = 2.0 * (double)(ba_type_count(&out[0]) * ba_dtype_size(in[0]->dtype));
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    const ba_slice_params *p = k->params;
    const ba_type *x = &k->in[0].type;
    int64_t outer, inner, whole = x->dim[p->axis];
    (void)e;
    bai_around(x, (int)p->axis, &outer, &inner);
    inner *= ba_dtype_size(x->dtype);
    bai_move(k, k->out[0].data, (p->to - p->from) * inner, (const char *)k->in[0].data + p->from * inner, whole * inner, (p->to - p->from) * inner, outer);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const ba_slice_params *p = r->params;
    const ba_type *x = &r->in_type[0];
    int64_t size = 1, n = 0;
    for (int a = (int)p->axis + 1; a < x->rank; a++)
        size *= x->dim[a];
    for (int64_t i = 0; i < ba_type_count(x); i++) {
        int64_t c = i / size % x->dim[p->axis];
        if (c >= p->from && c < p->to)
            r->out[0][n++] = r->in[0][i];
    }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    const ba_slice_params *p = c->params;
    c->din[0] = bai_op1(c->g, "unslice", c->dout[0],
                        BA_ATTRS(BA_I("axis", p->axis), BA_I("from", p->from), BA_I("size", bai_dim(c->in[0], (int)p->axis))), e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(slice) = {
    .name = "slice", .doc = "elements from..to of one axis",
    .min_in = 1, .max_in = 1, .n_out = 1, .flags = BA_OP_SLICE,
    BA_PARAMS(ba_slice_params,
        BA_INT(ba_slice_params, axis, 0, 0, BA_MAX_RANK - 1, NULL, "axis that is cut, counted from the first"),
        BA_INT(ba_slice_params, from, 0, 0, INT64_C(1) << 40, NULL, "first element taken"),
        BA_INT(ba_slice_params, to, 1, 1, INT64_C(1) << 40, NULL, "element after the last one taken")),
    .shape = shape, .cost = cost, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "axis=0,from=1,to=3", 1, { { BA_F32, 2, { 4, 5 }, 0, -1, 1 } } },
        { "axis=2,from=3,to=4", 1, { { BA_F32, 3, { 3, 7, 5 }, 0, -1, 1 } } },
        { "axis=1,from=0,to=40", 1, { { BA_F32, 3, { 3, 50, 400 }, 0, -1, 1 } } },
        { "axis=0,to=1", 1, { { BA_U8, 1, { 9 }, BA_FILL_INDEX, 0, 256 } } },
        { "axis=1,from=2,to=7", 1, { { BA_I32, 2, { 3, 7 }, BA_FILL_INDEX, -9, 9 } } },
        { "axis=1,from=2,to=7", 1, { { BA_BF16, 3, { 3, 9, 11 }, 0, -1, 1 } } }),
    .tolerance = 0,
};
