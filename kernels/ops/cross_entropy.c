/* cross_entropy: softmax cross-entropy of each row, with its gradient made in the same pass.
 * logits [B,C]; target i32 [B] (labels, smoothed by `smoothing`: (1-s) onehot + s/C) or f32 [B,C] (soft targets that sum to 1, taken as they are).
 * out0 f32 [B]: -sum_c q_c log p_c; out1 f32 [B,C]: p - q, the gradient for the logits. */
#include "../shared/kernel.h"

typedef struct ce_params { double smoothing; } ce_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const ce_params *p = params;
    char t[2][96];
    (void)n_in;
    int labels = in[1]->dtype == BA_I32 && in[1]->rank == 1 && in[1]->dim[0] == in[0]->dim[0];
    int soft = in[1]->dtype == BA_F32 && bai_same_dims(in[0], in[1]);
    if (in[0]->rank != 2 || !bai_is_real(in[0]) || (!labels && !soft))
        return ba_fail(e, BA_EARG, "cross_entropy: logits are %s, target %s; i32[B] labels or f32[B,C] expected", bai_text(in[0], t[0]), bai_text(in[1], t[1]));
    if (soft && p->smoothing > 0)
        return ba_fail(e, BA_EARG, "cross_entropy: smoothing = %g with soft targets; smooth the targets instead", p->smoothing);
    out[0] = bai_shape(BA_F32, 1, in[0]->dim[0], 1, 1, 1);
    out[1] = bai_like(in[0], BA_F32);
    return BA_OK;
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)out;
    return (size_t)(workers * 2 * bai_round64(in[0]->dim[1] * 4));
}

/* p = softmax(z); returns the log-sum-exp. In double where it counts: losses are compared to 1e-6. */
static double soften(const float *z, int64_t n, float *p)
{
    float top = z[0];
    double sum = 0;
    for (int64_t i = 1; i < n; i++)
        top = z[i] > top ? z[i] : top;
    for (int64_t i = 0; i < n; i++) {
        p[i] = expf(z[i] - top);
        sum += (double)p[i];
    }
    for (int64_t i = 0; i < n; i++)
        p[i] = (float)((double)p[i] / sum);
    return (double)top + log(sum);
}

static void task(void *ctx, int64_t b, int worker)
{
    const ba_kernel *k = ctx;
    const ce_params *a = k->params;
    int64_t n = k->in[0].type.dim[1];
    float *tmp = (float *)((char *)k->scratch + worker * 2 * bai_round64(n * 4)), *p = tmp + bai_round64(n * 4) / 4;
    const float *z = bai_row(&k->in[0], b * n, n, tmp), *q = k->in[1].type.dtype == BA_F32 ? (const float *)k->in[1].data + b * n : NULL;
    double lse = soften(z, n, p), loss = 0, on = 1 - a->smoothing, off = a->smoothing / (double)n;
    int32_t y = q ? -1 : ((const int32_t *)k->in[1].data)[b];
    for (int64_t i = 0; i < n; i++) {
        double t = q ? (double)q[i] : off + (i == y ? on : 0);
        loss += t * (lse - (double)z[i]);
        p[i] = (float)((double)p[i] - t);
    }
    if (k->out[0].data)
        ((float *)k->out[0].data)[b] = (float)loss;
    if (k->out[1].data)
        memcpy((float *)k->out[1].data + b * n, p, (size_t)n * 4);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    int64_t B = k->in[0].type.dim[0], C = k->in[0].type.dim[1];
    for (int64_t b = 0; k->in[1].type.dtype == BA_I32 && b < B; b++)
        if (((const int32_t *)k->in[1].data)[b] < 0 || ((const int32_t *)k->in[1].data)[b] >= C)
            return ba_fail(e, BA_EDATA, "label %d of image %lld; the model has classes 0 to %lld", ((const int32_t *)k->in[1].data)[b], (long long)b, (long long)C - 1);
    k->parallel(k, B, task, (void *)k);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const ce_params *a = r->params;
    int64_t n = r->in_type[0].dim[1];
    for (int64_t b = 0; b < r->in_type[0].dim[0]; b++) {
        const double *z = r->in[0] + b * n;
        double top = z[0], sum = 0;
        for (int64_t i = 0; i < n; i++)
            top = z[i] > top ? z[i] : top;
        for (int64_t i = 0; i < n; i++)
            sum += exp(z[i] - top);
        r->out[0][b] = 0;
        for (int64_t i = 0; i < n; i++) {
            double t = r->in_type[1].dtype == BA_F32 ? r->in[1][b * n + i] : (i == (int64_t)r->in[1][b] ? 1 - a->smoothing : 0) + a->smoothing / (double)n;
            r->out[0][b] -= t * (z[i] - top - log(sum));
            r->out[1][b * n + i] = exp(z[i] - top) / sum - t;
        }
    }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    if (c->want[0] && c->dout[0]) {
        c->din[0] = bai_op2(c->g, "scale_rows", c->out[1], c->dout[0], 0, NULL, e);
        if (!c->din[0])
            return BA_EBUG;
    }
    if (c->n_in > 1 && c->want[1])
        return ba_fail(e, BA_EARG, "cross_entropy: no gradient for the targets; take them from a frozen tensor");
    return BA_OK;
}

BA_OP(cross_entropy) = {
    .name = "cross_entropy", .doc = "softmax cross-entropy of each row with labels (smoothed) or soft targets",
    .min_in = 2, .max_in = 2, .n_out = 2,
    BA_PARAMS(ce_params, BA_FLOAT(ce_params, smoothing, 0, 0, 1, NULL, "label smoothing")),
    .shape = shape, .scratch = scratch, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "smoothing=0.1", 2, { { BA_F32, 2, { 5, 7 }, 0, -3, 3 }, { BA_I32, 1, { 5 }, BA_FILL_INDEX, 0, 7 } }, .fixed = 2 },
        { "", 2, { { BA_F32, 2, { 3, 100 }, 0, -9, 9 }, { BA_F32, 2, { 3, 100 }, BA_FILL_PROB, 0, 1 } }, .fixed = 2 },
        { "", 2, { { BA_BF16, 2, { 5, 7 }, 0, -3, 3 }, { BA_I32, 1, { 5 }, BA_FILL_INDEX, 0, 7 } }, .fixed = 3 }),
    .tolerance = 2e-6,
};
