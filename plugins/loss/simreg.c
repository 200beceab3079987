/* simreg: the student's embedding, through a head of four layers, points where the teacher's does: the mean over the batch of 2 - 2 cos.
 * The head: (d,2d) BN ReLU (2d,d) (d,2d) BN ReLU (2d,d_t), BN the batch normalisation with the statistics of the step; it is left behind after
 * training. Code: UCDvision/simreg. */
#define BA_WANT_MINOR 1
#include <bauta/compose.h>

enum { MLP, LINEAR, NONE };

typedef struct simreg_params { double weight; int64_t head; } simreg_params;

static const char *const heads[] = { "mlp", "linear", "none", NULL };

/* Each column of [B,D] with mean 0 and variance 1 over the batch (the biased one, eps 1e-5), times a learned weight, plus a learned bias. */
static ba_tensor *batchnorm(ba_on o, const char *name, ba_tensor *x)
{
    char full[2][64];
    if (!x)
        return NULL;
    snprintf(full[0], 64, "%.40s.weight", name);
    snprintf(full[1], 64, "%.40s.bias", name);
    const int64_t dim = o.h->dim(x, 1);
    ba_tensor *w = o.h->weight(o.b, full[0], 1, &dim, BA_INIT_ONE, 0, 0, o.e), *shift = w ? o.h->weight(o.b, full[1], 1, &dim, BA_INIT_ZERO, 0, 0, o.e) : NULL;
    x = shift ? ba_sub(o, x, ba_mean(o, x, 0, 1)) : NULL;
    ba_tensor *variance = ba_mean(o, ba_op1(o, "square", x, 0, NULL), 0, 1);
    x = ba_op2(o, "div", x, ba_op1(o, "sqrt", ba_scale(o, variance, 1, 1e-5), 0, NULL), 0, NULL);
    return ba_add(o, ba_mul(o, x, w), shift);
}

static ba_tensor *half(ba_on o, const char *const names[3], ba_tensor *x, int64_t out)
{
    x = x ? o.h->project(o.b, names[0], x, 2 * o.h->dim(x, 1), o.e) : NULL;
    x = ba_op1(o, "relu", batchnorm(o, names[1], x), 0, NULL);
    return x ? o.h->project(o.b, names[2], x, out, o.e) : NULL;
}

static ba_tensor *headed(ba_on o, ba_tensor *x, int64_t head, int64_t dim)
{
    static const char *const first[] = { "head.0", "head.1", "head.3" }, *const second[] = { "head.4", "head.5", "head.7" };
    if (head == NONE || !x)
        return x;
    if (head == LINEAR)
        return o.h->project(o.b, "head", x, dim, o.e);
    return half(o, second, half(o, first, x, o.h->dim(x, 1)), dim);
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const simreg_params *p = params;
    const ba_on o = { h, b, e };
    ba_tensor *t = ba_embedding(o, "teacher"), *s = t ? headed(o, ba_embedding(o, "student"), p->head, h->dim(t, 1)) : NULL;
    if (!s)
        return e->code;
    if (h->dim(s, 1) != h->dim(t, 1))
        return BA_FAIL(h, e, BA_EARG, "head = none: the student's embedding has %lld numbers, the teacher's %lld; equal ones or a head expected",
                       (long long)h->dim(s, 1), (long long)h->dim(t, 1));
    ba_tensor *cosines = ba_sum(o, ba_mul(o, ba_normalise(o, s), ba_normalise(o, t)), 1, 0);
    return ba_finish(o, ba_mean(o, ba_scale(o, cosines, -2, 2), BA_EVERY, 0), p->weight, out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "student.features", "teacher.features", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "simreg", .version = "1.0", .needs = needs,
    .doc = "the student's embedding, through a head with batch normalisation, points where the teacher's does; no labels",
    .cite = "Navaneet et al., SimReg: Regression as a Simple Yet Effective Tool for Self-supervised Knowledge Distillation, BMVC 2021",
    BA_PARAMS(simreg_params,
        BA_FLOAT(simreg_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_CHOICE(simreg_params, head, 0, heads, "between student and loss: four layers with batch normalisation, one, or none")),
    .ops = &ops,
};
