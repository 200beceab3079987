/* resize_images: pictures [B,H,W,C] of u8 or f32 as f32 pictures of another size, for a model that is made for another one than the batch.
 * Bicubic (cubic convolution with a = -0.75, four taps, borders repeated) or bilinear; no smoothing when shrinking and no rounding or clamping:
 * what PyTorch's interpolate does to a batch of tensors. No gradient passes: pictures are given. */
#include "../shared/kernel.h"
#include "../shared/simd.h"

typedef struct images_params { int64_t rows, columns, filter, corners; } images_params;
typedef struct taps { int64_t at[4]; float weight[4]; } taps;

enum { BICUBIC, BILINEAR };
static const char *const filters[] = { "bicubic", "bilinear", NULL };
static const double a = -0.75;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const images_params *p = params;
    char t[96];
    (void)n_in;
    if (in[0]->rank != 4 || (in[0]->dtype != BA_U8 && in[0]->dtype != BA_F32))
        return ba_fail(e, BA_EARG, "resize_images: images are %s; u8 or f32 [B,H,W,C] expected", bai_text(in[0], t));
    out[0] = bai_shape(BA_F32, 4, in[0]->dim[0], p->rows, p->columns, in[0]->dim[3]);
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in;
    c->flops = 8 * (double)(ba_type_count(&out[0]) + out[0].dim[0] * out[0].dim[1] * in[0]->dim[2] * in[0]->dim[3]);
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)out; /* one row of the picture, once summed and once as fp32 */
    return (size_t)(workers * 2 * bai_round64(in[0]->dim[2] * in[0]->dim[3] * 4));
}

static double source(const images_params *p, int64_t i, int64_t n, int64_t M)
{
    if (p->corners)
        return M > 1 ? (double)i * (double)(n - 1) / (double)(M - 1) : 0;
    double x = ((double)i + 0.5) * (double)n / (double)M - 0.5;
    return p->filter == BILINEAR && x < 0 ? 0 : x;
}

/* Where output i of M comes from on a side of n. */
static taps taps_at(const images_params *p, int64_t i, int64_t n, int64_t M)
{
    double x = source(p, i, n, M), at = floor(x), f = x - at;
    double near = ((a + 2) * f - (a + 3)) * f * f + 1, g = 1 - f, other = ((a + 2) * g - (a + 3)) * g * g + 1;
    double w[4] = { ((a * (1 + f) - 5 * a) * (1 + f) + 8 * a) * (1 + f) - 4 * a, near, other, 0 };
    taps t;
    w[3] = 1 - w[0] - w[1] - w[2];
    if (p->filter == BILINEAR)
        w[0] = 0, w[1] = g, w[2] = f, w[3] = 0;
    for (int k = 0; k < 4; k++) {
        t.at[k] = bai_max(0, bai_min(n - 1, (int64_t)at + k - 1));
        t.weight[k] = (float)w[k];
    }
    return t;
}

static void task(void *ctx, int64_t t, int worker) /* one row of one picture */
{
    const ba_kernel *k = ctx;
    const images_params *p = k->params;
    const ba_type *x = &k->in[0].type;
    int64_t H = x->dim[1], W = x->dim[2], C = x->dim[3], n = W * C, b = t / p->rows;
    float *sum = (float *)k->scratch + worker * 2 * bai_round64(n * 4) / 4, *wide = sum + bai_round64(n * 4) / 4;
    float *to = (float *)k->out[0].data + t * p->columns * C;
    taps r = taps_at(p, t % p->rows, H, p->rows);
    memset(sum, 0, (size_t)n * 4);
    for (int q = 0; q < 4; q++) {
        const float *row = r.weight[q] ? bai_row(&k->in[0], (b * H + r.at[q]) * n, n, wide) : NULL;
        for (int64_t i = 0; row && i < n; i++)
            sum[i] += r.weight[q] * row[i];
    }
    for (int64_t j = 0; j < p->columns; j++) {
        taps c = taps_at(p, j, W, p->columns);
        for (int64_t i = 0; i < C; i++)
            to[j * C + i] = c.weight[0] * sum[c.at[0] * C + i] + c.weight[1] * sum[c.at[1] * C + i] + c.weight[2] * sum[c.at[2] * C + i] +
                            c.weight[3] * sum[c.at[3] * C + i];
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    k->parallel(k, k->out[0].type.dim[0] * k->out[0].type.dim[1], task, (void *)k);
    return BA_OK;
}

/* The weight of a source point at distance d, by the definition of each kernel. */
static double weight(const images_params *p, double d)
{
    d = fabs(d);
    if (p->filter == BILINEAR)
        return fmax(0, 1 - d);
    return d <= 1 ? (a + 2) * d * d * d - (a + 3) * d * d + 1 : d < 2 ? a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a : 0;
}

static void reference(const ba_ref *r)
{
    const images_params *p = r->params;
    const ba_type *x = &r->in_type[0];
    int64_t H = x->dim[1], W = x->dim[2], C = x->dim[3];
    for (int64_t o = 0; o < ba_type_count(&r->out_type[0]); o++) {
        int64_t c = o % C, j = o / C % p->columns, i = o / C / p->columns % p->rows, b = o / C / p->columns / p->rows;
        double y = source(p, i, H, p->rows), z = source(p, j, W, p->columns), s = 0;
        for (int64_t u = -3; u < H + 3; u++) /* borders repeated outwards */
            for (int64_t v = -3; v < W + 3; v++)
                s += weight(p, y - (double)u) * weight(p, z - (double)v) *
                     r->in[0][((b * H + bai_max(0, bai_min(H - 1, u))) * W + bai_max(0, bai_min(W - 1, v))) * C + c];
        r->out[0][o] = s;
    }
}

BA_OP(resize_images) = {
    .name = "resize_images", .doc = "pictures in another size, bicubically or bilinearly",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(images_params,
        BA_INT(images_params, rows, 1, 1, 1 << 16, "pixels", "rows afterwards"),
        BA_INT(images_params, columns, 1, 1, 1 << 16, "pixels", "columns afterwards"),
        BA_CHOICE(images_params, filter, BICUBIC, filters, "bicubic (a = -0.75) or bilinear"),
        BA_FLAG(images_params, corners, 0, "the corner pixels of both sizes coincide; otherwise the borders do")),
    .shape = shape, .cost = cost, .scratch = scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "rows=7,columns=9", 1, { { BA_U8, 4, { 2, 4, 5, 3 }, BA_FILL_INDEX, 0, 8 } } },
        { "rows=3,columns=2", 1, { { BA_F32, 4, { 2, 7, 5, 1 }, 0, -1, 1 } } },
        { "rows=6,columns=6,filter=bilinear", 1, { { BA_F32, 4, { 1, 4, 4, 3 }, 0, -1, 1 } } },
        { "rows=5,columns=1,corners=1", 1, { { BA_F32, 4, { 2, 3, 4, 2 }, 0, -1, 1 } } },
        { "rows=4,columns=5,filter=bilinear,corners=1", 1, { { BA_U8, 4, { 1, 6, 3, 3 }, BA_FILL_INDEX, 0, 8 } } },
        { "rows=24,columns=24", 1, { { BA_U8, 4, { 1, 14, 14, 3 }, BA_FILL_INDEX, 0, 8 } } },
        { "rows=2,columns=3", 1, { { BA_F32, 4, { 1, 1, 1, 1 }, 0, -1, 1 } } }),
    .tolerance = 4e-6,
};
