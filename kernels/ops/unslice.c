/* unslice: x as elements from.. of a longer axis, zeros elsewhere; slice's gradient. */
#include "../shared/move.h"

typedef struct unslice_params { int64_t axis, from, size; } unslice_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const unslice_params *p = params;
    char t[96];
    int a;
    (void)n_in;
    if (bai_axis("unslice", p->axis, in[0], &a, e))
        return BA_EARG;
    if (p->from < 0 || p->size - p->from < in[0]->dim[a])
        return ba_fail(e, BA_EARG, "unslice: axis %d of %s does not fit into %lld elements from %lld on", a, bai_text(in[0], t), (long long)p->size,
                       (long long)p->from);
    *out = *in[0];
    out->dim[a] = p->size;
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in, (void)out;
    c->flops = 0;
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    const unslice_params *p = k->params;
    const ba_type *x = &k->in[0].type;
    int a = (int)(p->axis < 0 ? p->axis + x->rank : p->axis);
    int64_t outer, inner, n = x->dim[a], after = p->size - p->from - n;
    char *y = k->out[0].data;
    (void)e;
    bai_around(x, a, &outer, &inner);
    inner *= ba_dtype_size(x->dtype);
    bai_move(k, y, p->size * inner, NULL, 0, p->from * inner, outer);
    bai_move(k, y + p->from * inner, p->size * inner, k->in[0].data, n * inner, n * inner, outer);
    bai_move(k, y + (p->from + n) * inner, p->size * inner, NULL, 0, after * inner, outer);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const unslice_params *p = r->params;
    const ba_type *y = &r->out_type[0];
    int a = (int)(p->axis < 0 ? p->axis + y->rank : p->axis);
    int64_t size = 1, n = 0;
    for (int b = a + 1; b < y->rank; b++)
        size *= y->dim[b];
    for (int64_t i = 0; i < ba_type_count(y); i++) {
        int64_t c = i / size % y->dim[a];
        r->out[0][i] = c >= p->from && c < p->from + r->in_type[0].dim[a] ? r->in[0][n++] : 0;
    }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    const unslice_params *p = c->params;
    ba_type x;
    if (ba_tensor_type(c->in[0], &x, e))
        return BA_EBUG;
    int a = (int)(p->axis < 0 ? p->axis + x.rank : p->axis);
    c->din[0] = bai_op1(c->g, "slice", c->dout[0], BA_ATTRS(BA_I("axis", a), BA_I("from", p->from), BA_I("to", p->from + x.dim[a])), e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(unslice) = {
    .name = "unslice", .doc = "x as part of a longer axis, zeros elsewhere",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(unslice_params,
        BA_INT(unslice_params, axis, 0, -BA_MAX_RANK, BA_MAX_RANK - 1, NULL, "axis that grows"),
        BA_INT(unslice_params, from, 0, 0, INT64_C(1) << 40, NULL, "where x begins"),
        BA_INT(unslice_params, size, 1, 1, INT64_C(1) << 40, NULL, "elements of the axis afterwards")),
    .shape = shape, .cost = cost, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "axis=0,from=1,size=5", 1, { { BA_F32, 2, { 3, 5 }, 0, -1, 1 } } },
        { "axis=-1,size=9", 1, { { BA_F32, 3, { 3, 4, 5 }, 0, -1, 1 } } },
        { "axis=1,from=10,size=60", 1, { { BA_F32, 3, { 3, 50, 400 }, 0, -1, 1 } } },
        { "axis=0,from=2,size=11", 1, { { BA_U8, 1, { 9 }, BA_FILL_INDEX, 0, 256 } } },
        { "axis=-2,from=1,size=12", 1, { { BA_BF16, 3, { 3, 9, 11 }, 0, -1, 1 } } }),
    .tolerance = 0,
};
