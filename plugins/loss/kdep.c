/* kdep: the student's embedding regresses the teacher's, brought to the student's width without learning: (f - mean) times the leading singular vectors of
 * the teacher's embeddings of the training set, then power scaling sign(g) |g / T|^(1/n). Mean and vectors are computed once, by
 * `bauta statistics`, and loaded as state. Mean squared error. Code: CVMI-Lab/KDEP. */
#define BA_WANT_MINOR 1
#include <bauta/compose.h>

enum { POWER, PLAIN };

typedef struct kdep_params { double weight, divisor, root; int64_t scaling; const char *statistics; } kdep_params;

static const char *const scalings[] = { "power", "none", NULL };

static ba_tensor *power_scaled(ba_on o, ba_tensor *g, double divisor, double root)
{
    ba_tensor *zero = g ? o.h->scalar(o.b, 0, o.e) : NULL, *least = zero ? o.h->scalar(o.b, 1e-30, o.e) : NULL;
    ba_tensor *sign = ba_sub(o, ba_op2(o, "less", zero, g, 0, NULL), ba_op2(o, "less", g, zero, 0, NULL));
    ba_tensor *size = ba_op2(o, "maximum", ba_scale(o, ba_op1(o, "abs", g, 0, NULL), 1 / divisor, 0), least, 0, NULL);
    size = ba_op1(o, "exp", ba_scale(o, ba_op1(o, "log", size, 0, NULL), 1 / root, 0), 0, NULL);
    return ba_mul(o, sign, size);
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const kdep_params *p = params;
    const ba_on o = { h, b, e };
    if (!*p->statistics)
        return BA_FAIL(h, e, BA_EARG, "statistics = \"\": the file that `bauta statistics` wrote for this teacher, or auto, expected");
    ba_tensor *t = ba_embedding(o, "teacher"), *s = t ? ba_embedding(o, "student") : NULL;
    if (!s)
        return e->code;
    const int64_t dim[] = { h->dim(t, 1), h->dim(s, 1) };
    if (dim[1] > dim[0])
        return BA_FAIL(h, e, BA_EARG, "the student's embedding has %lld numbers, the teacher's %lld; at most as many expected", (long long)dim[1], (long long)dim[0]);
    ba_tensor *mean = h->state(b, "mean", 1, dim, BA_INIT_ZERO, 0, e);
    ba_tensor *basis = mean ? h->state(b, "basis", 2, (const int64_t[]){ dim[0], dim[0] }, BA_INIT_ZERO, 0, e) : NULL;
    ba_tensor *g = ba_matmul(o, ba_sub(o, t, mean), ba_slice(o, basis, 1, 0, dim[1]), 0, 0);
    if (p->scaling == POWER)
        g = power_scaled(o, g, p->divisor, p->root);
    return ba_finish(o, ba_mean(o, ba_op1(o, "square", ba_sub(o, s, g), 0, NULL), BA_EVERY, 0), p->weight, out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "student.features", "teacher.features", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "kdep", .version = "1.0", .needs = needs,
    .doc = "regression of the teacher's embedding, brought to the student's width by its singular vectors and power scaling; no labels",
    .cite = "He et al., Knowledge Distillation as Efficient Pre-training, CVPR 2022",
    BA_PARAMS(kdep_params,
        BA_FLOAT(kdep_params, weight, 3, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_CHOICE(kdep_params, scaling, 0, scalings, "power scaling, or none"),
        BA_FLOAT(kdep_params, divisor, 0.1, 1e-6, 1e6, NULL, "T of the power scaling"),
        BA_FLOAT(kdep_params, root, 3, 1, 100, NULL, "n of the power scaling: the n-th root is taken"),
        BA_STRING(kdep_params, statistics, "", "safetensors file with mean [d] and basis [d,d] of the teacher's embeddings; auto: made before the first step")),
    .ops = &ops,
};
