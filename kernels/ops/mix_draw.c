/* mix_draw: how the pictures of a batch are mixed at this step, f32 [6]: the share of each picture itself, the box rows from..to and
 * columns from..to that come from the partner, and 1 when it is a box (CutMix), 0 when all pixels are blended (mixup). Spec: recipes 5. */
#include "../shared/kernel.h"
#include "bauta/rng.h"

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

/* Numbers in (0,1) of one step, one after the other. */
typedef struct draws { uint64_t seed, next; uint32_t stream, step; } draws;

static double draw(draws *d) { return ((double)ba_random_u32(d->seed, d->stream, d->step, d->next++) + 0.5) * 0x1p-32; }

static double normal(draws *d)
{
    double u = draw(d), v = draw(d);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

/* Gamma(a, 1) after Marsaglia and Tsang (2000). */
static double gamma_of(draws *d, double a)
{
    double boost = a < 1 ? pow(draw(d), 1 / a) : 1, b = (a < 1 ? a + 1 : a) - 1.0 / 3, c = 1 / sqrt(9 * b);
    for (;;) {
        double x = normal(d), v = 1 + c * x;
        v = v * v * v;
        if (v > 0 && log(draw(d)) < 0.5 * x * x + b - b * v + b * log(v))
            return boost * b * v;
    }
}

static double beta_of(draws *d, double a)
{
    double x, y;
    if (a == 1)
        return draw(d);
    x = gamma_of(d, a);
    y = gamma_of(d, a);
    return x + y > 0 ? x / (x + y) : 0.5;
}

static double held(double v, double n) { return v < 0 ? 0 : v > n ? n : v; }

static void draw_all(const mix_params *p, uint64_t seed, uint32_t step, double out[6])
{
    draws d = { seed, 0, ba_stream(p->stream), step };
    double mix = draw(&d), which = draw(&d), y = draw(&d), x = draw(&d);
    int cut = p->cutmix > 0 && (p->mixup == 0 || which < p->swap);
    memset(out, 0, 6 * sizeof *out);
    out[0] = 1;
    if (mix >= p->probability)
        return;
    out[0] = beta_of(&d, cut ? p->cutmix : p->mixup);
    if (!cut)
        return;
    double H = (double)p->rows, W = (double)p->columns, side = sqrt(1 - out[0]);
    double h = floor(floor(H * side) / 2), w = floor(floor(W * side) / 2), cy = floor(y * H), cx = floor(x * W);
    out[1] = held(cy - h, H);
    out[2] = held(cy + h, H);
    out[3] = held(cx - w, W);
    out[4] = held(cx + w, W);
    out[5] = 1;
    out[0] = 1 - (out[2] - out[1]) * (out[4] - out[3]) / (H * W);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    double v[6];
    (void)e;
    draw_all(k->params, k->seed, (uint32_t)*(const int32_t *)k->in[0].data, v);
    for (int i = 0; i < 6; i++)
        ((float *)k->out[0].data)[i] = (float)v[i];
    return BA_OK;
}

static void reference(const ba_ref *r) { draw_all(r->params, r->seed, (uint32_t)(int32_t)r->in[0][0], r->out[0]); }

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
