/* kl_divergence: what the student's prediction lacks of the teacher's, row by row, with its gradient made in the same pass.
 * student, teacher [B,C] logits; t = temperature: out0 f32 [B]: t^2 KL(softmax(teacher/t) || softmax(student/t)), summed over classes;
 * out1 f32 [B,C]: t (p_student - p_teacher), the gradient for the student. The teacher gets no gradient. */
#include "../shared/kernel.h"

typedef struct kl_params { double temperature; } kl_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    (void)params, (void)n_in;
    if (in[0]->rank != 2 || !bai_is_real(in[0]) || !bai_is_real(in[1]) || !bai_same_dims(in[0], in[1]))
        return ba_fail(e, BA_EARG, "kl_divergence: the student's logits are %s, the teacher's %s; equal [B,classes] expected", bai_text(in[0], t[0]),
                       bai_text(in[1], t[1]));
    out[0] = bai_shape(BA_F32, 1, in[0]->dim[0], 1, 1, 1);
    out[1] = bai_like(in[0], BA_F32);
    return BA_OK;
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)out;
    return (size_t)(workers * 2 * bai_round64(in[0]->dim[1] * 4));
}

static double log_sum(const float *z, int64_t n, double t)
{
    double top = (double)z[0], sum = 0;
    for (int64_t i = 1; i < n; i++)
        top = (double)z[i] > top ? (double)z[i] : top;
    for (int64_t i = 0; i < n; i++)
        sum += exp(((double)z[i] - top) / t);
    return top / t + log(sum);
}

static void task(void *ctx, int64_t b, int worker)
{
    const ba_kernel *k = ctx;
    const double t = ((const kl_params *)k->params)->temperature;
    int64_t n = k->in[0].type.dim[1];
    float *tmp = (float *)((char *)k->scratch + worker * 2 * bai_round64(n * 4));
    const float *s = bai_row(&k->in[0], b * n, n, tmp), *h = bai_row(&k->in[1], b * n, n, tmp + bai_round64(n * 4) / 4);
    double ls = log_sum(s, n, t), lh = log_sum(h, n, t), kl = 0;
    for (int64_t i = 0; i < n; i++) {
        double a = (double)s[i] / t - ls, c = (double)h[i] / t - lh, p = exp(c);
        kl += p == 0 ? 0 : p * (c - a);
        if (k->out[1].data)
            ((float *)k->out[1].data)[b * n + i] = (float)(t * (exp(a) - p));
    }
    if (k->out[0].data)
        ((float *)k->out[0].data)[b] = (float)(t * t * kl);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    k->parallel(k, k->in[0].type.dim[0], task, (void *)k);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const double t = ((const kl_params *)r->params)->temperature;
    int64_t n = r->in_type[0].dim[1];
    for (int64_t b = 0; b < r->in_type[0].dim[0]; b++) {
        double sum[2] = { 0 };
        for (int w = 0; w < 2; w++)
            for (int64_t i = 0; i < n; i++)
                sum[w] += exp(r->in[w][b * n + i] / t);
        r->out[0][b] = 0;
        for (int64_t i = 0; i < n; i++) {
            double p = exp(r->in[1][b * n + i] / t) / sum[1], q = exp(r->in[0][b * n + i] / t) / sum[0];
            r->out[0][b] += t * t * p * log(p / q);
            r->out[1][b * n + i] = t * (q - p);
        }
    }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    if (c->want[1])
        return ba_fail(e, BA_EARG, "kl_divergence: the teacher's logits get no gradient; freeze the teacher");
    c->din[0] = c->dout[0] ? bai_op2(c->g, "scale_rows", c->out[1], c->dout[0], 0, NULL, e) : NULL;
    return c->din[0] || !c->dout[0] ? BA_OK : BA_EBUG;
}

BA_OP(kl_divergence) = {
    .name = "kl_divergence", .doc = "temperature^2 KL(teacher || student) of each row of logits",
    .min_in = 2, .max_in = 2, .n_out = 2,
    BA_PARAMS(kl_params, BA_FLOAT(kl_params, temperature, 1, 1e-3, 1e3, NULL, "divides both logits")),
    .shape = shape, .scratch = scratch, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 2, { 5, 7 }, 0, -3, 3 }, { BA_F32, 2, { 5, 7 }, 0, -3, 3 } }, .fixed = 2 },
        { "temperature=4", 2, { { BA_F32, 2, { 3, 100 }, 0, -9, 9 }, { BA_F32, 2, { 3, 100 }, 0, -9, 9 } }, .fixed = 2 },
        { "", 2, { { BA_BF16, 2, { 5, 7 }, 0, -3, 3 }, { BA_BF16, 2, { 5, 7 }, 0, -3, 3 } }, .fixed = 3 }),
    .tolerance = 2e-6,
};
