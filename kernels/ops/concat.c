/* concat: up to 64 tensors one behind the other along an axis. */
#include "../shared/move.h"

typedef struct concat_params { int64_t axis; } concat_params;

static int axis_of(const void *params, const ba_type *t)
{
    int64_t a = ((const concat_params *)params)->axis;
    return (int)(a < 0 ? a + t->rank : a);
}

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    int a;
    if (bai_axis("concat", ((const concat_params *)params)->axis, in[0], &a, e))
        return BA_EARG;
    *out = *in[0];
    for (int i = 1; i < n_in; i++) {
        if (!in[i])
            return ba_fail(e, BA_EARG, "concat: input %d is left out", i);
        ba_type same = *in[i];
        if (same.rank == in[0]->rank)
            same.dim[a] = in[0]->dim[a];
        if (!bai_same_dims(&same, in[0]) || same.dtype != in[0]->dtype)
            return ba_fail(e, BA_EARG, "concat: input %d is %s and input 0 %s; they may differ in axis %d only", i, bai_text(in[i], t[0]), bai_text(in[0], t[1]), a);
        if (__builtin_add_overflow(out->dim[a], in[i]->dim[a], &out->dim[a]))
            return ba_fail(e, BA_EARG, "concat: axis %d becomes longer than a number can say", a);
    }
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in, (void)out;
    c->flops = 0;
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    const ba_type *y = &k->out[0].type;
    int a = axis_of(k->params, y);
    int64_t outer, inner, at = 0;
    (void)e;
    bai_around(y, a, &outer, &inner);
    inner *= ba_dtype_size(y->dtype);
    for (int i = 0; i < k->n_in; i++) {
        int64_t band = k->in[i].type.dim[a] * inner;
        bai_move(k, (char *)k->out[0].data + at, y->dim[a] * inner, k->in[i].data, band, band, outer);
        at += band;
    }
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const ba_type *y = &r->out_type[0];
    int a = axis_of(r->params, y);
    int64_t size = 1;
    for (int b = a + 1; b < y->rank; b++)
        size *= y->dim[b];
    for (int64_t i = 0; i < ba_type_count(y); i++) {
        int64_t c = i / size % y->dim[a], o = i / size / y->dim[a];
        int n = 0;
        while (c >= r->in_type[n].dim[a])
            c -= r->in_type[n++].dim[a];
        r->out[0][i] = r->in[n][(o * r->in_type[n].dim[a] + c) * size + i % size];
    }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    ba_type y;
    if (ba_tensor_type(c->out[0], &y, e))
        return BA_EBUG;
    int a = axis_of(c->params, &y);
    int64_t at = 0;
    for (int i = 0; i < c->n_in; i++) {
        int64_t n = bai_dim(c->in[i], a);
        if (c->want[i] && !(c->din[i] = bai_op1(c->g, "slice", c->dout[0], BA_ATTRS(BA_I("axis", a), BA_I("from", at), BA_I("to", at + n)), e)))
            return BA_EBUG;
        at += n;
    }
    return BA_OK;
}

BA_OP(concat) = {
    .name = "concat", .doc = "tensors one behind the other along an axis",
    .min_in = 1, .max_in = 64, .n_out = 1,
    BA_PARAMS(concat_params, BA_INT(concat_params, axis, 0, -BA_MAX_RANK, BA_MAX_RANK - 1, NULL, "axis that grows")),
    .shape = shape, .cost = cost, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "axis=0", 2, { { BA_F32, 2, { 3, 5 }, 0, -1, 1 }, { BA_F32, 2, { 1, 5 }, 0, -1, 1 } } },
        { "axis=-1", 3, { { BA_F32, 3, { 2, 3, 5 }, 0, -1, 1 }, { BA_F32, 3, { 2, 3, 1 }, 0, -1, 1 }, { BA_F32, 3, { 2, 3, 2 }, 0, -1, 1 } } },
        { "axis=1", 2, { { BA_F32, 3, { 3, 1, 400 }, 0, -1, 1 }, { BA_F32, 3, { 3, 50, 400 }, 0, -1, 1 } } },
        { "axis=0", 1, { { BA_I32, 1, { 4 }, BA_FILL_INDEX, 0, 9 } } },
        { "axis=1", 2, { { BA_BF16, 3, { 3, 2, 7 }, 0, -1, 1 }, { BA_BF16, 3, { 3, 5, 7 }, 0, -1, 1 } } }),
    .tolerance = 0,
};
