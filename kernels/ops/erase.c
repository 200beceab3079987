/* erase: random erasing. In each picture of x[B,H,W,C] (0..255), with a probability, one box is overwritten by noise that is normal after
 * normalisation: y = (n - shift) / scale for n ~ N(0,1) drawn per value. x u8 or f32, scale and shift f32 [C], step i32 []; y f32.
 * As timm's RandomErasing in mode pixel; with `integers` as mmcls has it: y truncated to whole numbers of 0..255. */
#include "../shared/kernel.h"
#include "../shared/mixing.h"

typedef struct erase_params { double probability, area_low, area_high, ratio_low; int64_t integers; const char *stream; } erase_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const erase_params *p = params;
    char t[96];
    (void)n_in;
    if (in[0]->rank != 4 || (in[0]->dtype != BA_U8 && in[0]->dtype != BA_F32))
        return ba_fail(e, BA_EARG, "erase: x is %s; pictures [B,H,W,C], u8 or f32 expected", bai_text(in[0], t));
    for (int i = 1; i < 3; i++)
        if (in[i]->dtype != BA_F32 || in[i]->rank != 1 || in[i]->dim[0] != in[0]->dim[3])
            return ba_fail(e, BA_EARG, "erase: %s is %s; f32[%lld] expected", i == 1 ? "scale" : "shift", bai_text(in[i], t), (long long)in[0]->dim[3]);
    if (in[3]->dtype != BA_I32 || in[3]->rank)
        return ba_fail(e, BA_EARG, "erase: the step is %s; i32[] expected", bai_text(in[3], t));
    if (p->area_low > p->area_high)
        return ba_fail(e, BA_EARG, "erase: areas from %g to %g; low <= high expected", p->area_low, p->area_high);
    *out = bai_like(in[0], BA_F32);
    return BA_OK;
}

static bai_erasing rule(const erase_params *p)
{
    return (bai_erasing){ p->probability, p->area_low, p->area_high, p->ratio_low, p->integers != 0 };
}

static void task(void *ctx, int64_t b, int worker) /* one picture */
{
    const ba_kernel *k = ctx;
    const bai_erasing p = rule(k->params);
    const ba_type *t = &k->in[0].type;
    const float *scale = k->in[1].data, *shift = k->in[2].data;
    uint32_t step = (uint32_t)*(const int32_t *)k->in[3].data, stream = ba_stream(((const erase_params *)k->params)->stream);
    int64_t W = t->dim[2], C = t->dim[3], n = t->dim[1] * W * C, at = b * n;
    bai_erase_box o = bai_erase_draw(&p, k->seed, stream, step, b, t->dim[1], W);
    float *y = (float *)k->out[0].data, tmp[1024];
    (void)worker;
    for (int64_t i = 0; i < n; i += 1024) {
        int64_t m = bai_min(1024, n - i);
        memcpy(y + at + i, bai_row(&k->in[0], at + i, m, tmp), (size_t)m * 4);
    }
    for (int64_t r = o.y0; r < o.y1; r++)
        for (int64_t i = at + (r * W + o.x0) * C; i < at + (r * W + o.x1) * C; i++)
            y[i] = (float)bai_erase_paint(&p, k->seed, stream, step, i, scale[i % C], shift[i % C]);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    k->parallel(k, k->in[0].type.dim[0], task, (void *)k);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const bai_erasing p = rule(r->params);
    const ba_type *t = &r->in_type[0];
    uint32_t step = (uint32_t)(int32_t)r->in[3][0], stream = ba_stream(((const erase_params *)r->params)->stream);
    for (int64_t i = 0; i < ba_type_count(t); i++) {
        int64_t c = i % t->dim[3], x = i / t->dim[3] % t->dim[2], y = i / (t->dim[3] * t->dim[2]) % t->dim[1];
        bai_erase_box o = bai_erase_draw(&p, r->seed, stream, step, i / (t->dim[3] * t->dim[2] * t->dim[1]), t->dim[1], t->dim[2]);
        int in = y >= o.y0 && y < o.y1 && x >= o.x0 && x < o.x1;
        r->out[0][i] = in ? bai_erase_paint(&p, r->seed, stream, step, i, r->in[1][c], r->in[2][c]) : r->in[0][i];
    }
}

BA_OP(erase) = {
    .name = "erase", .doc = "random erasing: a box of each picture becomes noise",
    .min_in = 4, .max_in = 4, .n_out = 1,
    BA_PARAMS(erase_params,
        BA_FLOAT(erase_params, probability, 0.25, 0, 1, NULL, "of a picture to lose a box"),
        BA_FLOAT(erase_params, area_low, 0.02, 0, 1, NULL, "least share of the area"),
        BA_FLOAT(erase_params, area_high, 0.3333333333333333, 0, 1, NULL, "largest share of the area"),
        BA_FLOAT(erase_params, ratio_low, 0.3, 0.01, 1, NULL, "least height / width; the largest is its inverse"),
        BA_FLAG(erase_params, integers, 0, "whole numbers of 0..255, as if erased before normalisation"),
        BA_STRING(erase_params, stream, "erase", "name of the random stream")),
    .shape = shape, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "probability=1", 4, { { BA_U8, 4, { 5, 9, 12, 3 }, BA_FILL_INDEX, 0, 256 }, { BA_F32, 1, { 3 }, 0, .01, .02 }, { BA_F32, 1, { 3 }, 0, -2, -1 },
          { BA_I32, 0, { 0 }, BA_FILL_INDEX, 0, 1000 } } },
        { "probability=0.5,integers=1", 4, { { BA_F32, 4, { 6, 8, 8, 3 }, 0, 0, 255 }, { BA_F32, 1, { 3 }, 0, .01, .02 }, { BA_F32, 1, { 3 }, 0, -2, -1 },
          { BA_I32, 0, { 0 }, BA_FILL_INDEX, 0, 1000 } }, .loose = 1 },
        { "", 4, { { BA_F32, 4, { 4, 16, 16, 3 }, 0, 0, 255 }, { BA_F32, 1, { 3 }, 0, .01, .02 }, { BA_F32, 1, { 3 }, 0, -2, -1 },
          { BA_I32, 0, { 0 }, BA_FILL_INDEX, 0, 1000 } } }),
    .tolerance = 2e-6,
};
