/* uniform: random numbers in [0,1), f32, a function of the run's seed, the stream's name, the step and the element alone. */
#include "../shared/axes.h"
#include "bauta/rng.h"

typedef struct uniform_params { const char *shape, *stream; } uniform_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const uniform_params *p = params;
    char t[96];
    (void)n_in;
    if (in[0]->dtype != BA_I32 || in[0]->rank)
        return ba_fail(e, BA_EARG, "uniform: the step is %s; i32[] expected", bai_text(in[0], t));
    if (!p->stream || !*p->stream)
        return ba_fail(e, BA_EARG, "uniform: the stream needs a name");
    return bai_shape_list("uniform", p->shape, BA_F32, out, e);
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in, (void)out;
    c->flops = 0;
}

static void task(void *ctx, int64_t t, int worker)
{
    const ba_kernel *k = ctx;
    const uniform_params *p = k->params;
    float *y = k->out[0].data;
    uint32_t stream = ba_stream(p->stream), step = (uint32_t)*(const int32_t *)k->in[0].data;
    int64_t end = bai_min(ba_type_count(&k->out[0].type), (t + 1) * BAI_BLOCK);
    (void)worker;
    for (int64_t i = t * BAI_BLOCK; i < end; i += 4) {
        ba_philox b = ba_philox4x32(k->seed, stream, step, (uint64_t)i / 4);
        for (int64_t j = 0; j < bai_min(4, end - i); j++)
            y[i + j] = (float)(b.x[j] >> 8) * 0x1p-24f;
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    k->parallel(k, bai_ceil(ba_type_count(&k->out[0].type), BAI_BLOCK), task, (void *)k);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const uniform_params *p = r->params;
    for (int64_t i = 0; i < ba_type_count(&r->out_type[0]); i++)
        r->out[0][i] = ba_random_uniform(r->seed, ba_stream(p->stream), (uint32_t)(int32_t)r->in[0][0], (uint64_t)i);
}

BA_OP(uniform) = {
    .name = "uniform", .doc = "random numbers in [0,1), a function of seed, stream, step and element",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(uniform_params,
        BA_STRING(uniform_params, shape, "", "axes, e.g. 2,3; empty: a scalar"),
        BA_STRING(uniform_params, stream, "", "name of the random stream")),
    .shape = shape, .cost = cost, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "shape=3 5,stream=a", 1, { { BA_I32, 0, { 0 }, BA_FILL_INDEX, 0, 1000 } } },
        { "stream=mask/random", 1, { { BA_I32, 0, { 0 }, BA_FILL_INDEX, 0, 1000 } } },
        { "shape=5 2001,stream=b", 1, { { BA_I32, 0, { 0 }, BA_FILL_INDEX, 0, 1000 } } }),
    .tolerance = 0,
};
