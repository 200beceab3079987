/* ema: exponential moving average of a tensor, in place: avg = decay avg + (1 - decay) p. avg, p fp32 of one shape;
 * momentum f32 [] (left out or not): a decay that changes over the steps, in place of the setting. */
#include "../shared/kernel.h"

typedef struct ema_params { double decay; } ema_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    (void)params;
    if (n_in > 2 && in[2] && (in[2]->dtype != BA_F32 || in[2]->rank))
        return ba_fail(e, BA_EARG, "ema: momentum is %s; f32[] expected", bai_text(in[2], t[0]));
    if (in[0]->dtype != BA_F32 || in[1]->dtype != BA_F32 || !bai_same_dims(in[0], in[1]))
        return ba_fail(e, BA_EARG, "ema: average is %s, p %s; equal fp32 tensors expected", bai_text(in[0], t[0]), bai_text(in[1], t[1]));
    out[0] = bai_shape(BA_F32, 0, 1, 1, 1, 1);
    return BA_OK;
}

static void task(void *ctx, int64_t t, int worker)
{
    const ba_kernel *k = ctx;
    (void)worker;
    float *a = k->in[0].data, by = (float)(1 - (k->n_in > 2 && k->in[2].data ? (double)*(const float *)k->in[2].data : ((const ema_params *)k->params)->decay));
    const float *p = k->in[1].data;
    int64_t end = bai_min(ba_type_count(&k->in[0].type), (t + 1) * BAI_BLOCK);
    for (int64_t i = t * BAI_BLOCK; i < end; i++)
        a[i] = by == 1 ? p[i] : a[i] + by * (p[i] - a[i]); /* decay 0 is a copy, bit for bit */
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    k->parallel(k, bai_ceil(ba_type_count(&k->in[0].type), BAI_BLOCK), task, (void *)k);
    if (k->out[0].data)
        *(float *)k->out[0].data = 0;
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    double d = r->n_in > 2 && r->in[2] ? r->in[2][0] : ((const ema_params *)r->params)->decay;
    for (int64_t i = 0; i < ba_type_count(&r->in_type[0]); i++)
        r->in[0][i] = d * r->in[0][i] + (1 - d) * r->in[1][i];
    r->out[0][0] = 0;
}

BA_OP(ema) = {
    .name = "ema", .doc = "exponential moving average of a tensor, in place",
    .min_in = 2, .max_in = 3, .n_out = 1, .flags = BA_OP_EFFECT, .inout = 1,
    BA_PARAMS(ema_params, BA_FLOAT(ema_params, decay, 0.99996, 0, 1, NULL, "share of the old average that stays")),
    .shape = shape, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "decay=0.9", 2, { { BA_F32, 2, { 7, 9 }, 0, -1, 1 }, { BA_F32, 2, { 7, 9 }, 0, -1, 1 } } },
        { "", 2, { { BA_F32, 1, { 9001 }, 0, -1, 1 }, { BA_F32, 1, { 9001 }, 0, -1, 1 } } },
        { "", 3, { { BA_F32, 1, { 70 }, 0, -1, 1 }, { BA_F32, 1, { 70 }, 0, -1, 1 }, { BA_F32, 0, { 1 }, 0, .5, 1 } } }),
    .tolerance = 1e-6,
};
