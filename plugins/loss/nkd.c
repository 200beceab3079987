/* nkd: normalised knowledge distillation. With g the label and p^ the softmax over all classes but g:
 *   - mean_b p_teacher(g) ln p_student(g)   -   gamma t^2 mean_b sum_{i != g} p^_teacher(i; t) ln p^_student(i; t)
 * Cross-entropies, not divergences: the least value is not 0. It stands beside the plain cross-entropy. Code: yzd-v/cls_KD. */
#include <bauta/compose.h>

typedef struct nkd_params { double weight, gamma, temperature; } nkd_params;

static const double far = -1e9; /* a logit that leaves no probability */

/* sum_c q_c ln softmax(z)_c of each sample, the mean over the batch. */
static ba_tensor *cross(ba_on o, ba_tensor *q, ba_tensor *z)
{
    ba_tensor *t = ba_mul(o, q, ba_op1(o, "log_softmax", z, 0, NULL));
    return ba_mean(o, ba_sum(o, t, 1, 0), BA_EVERY, 0);
}

/* Logits / t, the label's class out of the way. */
static ba_tensor *others(ba_on o, ba_tensor *z, ba_tensor *is_label, double t)
{
    return ba_op3(o, "where", is_label, o.h->scalar(o.b, far, o.e), ba_scale(o, z, 1 / t, 0), 0, NULL);
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const nkd_params *p = params;
    const ba_on o = { h, b, e };
    ba_tensor *s = ba_signal_f32(o, "student", "logits", -1), *t = s ? ba_signal_f32(o, "teacher", "logits", -1) : NULL;
    if (!t)
        return e->code;
    int64_t classes = h->dim(s, 1);
    if (classes != h->dim(t, 1) || classes < 2)
        return BA_FAIL(h, e, BA_EARG, "the student has %lld classes, the teacher %lld; equal numbers of at least 2 expected", (long long)classes, (long long)h->dim(t, 1));
    ba_tensor *label = ba_op1(o, "one_hot", ba_labels(o), BA_ATTRS(BA_I("classes", classes)));
    ba_tensor *target = cross(o, ba_mul(o, label, ba_op1(o, "softmax", t, 0, NULL)), s);
    ba_tensor *soft = ba_op1(o, "softmax", others(o, t, label, p->temperature), 0, NULL);
    ba_tensor *rest = cross(o, soft, others(o, s, label, p->temperature));
    rest = ba_scale(o, rest, p->gamma * p->temperature * p->temperature, 0);
    return ba_finish(o, ba_add(o, target, rest), -p->weight, out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "teacher.logits", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "nkd", .version = "1.0", .needs = needs,
    .doc = "normalised distillation: the label's class and the others apart, as cross-entropies",
    .cite = "Yang et al., From Knowledge Distillation to Self-Knowledge Distillation, ICCV 2023",
    BA_PARAMS(nkd_params,
        BA_FLOAT(nkd_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_FLOAT(nkd_params, gamma, 1, 0, 1e6, NULL, "factor of the other classes: 1 for vision transformers, 1.5 in the original for convolutional networks"),
        BA_FLOAT(nkd_params, temperature, 1, 0.01, 1000, NULL, "of the other classes; its square multiplies their part")),
    .ops = &ops,
};
