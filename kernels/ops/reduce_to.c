/* reduce_to: x summed over axes until it has the given shape: what broadcast_to repeats is added up. */
#include "../shared/elementwise.h"
#include "../shared/reduce.h"

typedef struct to_params { const char *shape; } to_params;

static unsigned axes_of(const ba_type *x, const ba_type *y)
{
    unsigned axes = 0;
    for (int a = 0; a < x->rank; a++) {
        int b = a - (x->rank - y->rank);
        axes |= (unsigned)(b < 0 || y->dim[b] != x->dim[a]) << a;
    }
    return axes;
}

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    ba_type to, both;
    (void)n_in;
    if (!bai_is_real(in[0]))
        return ba_fail(e, BA_EARG, "reduce_to: x is %s; f32 or bf16 expected", bai_text(in[0], t[0]));
    if (bai_shape_list("reduce_to", ((const to_params *)params)->shape, in[0]->dtype, &to, e))
        return BA_EARG;
    if (bai_broadcast("reduce_to", 2, (const ba_type *[]){ in[0], &to }, &both, NULL) || !bai_same_dims(&both, in[0]))
        return ba_fail(e, BA_EARG, "reduce_to: %s cannot be summed to %s", bai_text(in[0], t[0]), bai_text(&to, t[1]));
    *out = to;
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)out;
    c->flops = (double)ba_type_count(in[0]);
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)workers;
    return bai_reduce_scratch(in[0], axes_of(in[0], &out[0]));
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    return bai_reduce(k, axes_of(&k->in[0].type, &k->out[0].type), BAI_SUM, 1);
}

static void reference(const ba_ref *r)
{
    const ba_type *x = &r->in_type[0], *y = &r->out_type[0];
    for (int64_t i = 0; i < ba_type_count(y); i++)
        r->out[0][i] = 0;
    for (int64_t i = 0; i < ba_type_count(x); i++) {
        int64_t rest = i, to = 0, size = 1;
        for (int a = x->rank - 1, b = y->rank - 1; b >= 0; a--, b--) {
            to += (y->dim[b] == 1 ? 0 : rest % x->dim[a]) * size;
            size *= y->dim[b];
            rest /= x->dim[a];
        }
        r->out[0][to] += r->in[0][i];
    }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    ba_type x;
    char text[120];
    if (ba_tensor_type(c->in[0], &x, e))
        return BA_EBUG;
    c->din[0] = bai_op1(c->g, "broadcast_to", c->dout[0], BA_ATTRS(BA_S("shape", bai_dims_text(&x, text))), e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(reduce_to) = {
    .name = "reduce_to", .doc = "x summed over repeated axes down to a shape",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(to_params, BA_STRING(to_params, shape, "", "axes, e.g. 1,4")),
    .shape = shape, .cost = cost, .scratch = scratch, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "shape=3 1", 1, { { BA_F32, 3, { 4, 3, 5 }, 0, -1, 1 } } },
        { "shape=", 1, { { BA_F32, 3, { 3, 50, 400 }, 0, -0.1, 0.1 } } },
        { "shape=130", 1, { { BA_F32, 3, { 9, 500, 130 }, 0, -0.1, 0.1 } }, .fixed = 1 },
        { "shape=2 1 2 1 2", 1, { { BA_F32, 5, { 2, 3, 2, 3, 2 }, 0, -1, 1 } } },
        { "shape=1 40 1", 1, { { BA_F32, 3, { 5, 40, 700 }, 0, -0.1, 0.1 } }, .fixed = 1 },
        { "shape=1 3 1 40", 1, { { BA_F32, 4, { 50, 3, 20, 40 }, 0, -0.1, 0.1 } }, .fixed = 1 },
        { "shape=7", 1, { { BA_BF16, 2, { 30, 7 }, 0, -1, 1 } } }),
    .tolerance = 1e-5,
};
