/* reshape: the same elements under another shape; nothing is moved. One axis may be -1: what remains. */
#include "../shared/axes.h"

typedef struct reshape_params { const char *shape; } reshape_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const char *text = ((const reshape_params *)params)->shape;
    int64_t v[BA_MAX_RANK], total = ba_type_count(in[0]), known = 1;
    char t[96];
    int n = bai_list(text, v, BA_MAX_RANK), rest = -1;
    (void)n_in;
    if (n < 0)
        return ba_fail(e, BA_EARG, "reshape: shape '%.60s'; up to %d whole numbers expected, as in '2,-1'", text ? text : "", BA_MAX_RANK);
    *out = (ba_type){ in[0]->dtype, n, { 1, 1, 1, 1, 1 } };
    for (int i = 0; i < n; i++) {
        out->dim[i] = v[i];
        if (v[i] == -1 && rest < 0)
            rest = i;
        else if (v[i] < 1 || __builtin_mul_overflow(known, v[i], &known))
            return ba_fail(e, BA_EARG, "reshape: axis %d of shape '%.60s' is %lld; at least 1, or -1 once, expected", i, text, (long long)v[i]);
    }
    if (rest >= 0 && total % known == 0)
        known *= out->dim[rest] = total / known;
    if (known != total)
        return ba_fail(e, BA_EARG, "reshape: %s has %lld elements, shape '%.60s' does not", bai_text(in[0], t), (long long)total, text);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    for (int64_t i = 0; i < ba_type_count(&r->out_type[0]); i++)
        r->out[0][i] = r->in[0][i];
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    ba_type x;
    char text[120];
    if (ba_tensor_type(c->in[0], &x, e))
        return BA_EBUG;
    c->din[0] = bai_op1(c->g, "reshape", c->dout[0], BA_ATTRS(BA_S("shape", bai_dims_text(&x, text))), e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(reshape) = {
    .name = "reshape", .doc = "the same elements under another shape",
    .min_in = 1, .max_in = 1, .n_out = 1, .flags = BA_OP_ALIAS,
    BA_PARAMS(reshape_params, BA_STRING(reshape_params, shape, "-1", "axes, e.g. 2,3,-1; empty: a scalar")),
    .shape = shape, .grad = grad, .reference = reference,
    .samples = BA_SAMPLES(
        { "shape=3 -1 2", 1, { { BA_F32, 2, { 6, 5 }, 0, -1, 1 } } },
        { "", 1, { { BA_F32, 3, { 2, 3, 4 }, 0, -1, 1 } } },
        { "shape=1 1", 1, { { BA_F32, 0, { 0 }, 0, -1, 1 } } },
        { "shape=", 1, { { BA_F32, 2, { 1, 1 }, 0, -1, 1 } } },
        { "shape=9", 1, { { BA_BF16, 2, { 3, 3 }, 0, -1, 1 } } }),
    .tolerance = 0,
};
