/* iota: each element's own index along an axis, as f32: the grid from which position-dependent scores are made. */
#include "../shared/move.h"

typedef struct iota_params { const char *shape; int64_t axis; } iota_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const iota_params *p = params;
    int a;
    (void)n_in, (void)in;
    return bai_shape_list("iota", p->shape, BA_F32, out, e) ? BA_EARG : bai_axis("iota", p->axis, out, &a, e);
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in, (void)out;
    c->flops = 0;
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    const iota_params *p = k->params;
    const ba_type *y = &k->out[0].type;
    int a = (int)(p->axis < 0 ? p->axis + y->rank : p->axis);
    int64_t outer, inner, n = ba_type_count(y);
    (void)e;
    bai_around(y, a, &outer, &inner);
    for (int64_t i = 0; i < n; i++)
        ((float *)k->out[0].data)[i] = (float)(i / inner % y->dim[a]);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const iota_params *p = r->params;
    const ba_type *y = &r->out_type[0];
    int a = (int)(p->axis < 0 ? p->axis + y->rank : p->axis);
    for (int64_t i = 0; i < ba_type_count(y); i++) {
        int64_t rest = i;
        for (int b = y->rank - 1; b > a; b--)
            rest /= y->dim[b];
        r->out[0][i] = (double)(rest % y->dim[a]);
    }
}

BA_OP(iota) = {
    .name = "iota", .doc = "each element's own index along an axis",
    .min_in = 0, .max_in = 0, .n_out = 1,
    BA_PARAMS(iota_params,
        BA_STRING(iota_params, shape, "1", "axes, e.g. 2,3"),
        BA_INT(iota_params, axis, -1, -BA_MAX_RANK, BA_MAX_RANK - 1, NULL, "axis that is counted")),
    .shape = shape, .cost = cost, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "shape=3 5", 0, { { 0 } } },
        { "shape=4 3 2,axis=0", 0, { { 0 } } }),
    .tolerance = 0,
};
