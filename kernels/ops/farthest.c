/* farthest: an order in which every token is as far as possible from all before it (greedy farthest-point selection), as scores.
 * x f32 [B,N,d], weights f32 [B,N] -> f32 [B,N]. First comes the token of the highest weight; then, each time, the one whose distance to the
 * nearest of those chosen, times its weight, is the greatest. Token number i of the order scores N - i, so the k first are the k highest.
 * Ties: the lower index. No gradient passes. */
#include "../shared/kernel.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    (void)params, (void)n_in;
    if (in[0]->rank != 3 || in[0]->dtype != BA_F32 || in[1]->rank != 2 || in[1]->dtype != BA_F32 || in[1]->dim[0] != in[0]->dim[0] ||
        in[1]->dim[1] != in[0]->dim[1])
        return ba_fail(e, BA_EARG, "farthest: x is %s and the weights %s; f32[B,N,d] and f32[B,N] expected", bai_text(in[0], t[0]), bai_text(in[1], t[1]));
    out[0] = *in[1];
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)out;
    c->flops = 3 * (double)ba_type_count(in[0]) * (double)in[0]->dim[1];
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)out; /* squared distance to the nearest of the chosen; negative: chosen itself */
    return (size_t)(workers * bai_round64(in[0]->dim[1] * 4));
}

/* The token that comes next; near NULL: the first one. */
static int64_t next_of(const float *near, const float *weight, int64_t n)
{
    int64_t best = -1;
    float top = 0;
    for (int64_t i = 0; i < n; i++) {
        float v = near ? sqrtf(fmaxf(near[i], 0)) * weight[i] : weight[i];
        if ((!near || near[i] >= 0) && (best < 0 || v > top)) {
            top = v;
            best = i;
        }
    }
    return best;
}

static void task(void *ctx, int64_t b, int worker) /* one image */
{
    const ba_kernel *k = ctx;
    int64_t n = k->in[0].type.dim[1], d = k->in[0].type.dim[2];
    const float *x = (const float *)k->in[0].data + b * n * d, *weight = (const float *)k->in[1].data + b * n;
    float *out = (float *)k->out[0].data + b * n, *near = (float *)((char *)k->scratch + worker * bai_round64(n * 4));
    for (int64_t i = 0; i < n; i++)
        near[i] = INFINITY;
    for (int64_t order = 0, at = next_of(NULL, weight, n); order < n; order++, at = next_of(near, weight, n)) {
        out[at] = (float)(n - order);
        near[at] = -1;
        for (int64_t i = 0; i < n; i++) {
            float sum = 0;
            for (int64_t c = 0; c < d && near[i] >= 0; c++)
                sum += (x[i * d + c] - x[at * d + c]) * (x[i * d + c] - x[at * d + c]);
            near[i] = near[i] >= 0 ? fminf(near[i], sum) : -1;
        }
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    for (int i = 0; i < 2; i++) {
        const float *x = k->in[i].data;
        int64_t n = ba_type_count(&k->in[i].type), row = n / k->in[i].type.dim[0];
        for (int64_t j = 0; j < n; j++)
            if (i ? isnan(x[j]) : !isfinite(x[j])) /* infinitely far from itself, which is no number */
                return ba_fail(e, BA_ENUMERIC, "farthest: %s of image %lld is %s", i ? "a weight" : "a token", (long long)(j / row), isnan(x[j]) ? "NaN" : "infinite");
    }
    k->parallel(k, k->in[0].type.dim[0], task, (void *)k);
    return BA_OK;
}

/* Every distance anew for every choice. */
static void reference(const ba_ref *r)
{
    int64_t n = r->in_type[0].dim[1], d = r->in_type[0].dim[2];
    for (int64_t b = 0; b < r->in_type[0].dim[0]; b++) {
        double *out = r->out[0] + b * n;
        for (int64_t i = 0; i < n; i++)
            out[i] = 0;
        for (int64_t order = 0; order < n; order++) {
            int64_t best = -1;
            double top = 0;
            for (int64_t i = 0; i < n; i++) {
                double v = r->in[1][b * n + i], near = INFINITY;
                for (int64_t j = 0; j < n; j++) {
                    double sum = 0;
                    for (int64_t c = 0; c < d; c++)
                        sum += pow(r->in[0][(b * n + i) * d + c] - r->in[0][(b * n + j) * d + c], 2);
                    near = out[j] > 0 ? fmin(near, sqrt(sum)) : near;
                }
                v = order ? v * near : v;
                if (out[i] == 0 && (best < 0 || v > top)) {
                    top = v;
                    best = i;
                }
            }
            out[best] = (double)(n - order);
        }
    }
}

BA_OP(farthest) = {
    .name = "farthest", .doc = "scores by farthest-point selection: each token as far as possible from those with higher scores, times its weight",
    .min_in = 2, .max_in = 2, .n_out = 1,
    .shape = shape, .cost = cost, .scratch = scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 3, { 3, 9, 4 }, 0, -1, 1 }, { BA_F32, 2, { 3, 9 }, BA_FILL_DISTINCT, 0.1, 1 } } },
        { "", 2, { { BA_F32, 3, { 2, 25, 16 }, 0, -1, 1 }, { BA_F32, 2, { 2, 25 }, BA_FILL_DISTINCT, 0.5, 3 } } },
        { "", 2, { { BA_F32, 3, { 1, 70, 8 }, 0, -1, 1 }, { BA_F32, 2, { 1, 70 }, BA_FILL_DISTINCT, 0.5, 3 } } },
        { "", 2, { { BA_F32, 3, { 1, 1, 3 }, 0, -1, 1 }, { BA_F32, 2, { 1, 1 }, 0, 0, 1 } } },
        { "", 2, { { BA_F32, 3, { 2, 6, 1 }, BA_FILL_INDEX, 0, 3 }, { BA_F32, 2, { 2, 6 }, BA_FILL_INDEX, 1, 2 } } }),
    .tolerance = 0,
};
