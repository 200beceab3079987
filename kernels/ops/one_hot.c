/* one_hot: 1 at each label's class, 0 elsewhere. labels i32 [..]; y f32 [..,classes]. */
#include "../shared/index.h"

typedef struct one_hot_params { int64_t classes; } one_hot_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[96];
    (void)n_in;
    if (in[0]->dtype != BA_I32 || in[0]->rank >= BA_MAX_RANK)
        return ba_fail(e, BA_EARG, "one_hot: labels are %s; i32 of at most %d axes expected", bai_text(in[0], t), BA_MAX_RANK - 1);
    *out = bai_like(in[0], BA_F32);
    out->dim[out->rank++] = ((const one_hot_params *)params)->classes;
    return BA_OK;
}

static void task(void *ctx, int64_t t, int worker)
{
    const ba_kernel *k = ctx;
    int64_t C = ba_type_last(&k->out[0].type), rows = ba_type_count(&k->in[0].type);
    (void)worker;
    for (int64_t r = t * BAI_ROWS; r < bai_min(rows, (t + 1) * BAI_ROWS); r++) {
        float *y = (float *)k->out[0].data + r * C;
        memset(y, 0, (size_t)C * 4);
        y[((const int32_t *)k->in[0].data)[r]] = 1;
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    if (bai_index_check("one_hot", &k->in[0], ba_type_last(&k->out[0].type), e))
        return BA_EDATA;
    k->parallel(k, bai_ceil(ba_type_count(&k->in[0].type), BAI_ROWS), task, (void *)k);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    int64_t C = ba_type_last(&r->out_type[0]);
    for (int64_t i = 0; i < ba_type_count(&r->out_type[0]); i++)
        r->out[0][i] = (double)(i % C) == r->in[0][i / C];
}

BA_OP(one_hot) = {
    .name = "one_hot", .doc = "1 at each label's class, 0 elsewhere",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(one_hot_params, BA_INT(one_hot_params, classes, 1, 1, 1 << 24, "classes", "number of classes")),
    .shape = shape, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "classes=5", 1, { { BA_I32, 1, { 4 }, BA_FILL_INDEX, 0, 5 } } },
        { "classes=3", 1, { { BA_I32, 0, { 0 }, BA_FILL_INDEX, 0, 3 } } },
        { "classes=100", 1, { { BA_I32, 2, { 9, 7 }, BA_FILL_INDEX, 0, 100 } } }),
    .tolerance = 0,
};
