/* clip_factor: what gradients are multiplied by so that their norm is at most `max`: min(1, max / (norm + 1e-6)). As PyTorch's clip_grad_norm_. */
#include "../shared/kernel.h"

typedef struct clip_params { double max; } clip_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[96];
    (void)params, (void)n_in;
    if (in[0]->dtype != BA_F32 || in[0]->rank)
        return ba_fail(e, BA_EARG, "clip_factor: norm is %s; f32[] expected", bai_text(in[0], t));
    out[0] = *in[0];
    return BA_OK;
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    double f = ((const clip_params *)k->params)->max / ((double)*(const float *)k->in[0].data + 1e-6);
    (void)e;
    *(float *)k->out[0].data = (float)(f < 1 ? f : 1);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    r->out[0][0] = fmin(1, ((const clip_params *)r->params)->max / (r->in[0][0] + 1e-6));
}

BA_OP(clip_factor) = {
    .name = "clip_factor", .doc = "min(1, max / norm): the factor of gradient clipping",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(clip_params, BA_FLOAT(clip_params, max, 1, 1e-12, 1e12, NULL, "largest norm allowed")),
    .shape = shape, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "max=0.5", 1, { { BA_F32, 0, { 1 }, 0, 1, 3 } } },
        { "max=5", 1, { { BA_F32, 0, { 1 }, 0, 1, 3 } } }),
    .tolerance = 1e-6,
};
