/* quantise_fp8: numbers as codes of FP8 (E4M3), with one scale, a power of two, for all: x is about code * scale. For weights that do not change: in a
 * compiled program it runs once. */
#include "../shared/e4m3.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[96];
    (void)params, (void)n_in;
    if (!bai_is_real(in[0]))
        return ba_fail(e, BA_EARG, "quantise_fp8: x is %s; f32 or bf16 expected", bai_text(in[0], t));
    out[0] = bai_like(in[0], BA_U8);
    out[1] = bai_shape(BA_F32, 0, 1, 1, 1, 1);
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)out;
    c->flops = 4 * (double)ba_type_count(in[0]);
    c->bytes += (double)(ba_type_count(in[0]) * ba_dtype_size(in[0]->dtype)); /* read twice */
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)out, (void)workers;
    return (size_t)bai_ceil(ba_type_count(in[0]), BAI_BLOCK) * sizeof(float);
}

typedef struct job { const ba_kernel *k; int64_t n; float by, *largest; } job;

/* The largest finite or infinite number of a block; a NaN is left for its code to say. */
static void measure(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    (void)worker;
    const int64_t n = bai_min(BAI_BLOCK, j->n - t * BAI_BLOCK);
    float tmp[BAI_BLOCK];
    const float *x = bai_row(&j->k->in[0], t * BAI_BLOCK, n, tmp);
    vf top = v_set(0);
    for (int64_t i = 0; i < n; i += VL)
        top = v_max(v_abs(v_load_part(x + i, bai_min(VL, n - i))), top);
    j->largest[t] = v_top(top);
}

static void code(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    (void)worker;
    const int64_t n = bai_min(BAI_BLOCK, j->n - t * BAI_BLOCK);
    float tmp[BAI_BLOCK], near[VL];
    const float *x = bai_row(&j->k->in[0], t * BAI_BLOCK, n, tmp);
    uint8_t *to = (uint8_t *)j->k->out[0].data + t * BAI_BLOCK;
    for (int64_t i = 0; i < n; i += VL) {
        const int64_t m = bai_min(VL, n - i);
        v_store(near, v_to_e4m3(v_load_part(x + i, m) * j->by));
        for (int64_t l = 0; l < m; l++)
            to[i + l] = e4m3_code(near[l]);
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    job j = { k, ba_type_count(&k->in[0].type), 1, k->scratch };
    const int64_t blocks = bai_ceil(j.n, BAI_BLOCK);
    float largest = 0;
    k->parallel(k, blocks, measure, &j);
    for (int64_t i = 0; i < blocks; i++)
        largest = j.largest[i] > largest ? j.largest[i] : largest;
    const float scale = e4m3_scale(largest);
    j.by = 1 / scale;
    if (k->out[1].data)
        *(float *)k->out[1].data = scale;
    if (k->out[0].data)
        k->parallel(k, blocks, code, &j);
    return BA_OK;
}

/* The nearest of the 127 numbers, found by looking at all; of two equally near ones that of the even code. */
static double nearest(double a)
{
    double best = 0, distance = INFINITY;
    for (int c = 0; c < 127; c++) {
        const double v = c < 8 ? ldexp(c, -9) : ldexp(8 + c % 8, c / 8 - 10), d = fabs(a - v);
        if (d < distance || (d == distance && c % 2 == 0)) {
            best = c;
            distance = d;
        }
    }
    return best;
}

static void reference(const ba_ref *r)
{
    const int64_t n = ba_type_count(&r->in_type[0]);
    double largest = 0, scale = 1;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(r->in[0][i]));
    while (largest > 448 * scale)
        scale *= 2;
    while (largest > 0 && largest <= 224 * scale)
        scale /= 2;
    r->out[1][0] = scale;
    for (int64_t i = 0; i < n; i++)
        r->out[0][i] = nearest(fabs(r->in[0][i]) / scale) + (signbit(r->in[0][i]) ? 128 : 0);
}

BA_OP(quantise_fp8) = {
    .name = "quantise_fp8",
    .doc = "codes of FP8 (E4M3, as u8) for numbers that do not change, and their common scale, a power of two; no gradient goes through it",
    .min_in = 1, .max_in = 1, .n_out = 2, .flags = BA_OP_FROZEN,
    .shape = shape, .cost = cost, .scratch = scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 1, { { BA_F32, 2, { 5, 7 }, 0, -1, 1 } } },
        { "", 1, { { BA_F32, 2, { 70, 190 }, 0, -1, 1 } } },
        { "", 1, { { BA_F32, 0, { 0 }, 0, -3, 3 } } },
        { "", 1, { { BA_F32, 2, { 60, 90 }, BA_FILL_INDEX, -60, 61 } } },                    /* many ties */
        { "", 1, { { BA_F32, 1, { 900 }, BA_FILL_INDEX, -448, 449 } } },                     /* up to the largest number */
        { "", 1, { { BA_F32, 1, { 90 }, 0, 0, 0 } } },                                       /* zeros */
        { "", 1, { { BA_F32, 1, { 90 }, 0, -1e-20, 1e-20 } } },
        { "", 1, { { BA_F32, 1, { 90 }, 0, -1e20, 1e20 } } },
        { "", 1, { { BA_BF16, 2, { 33, 200 }, 0, -0.1, 0.1 } } }),
    .tolerance = 0,
};
