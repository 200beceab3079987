/* topk: the patches to keep. scores f32 [B,N] -> i32 [B,keep], ascending. Ranked by score, ties by the lower index;
 * a score that is not a number is an error, never a silent choice. */
#include "../shared/kernel.h"

static const char *const orders[] = { "top", "bottom", NULL };

typedef struct topk_params { int64_t keep, order; } topk_params;
typedef struct ranked { float score; int32_t index; } ranked;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const topk_params *p = params;
    char t[96];
    (void)n_in;
    if (in[0]->rank != 2 || in[0]->dtype != BA_F32)
        return ba_fail(e, BA_EARG, "topk: scores are %s; f32[B,N] expected", bai_text(in[0], t));
    if (p->keep > in[0]->dim[1])
        return ba_fail(e, BA_EARG, "keep = %lld; the model has %lld patches", (long long)p->keep, (long long)in[0]->dim[1]);
    out[0] = bai_shape(BA_I32, 2, in[0]->dim[0], p->keep, 1, 1);
    return BA_OK;
}

static int by_score(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score ? 1 : -1) : (x->index > y->index) - (x->index < y->index);
}

static int by_index(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)out;
    return (size_t)(workers * bai_round64(in[0]->dim[1] * (int64_t)sizeof(ranked)));
}

static void task(void *ctx, int64_t b, int worker)
{
    const ba_kernel *k = ctx;
    const topk_params *p = k->params;
    int64_t n = k->in[0].type.dim[1];
    const float *s = (const float *)k->in[0].data + b * n;
    ranked *r = (ranked *)((char *)k->scratch + worker * bai_round64(n * (int64_t)sizeof *r));
    for (int64_t i = 0; i < n; i++)
        r[i] = (ranked){ p->order ? -s[i] : s[i], (int32_t)i };
    qsort(r, (size_t)n, sizeof *r, by_score);
    qsort(r, (size_t)p->keep, sizeof *r, by_index);
    for (int64_t i = 0; i < p->keep; i++)
        ((int32_t *)k->out[0].data)[b * p->keep + i] = r[i].index;
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    const float *s = k->in[0].data;
    int64_t n = k->in[0].type.dim[1], all = k->in[0].type.dim[0] * n;
    for (int64_t i = 0; i < all; i++)
        if (isnan(s[i]))
            return ba_fail(e, BA_ENUMERIC, "score of patch %lld of image %lld is NaN", (long long)(i % n), (long long)(i / n));
    k->parallel(k, k->in[0].type.dim[0], task, (void *)k);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const topk_params *p = r->params;
    int64_t n = r->in_type[0].dim[1];
    for (int64_t b = 0; b < r->in_type[0].dim[0]; b++)
        for (int64_t i = 0, at = 0; i < n; i++) {
            int64_t ahead = 0;
            for (int64_t j = 0; j < n; j++) {
                double x = r->in[0][b * n + j], y = r->in[0][b * n + i];
                ahead += (p->order ? x < y : x > y) || (x == y && j < i);
            }
            if (ahead < p->keep)
                r->out[0][b * p->keep + at++] = (double)i;
        }
}

BA_OP(topk) = {
    .name = "topk", .doc = "indices of the highest (or lowest) scores of each image, ascending; ties: lower index first",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(topk_params,
        BA_INT(topk_params, keep, 1, 1, 1 << 24, "patches", "how many to keep"),
        BA_CHOICE(topk_params, order, 0, orders, "which end of the ranking is kept")),
    .shape = shape, .scratch = scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "keep=3", 1, { { BA_F32, 2, { 4, 9 }, BA_FILL_DISTINCT, 0, 1 } } },
        { "keep=5,order=bottom", 1, { { BA_F32, 2, { 3, 40 }, BA_FILL_DISTINCT, -1, 1 } } },
        { "keep=4", 1, { { BA_F32, 2, { 6, 9 }, BA_FILL_INDEX, 0, 3 } } }),
    .tolerance = 0,
};
