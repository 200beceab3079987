/* sgd: one step of gradient descent for one tensor, in place: p, and mu when there is momentum.
 * p, g of one shape (fp32), lr f32 []; left out or not: mu of p's shape, factor f32 [] (gradient clipping), ratio f32 [] (of the step: LARS, LAMB).
 *   d = ratio (factor g + wd p); mu = momentum mu + d; p = p - lr mu, or with nesterov p - lr (d + momentum mu)
 * The one output is a token without content. */
#include "../shared/kernel.h"

typedef struct sgd_params { double momentum, weight_decay; int64_t nesterov; } sgd_params;

static int scalar(const ba_type *t) { return !t || (t->dtype == BA_F32 && !t->rank); }

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const sgd_params *s = params;
    const ba_type *mu = n_in > 3 ? in[3] : NULL;
    char t[2][96];
    if (in[0]->dtype != BA_F32 || in[1]->dtype != BA_F32 || !bai_same_dims(in[0], in[1]))
        return ba_fail(e, BA_EARG, "sgd: p is %s, g %s; equal fp32 tensors expected", bai_text(in[0], t[0]), bai_text(in[1], t[1]));
    if (mu && (mu->dtype != BA_F32 || !bai_same_dims(in[0], mu)))
        return ba_fail(e, BA_EARG, "sgd: p is %s, mu %s; equal fp32 tensors expected", bai_text(in[0], t[0]), bai_text(mu, t[1]));
    if (!mu && (s->momentum > 0 || s->nesterov))
        return ba_fail(e, BA_EARG, "sgd: momentum %g without mu", s->momentum);
    for (int i = 2; i < n_in; i++)
        if (i != 3 && !scalar(in[i]))
            return ba_fail(e, BA_EARG, "sgd: %s is %s; f32[] expected", i == 2 ? "lr" : i == 4 ? "factor" : "ratio", bai_text(in[i], t[0]));
    out[0] = bai_shape(BA_F32, 0, 1, 1, 1, 1);
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    int mu = n_in > 3 && in[3];
    (void)params, (void)out;
    c->flops = (mu ? 7 : 5) * (double)ba_type_count(in[0]);
    c->bytes += (mu ? 8 : 4) * (double)ba_type_count(in[0]); /* p and mu are written too */
}

typedef struct job { const ba_kernel *k; float lr, factor, ratio, momentum, decay; int nesterov; } job;

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    float *p = j->k->in[0].data, *mu = j->k->n_in > 3 ? j->k->in[3].data : NULL;
    const float *g = j->k->in[1].data;
    int64_t end = bai_min(ba_type_count(&j->k->in[0].type), (t + 1) * BAI_BLOCK);
    (void)worker;
    for (int64_t i = t * BAI_BLOCK; i < end; i++) {
        float d = j->ratio * (j->factor * g[i] + j->decay * p[i]), m = d;
        if (mu)
            m = mu[i] = j->momentum * mu[i] + d;
        p[i] -= j->lr * (j->nesterov ? d + j->momentum * m : m);
    }
}

static float at(const ba_kernel *k, int i) { return k->n_in > i && k->in[i].data ? *(const float *)k->in[i].data : 1; }

static int cpu(const ba_kernel *k, ba_err *e)
{
    const sgd_params *s = k->params;
    (void)e;
    job j = { k, at(k, 2), at(k, 4), at(k, 5), (float)s->momentum, (float)s->weight_decay, s->nesterov != 0 };
    k->parallel(k, bai_ceil(ba_type_count(&k->in[0].type), BAI_BLOCK), task, &j);
    if (k->out[0].data)
        *(float *)k->out[0].data = 0;
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const sgd_params *s = r->params;
    double *mu = r->n_in > 3 ? r->in[3] : NULL, factor = r->n_in > 4 && r->in[4] ? r->in[4][0] : 1, ratio = r->n_in > 5 && r->in[5] ? r->in[5][0] : 1;
    for (int64_t i = 0; i < ba_type_count(&r->in_type[0]); i++) {
        double d = (r->in[1][i] * factor + s->weight_decay * r->in[0][i]) * ratio, step = d;
        if (mu) {
            mu[i] = s->momentum * mu[i] + d;
            step = s->nesterov ? d + s->momentum * mu[i] : mu[i];
        }
        r->in[0][i] -= r->in[2][0] * step;
    }
    r->out[0][0] = 0;
}

BA_OP(sgd) = {
    .name = "sgd", .doc = "one step of gradient descent for one tensor, with or without momentum, in place",
    .min_in = 3, .max_in = 6, .n_out = 1, .flags = BA_OP_EFFECT, .inout = 1 | 8,
    BA_PARAMS(sgd_params,
        BA_FLOAT(sgd_params, momentum, 0, 0, 0.9999999, NULL, "decay of the sum of gradients"),
        BA_FLOAT(sgd_params, weight_decay, 0, 0, 10, NULL, "added to the gradient, times p"),
        BA_FLAG(sgd_params, nesterov, 0, "look ahead")),
    .shape = shape, .cost = cost, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "weight_decay=0.05", 3, { { BA_F32, 2, { 7, 9 }, 0, -1, 1 }, { BA_F32, 2, { 7, 9 }, 0, -1, 1 }, { BA_F32, 0, { 1 }, 0, 1e-3, 1e-1 } } },
        { "momentum=0.9", 4, { { BA_F32, 1, { 9001 }, 0, -1, 1 }, { BA_F32, 1, { 9001 }, 0, -1, 1 }, { BA_F32, 0, { 1 }, 0, 1e-3, 1e-1 }, { BA_F32, 1, { 9001 }, 0, -1, 1 } } },
        { "momentum=0.9,nesterov=1,weight_decay=0.1", 6, { { BA_F32, 2, { 7, 9 }, 0, -1, 1 }, { BA_F32, 2, { 7, 9 }, 0, -1, 1 }, { BA_F32, 0, { 1 }, 0, 1e-3, 1e-1 },
          { BA_F32, 2, { 7, 9 }, 0, -1, 1 }, { BA_F32, 0, { 1 }, 0, .1, 1 }, { BA_F32, 0, { 1 }, 0, .1, 1 } } }),
    .tolerance = 2e-6,
};
