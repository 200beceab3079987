/* drop_path_scale: stochastic depth. For each sample floor(1 - rate + u) / (1 - rate), u uniform: the branch is dropped with probability `rate`,
 * else enlarged. step i32 []; out f32 [batch]. As timm. */
#include "../shared/kernel.h"
#include "bauta/rng.h"

typedef struct drop_params { double rate; int64_t batch; const char *stream; } drop_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const drop_params *p = params;
    char t[96];
    (void)n_in;
    if (in[0]->dtype != BA_I32 || in[0]->rank)
        return ba_fail(e, BA_EARG, "drop_path_scale: step is %s; i32[] expected", bai_text(in[0], t));
    out[0] = bai_shape(BA_F32, 1, p->batch, 1, 1, 1);
    return BA_OK;
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    const drop_params *p = k->params;
    uint32_t stream = ba_stream(p->stream), step = (uint32_t)*(const int32_t *)k->in[0].data;
    float keep = (float)(1 - p->rate);
    for (int64_t b = 0; b < p->batch; b++)
        ((float *)k->out[0].data)[b] = floorf(keep + ba_random_uniform(k->seed, stream, step, (uint64_t)b)) / keep;
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const drop_params *p = r->params;
    for (int64_t b = 0; b < p->batch; b++) {
        float u = ba_random_uniform(r->seed, ba_stream(p->stream), (uint32_t)r->in[0][0], (uint64_t)b);
        r->out[0][b] = (float)(1 - p->rate) + u >= 1 ? 1 / (1 - p->rate) : 0;
    }
}

BA_OP(drop_path_scale) = {
    .name = "drop_path_scale", .doc = "stochastic depth: 0 with probability rate, else 1/(1-rate), for each sample",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(drop_params,
        BA_FLOAT(drop_params, rate, 0.1, 0, 0.999, NULL, "probability of dropping"),
        BA_INT(drop_params, batch, 1, 1, 1 << 24, "samples", "batch size"),
        BA_STRING(drop_params, stream, "drop", "name of the random stream")),
    .shape = shape, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "batch=64,rate=0.3,stream=a", 1, { { BA_I32, 0, { 1 }, BA_FILL_INDEX, 0, 1000 } } }),
    .tolerance = 1e-6,
};
