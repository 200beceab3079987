/* adamw: one step of AdamW for one tensor, in one pass: p, m, v in place.
 * p, g, m, v of one shape (fp32), lr f32 [], step i32 [] from 1; left out or not: factor f32 [] (gradient clipping), decay f32 [] (a weight decay
 * that changes over the steps, in place of the setting).
 *   m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; p = p (1 - lr wd) - lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps)
 * The one output is a token without content. */
#include "../shared/kernel.h"

typedef struct adamw_params { double beta1, beta2, eps, weight_decay; } adamw_params;
typedef struct step_size { float b1, b2, decay, lr, rc2, eps, factor; } step_size;

static int scalar(const ba_type *t) { return !t || (t->dtype == BA_F32 && !t->rank); }

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    (void)params;
    for (int i = 0; i < 4; i++)
        if (in[i]->dtype != BA_F32 || !bai_same_dims(in[0], in[i]))
            return ba_fail(e, BA_EARG, "adamw: p is %s, input %d %s; equal fp32 tensors expected", bai_text(in[0], t[0]), i, bai_text(in[i], t[1]));
    if (in[4]->dtype != BA_F32 || in[4]->rank || in[5]->dtype != BA_I32 || in[5]->rank || !scalar(n_in > 6 ? in[6] : NULL) || !scalar(n_in > 7 ? in[7] : NULL))
        return ba_fail(e, BA_EARG, "adamw: lr is %s, step %s; f32[] and i32[] expected", bai_text(in[4], t[0]), bai_text(in[5], t[1]));
    out[0] = bai_shape(BA_F32, 0, 1, 1, 1, 1);
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)out;
    c->flops = 14 * (double)ba_type_count(in[0]);
    c->bytes += 12 * (double)ba_type_count(in[0]); /* p, m, v are written too */
}

typedef struct job { const ba_kernel *k; step_size s; } job;

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const step_size s = j->s;
    (void)worker;
    float *p = j->k->in[0].data, *m = j->k->in[2].data, *v = j->k->in[3].data;
    const float *g = j->k->in[1].data;
    int64_t end = bai_min(ba_type_count(&j->k->in[0].type), (t + 1) * BAI_BLOCK);
    for (int64_t i = t * BAI_BLOCK; i < end; i++) {
        float d = g[i] * s.factor;
        float a = s.b1 * m[i] + (1 - s.b1) * d, b = s.b2 * v[i] + (1 - s.b2) * d * d;
        m[i] = a;
        v[i] = b;
        p[i] = p[i] * s.decay - s.lr * a / (sqrtf(b) * s.rc2 + s.eps);
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    const adamw_params *a = k->params;
    const double lr = *(const float *)k->in[4].data, t = *(const int32_t *)k->in[5].data;
    if (t < 1)
        return ba_fail(e, BA_EARG, "step = %.0f; steps count from 1", t);
    double c1 = 1 - pow(a->beta1, t), c2 = 1 - pow(a->beta2, t);
    const double wd = k->n_in > 7 && k->in[7].data ? *(const float *)k->in[7].data : a->weight_decay;
    job j = { k, { (float)a->beta1, (float)a->beta2, (float)(1 - lr * wd), (float)(lr / c1), (float)(1 / sqrt(c2)), (float)a->eps,
                   k->n_in > 6 && k->in[6].data ? *(const float *)k->in[6].data : 1 } };
    k->parallel(k, bai_ceil(ba_type_count(&k->in[0].type), BAI_BLOCK), task, &j);
    if (k->out[0].data)
        *(float *)k->out[0].data = 0;
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const adamw_params *a = r->params;
    double lr = r->in[4][0], t = r->in[5][0], f = r->n_in > 6 && r->in[6] ? r->in[6][0] : 1, wd = r->n_in > 7 && r->in[7] ? r->in[7][0] : a->weight_decay;
    for (int64_t i = 0; i < ba_type_count(&r->in_type[0]); i++) {
        double g = r->in[1][i] * f, *m = &r->in[2][i], *v = &r->in[3][i];
        *m = a->beta1 * *m + (1 - a->beta1) * g;
        *v = a->beta2 * *v + (1 - a->beta2) * g * g;
        r->in[0][i] *= 1 - lr * wd;
        r->in[0][i] -= lr * (*m / (1 - pow(a->beta1, t))) / (sqrt(*v / (1 - pow(a->beta2, t))) + a->eps);
    }
    r->out[0][0] = 0;
}

BA_OP(adamw) = {
    .name = "adamw", .doc = "one AdamW step for one tensor, in place",
    .min_in = 6, .max_in = 8, .n_out = 1, .flags = BA_OP_EFFECT, .inout = 1 | 4 | 8,
    BA_PARAMS(adamw_params,
        BA_FLOAT(adamw_params, beta1, 0.9, 0, 0.9999999, NULL, "decay of the mean of gradients"),
        BA_FLOAT(adamw_params, beta2, 0.999, 0, 0.9999999, NULL, "decay of the mean of squares"),
        BA_FLOAT(adamw_params, eps, 1e-8, 0, 1, NULL, "added to the root"),
        BA_FLOAT(adamw_params, weight_decay, 0, 0, 10, NULL, "decoupled: times the learning rate")),
    .shape = shape, .cost = cost, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "weight_decay=0.05", 6, { { BA_F32, 2, { 7, 9 }, 0, -1, 1 }, { BA_F32, 2, { 7, 9 }, 0, -1, 1 }, { BA_F32, 2, { 7, 9 }, 0, -1, 1 }, { BA_F32, 2, { 7, 9 }, 0, .01, 1 },
          { BA_F32, 0, { 1 }, 0, 1e-3, 1e-2 }, { BA_I32, 0, { 1 }, BA_FILL_INDEX, 1, 50 } } },
        { "", 7, { { BA_F32, 1, { 9001 }, 0, -1, 1 }, { BA_F32, 1, { 9001 }, 0, -1, 1 }, { BA_F32, 1, { 9001 }, 0, -1, 1 }, { BA_F32, 1, { 9001 }, 0, .01, 1 },
          { BA_F32, 0, { 1 }, 0, 1e-3, 1e-2 }, { BA_I32, 0, { 1 }, BA_FILL_INDEX, 1, 50 }, { BA_F32, 0, { 1 }, 0, .1, 1 } } },
        { "", 8, { { BA_F32, 1, { 70 }, 0, -1, 1 }, { BA_F32, 1, { 70 }, 0, -1, 1 }, { BA_F32, 1, { 70 }, 0, -1, 1 }, { BA_F32, 1, { 70 }, 0, .01, 1 },
          { BA_F32, 0, { 1 }, 0, 1e-3, 1e-2 }, { BA_I32, 0, { 1 }, BA_FILL_INDEX, 1, 50 }, { 0 }, { BA_F32, 0, { 1 }, 0, .01, 1 } } }),
    .tolerance = 2e-6,
};
