/* adam_direction: the direction of Adam for one tensor; the moments m and v are updated in place. g, m, v and p (left out or not, for weight
 * decay) of one shape (fp32), step i32 [] from 1, factor f32 [] (left out or not: gradient clipping).
 *   m = b1 m + (1-b1) d; v = b2 v + (1-b2) d^2; u = (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps)
 * d = factor g + l2 p (Adam's classic decay); u + wd p is given out (LAMB's). */
#include "../shared/kernel.h"

typedef struct dir_params { double beta1, beta2, eps, l2, weight_decay; } dir_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const dir_params *a = params;
    const ba_type *p = n_in > 4 ? in[4] : NULL, *factor = n_in > 5 ? in[5] : NULL;
    char t[2][96];
    for (int i = 0; i < (n_in < 5 ? n_in : 5); i++)
        if (i != 3 && in[i] && (in[i]->dtype != BA_F32 || !bai_same_dims(in[0], in[i])))
            return ba_fail(e, BA_EARG, "adam_direction: g is %s, input %d %s; equal fp32 tensors expected", bai_text(in[0], t[0]), i, bai_text(in[i], t[1]));
    if (in[3]->dtype != BA_I32 || in[3]->rank || (factor && (factor->dtype != BA_F32 || factor->rank)))
        return ba_fail(e, BA_EARG, "adam_direction: step is %s, factor %s; i32[] and f32[] expected", bai_text(in[3], t[0]), factor ? bai_text(factor, t[1]) : "left out");
    if (!p && (a->l2 > 0 || a->weight_decay > 0))
        return ba_fail(e, BA_EARG, "adam_direction: weight decay without p");
    out[0] = *in[0];
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)out;
    c->flops = 14 * (double)ba_type_count(in[0]);
    c->bytes += 8 * (double)ba_type_count(in[0]); /* m and v are written too */
}

typedef struct job { const ba_kernel *k; float b1, b2, c1, rc2, eps, l2, decay, factor; } job;

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    float *m = j->k->in[1].data, *v = j->k->in[2].data, *u = j->k->out[0].data;
    const float *g = j->k->in[0].data, *p = j->k->n_in > 4 ? j->k->in[4].data : NULL;
    int64_t end = bai_min(ba_type_count(&j->k->in[0].type), (t + 1) * BAI_BLOCK);
    (void)worker;
    for (int64_t i = t * BAI_BLOCK; i < end; i++) {
        float x = p ? p[i] : 0, d = j->factor * g[i] + j->l2 * x;
        m[i] = j->b1 * m[i] + (1 - j->b1) * d;
        v[i] = j->b2 * v[i] + (1 - j->b2) * d * d;
        if (u)
            u[i] = j->c1 * m[i] / (sqrtf(v[i]) * j->rc2 + j->eps) + j->decay * x;
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    const dir_params *a = k->params;
    const double t = *(const int32_t *)k->in[3].data;
    if (t < 1)
        return ba_fail(e, BA_EARG, "step = %.0f; steps count from 1", t);
    job j = { k, (float)a->beta1, (float)a->beta2, (float)(1 / (1 - pow(a->beta1, t))), (float)(1 / sqrt(1 - pow(a->beta2, t))), (float)a->eps, (float)a->l2,
              (float)a->weight_decay, k->n_in > 5 && k->in[5].data ? *(const float *)k->in[5].data : 1 };
    k->parallel(k, bai_ceil(ba_type_count(&k->in[0].type), BAI_BLOCK), task, &j);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const dir_params *a = r->params;
    double t = r->in[3][0], f = r->n_in > 5 && r->in[5] ? r->in[5][0] : 1;
    for (int64_t i = 0; i < ba_type_count(&r->in_type[0]); i++) {
        double p = r->n_in > 4 && r->in[4] ? r->in[4][i] : 0, d = f * r->in[0][i] + a->l2 * p;
        r->in[1][i] = a->beta1 * r->in[1][i] + (1 - a->beta1) * d;
        r->in[2][i] = a->beta2 * r->in[2][i] + (1 - a->beta2) * d * d;
        r->out[0][i] = r->in[1][i] / (1 - pow(a->beta1, t)) / (sqrt(r->in[2][i] / (1 - pow(a->beta2, t))) + a->eps) + a->weight_decay * p;
    }
}

BA_OP(adam_direction) = {
    .name = "adam_direction", .doc = "the direction of Adam for one tensor; its moments are updated in place",
    .min_in = 4, .max_in = 6, .n_out = 1, .flags = BA_OP_EFFECT, .inout = 2 | 4,
    BA_PARAMS(dir_params,
        BA_FLOAT(dir_params, beta1, 0.9, 0, 0.9999999, NULL, "decay of the mean of gradients"),
        BA_FLOAT(dir_params, beta2, 0.999, 0, 0.9999999, NULL, "decay of the mean of squares"),
        BA_FLOAT(dir_params, eps, 1e-8, 0, 1, NULL, "added to the root"),
        BA_FLOAT(dir_params, l2, 0, 0, 10, NULL, "times p, added to the gradient"),
        BA_FLOAT(dir_params, weight_decay, 0, 0, 10, NULL, "times p, added to the direction")),
    .shape = shape, .cost = cost, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 4, { { BA_F32, 2, { 7, 9 }, 0, -1, 1 }, { BA_F32, 2, { 7, 9 }, 0, -1, 1 }, { BA_F32, 2, { 7, 9 }, 0, .01, 1 }, { BA_I32, 0, { 1 }, BA_FILL_INDEX, 1, 50 } } },
        { "l2=0.1,weight_decay=0.2,beta1=0.95", 6, { { BA_F32, 1, { 9001 }, 0, -1, 1 }, { BA_F32, 1, { 9001 }, 0, -1, 1 }, { BA_F32, 1, { 9001 }, 0, .01, 1 },
          { BA_I32, 0, { 1 }, BA_FILL_INDEX, 1, 50 }, { BA_F32, 1, { 9001 }, 0, -1, 1 }, { BA_F32, 0, { 1 }, 0, .1, 1 } } }),
    .tolerance = 2e-5,
};
