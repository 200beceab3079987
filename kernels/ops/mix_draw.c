/* mix_draw: how the pictures of a batch are mixed at this step, f32 [6]: the share of each picture itself, the box rows from..to and
 * columns from..to that come from the partner, and 1 when it is a box (CutMix), 0 when all pixels are blended (mixup). As timm's batch mode. */
#include "../shared/kernel.h"
#include "../shared/mixing.h"

typedef struct mix_params { double mixup, cutmix, swap, probability; int64_t rows, columns; const char *stream; } mix_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const mix_params *p = params;
    char t[96];
    (void)n_in;
    if (in[0]->dtype != BA_I32 || in[0]->rank)
        return ba_fail(e, BA_EARG, "mix_draw: the step is %s; i32[] expected", bai_text(in[0], t));
    if (p->mixup == 0 && p->cutmix == 0)
        return ba_fail(e, BA_EARG, "mix_draw: mixup and cutmix are both 0; one of them above 0 expected");
    *out = bai_shape(BA_F32, 1, 6, 1, 1, 1);
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in, (void)out;
    c->flops = 0;
}

static bai_mixing rule(const mix_params *p)
{
    return (bai_mixing){ p->mixup, p->cutmix, p->swap, p->probability, p->rows, p->columns };
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    const bai_mixing m = rule(k->params);
    double v[6];
    (void)e;
    bai_mix_draw(&m, k->seed, ba_stream(((const mix_params *)k->params)->stream), (uint32_t)*(const int32_t *)k->in[0].data, v);
    for (int i = 0; i < 6; i++)
        ((float *)k->out[0].data)[i] = (float)v[i];
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const bai_mixing m = rule(r->params);
    bai_mix_draw(&m, r->seed, ba_stream(((const mix_params *)r->params)->stream), (uint32_t)(int32_t)r->in[0][0], r->out[0]);
}

BA_OP(mix_draw) = {
    .name = "mix_draw", .doc = "how the pictures of a batch are mixed at this step: share, box, whether it is a box",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(mix_params,
        BA_FLOAT(mix_params, mixup, 0.8, 0, 100, NULL, "both parameters of the Beta distribution of mixup's share; 0: no mixup"),
        BA_FLOAT(mix_params, cutmix, 1, 0, 100, NULL, "the same of CutMix; 0: no CutMix"),
        BA_FLOAT(mix_params, swap, 0.5, 0, 1, NULL, "probability of CutMix where both are on"),
        BA_FLOAT(mix_params, probability, 1, 0, 1, NULL, "probability that a batch is mixed at all"),
        BA_INT(mix_params, rows, 224, 1, 65536, "pixels", "height of the pictures"),
        BA_INT(mix_params, columns, 224, 1, 65536, "pixels", "width of the pictures"),
        BA_STRING(mix_params, stream, "mix", "name of the random stream")),
    .shape = shape, .cost = cost, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "rows=8,columns=12", 1, { { BA_I32, 0, { 0 }, BA_FILL_INDEX, 0, 1000 } } },
        { "mixup=0,rows=31,columns=7", 1, { { BA_I32, 0, { 0 }, BA_FILL_INDEX, 0, 1000 } } },
        { "cutmix=0,mixup=0.2", 1, { { BA_I32, 0, { 0 }, BA_FILL_INDEX, 0, 1000 } } },
        { "probability=0.5,mixup=3", 1, { { BA_I32, 0, { 0 }, BA_FILL_INDEX, 0, 1000 } } }),
    .tolerance = 1e-6,
};
