/* dkd: decoupled knowledge distillation: alpha TCKD + beta NCKD, the divergence of (label, everything else) and that among the other
 * classes, both at temperature t and times t^2, the mean over the batch. Per sample KD = TCKD + (1 - p_teacher(label)) NCKD.
 * Over the first `warmup` epochs it grows in equal parts to its full weight. Code: megvii-research/mdistiller. */
#include <bauta/compose.h>

typedef struct dkd_params { double weight, alpha, beta, temperature; int64_t warmup; } dkd_params;

static const double far = -1e9; /* a logit that leaves no probability */

/* Logits without the label's class, and [label's logit, log-sum-exp of the others] / t, [B,2]. */
typedef struct parts { ba_tensor *rest, *two; } parts;

static parts split(ba_on o, ba_tensor *z, ba_tensor *label, double t)
{
    parts p;
    ba_tensor *low = o.h->scalar(o.b, far * t, o.e);
    p.rest = ba_op3(o, "where", label, low, z, 0, NULL);
    ba_tensor *own = ba_scale(o, ba_sum(o, ba_mul(o, z, label), 1, 1), 1 / t, 0), *scaled = ba_scale(o, p.rest, 1 / t, 0);
    ba_tensor *top = ba_op1(o, "max", scaled, BA_ATTRS(BA_I("axis", 1), BA_I("keep", 1)));
    ba_tensor *sum = ba_sum(o, ba_op1(o, "exp", ba_sub(o, scaled, top), 0, NULL), 1, 1);
    p.two = ba_op2(o, "concat", own, ba_add(o, ba_op1(o, "log", sum, 0, NULL), top), BA_ATTRS(BA_I("axis", 1)));
    return p;
}

/* Divergence of each sample, the mean over the batch. */
static ba_tensor *divergence(ba_on o, ba_tensor *s, ba_tensor *t, double temperature, double by)
{
    return ba_scale(o, ba_mean(o, ba_op2(o, "kl_divergence", s, t, BA_ATTRS(BA_F("temperature", temperature))), BA_EVERY, 0), by, 0);
}

/* min((epoch + 1) / warmup, 1) times x; epochs count from 0. */
static ba_tensor *grown(ba_on o, ba_tensor *x, int64_t warmup)
{
    if (!x || !warmup)
        return x;
    ba_tensor *epoch = ba_op1(o, "cast", o.h->signal(o.b, "batch", "epoch", -1, o.e), BA_ATTRS(BA_S("dtype", "f32")));
    ba_tensor *part = ba_scale(o, epoch, 1 / (double)warmup, 1 / (double)warmup);
    return ba_mul(o, x, ba_op2(o, "minimum", part, o.h->scalar(o.b, 1, o.e), 0, NULL));
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const dkd_params *p = params;
    const ba_on o = { h, b, e };
    const double t = p->temperature;
    ba_tensor *zs = ba_signal_f32(o, "student", "logits", -1), *zt = zs ? ba_signal_f32(o, "teacher", "logits", -1) : NULL;
    if (!zt)
        return e->code;
    int64_t classes = h->dim(zs, 1);
    if (classes != h->dim(zt, 1) || classes < 2)
        return BA_FAIL(h, e, BA_EARG, "the student has %lld classes, the teacher %lld; equal numbers of at least 2 expected", (long long)classes, (long long)h->dim(zt, 1));
    ba_tensor *label = ba_op1(o, "one_hot", ba_labels(o), BA_ATTRS(BA_I("classes", classes)));
    parts s = split(o, zs, label, t), q = split(o, zt, label, t);
    ba_tensor *target = divergence(o, s.two, q.two, 1, p->alpha * t * t), *rest = divergence(o, s.rest, q.rest, t, p->beta);
    return ba_finish(o, grown(o, ba_add(o, target, rest), p->warmup), p->weight, out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "teacher.logits", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "dkd", .version = "1.0", .needs = needs,
    .doc = "decoupled distillation: the label's class against all others, and the others among themselves",
    .cite = "Zhao et al., Decoupled Knowledge Distillation, CVPR 2022",
    BA_PARAMS(dkd_params,
        BA_FLOAT(dkd_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_FLOAT(dkd_params, alpha, 1, 0, 1e6, NULL, "factor of label against others"),
        BA_FLOAT(dkd_params, beta, 0.5, 0, 1e6, NULL, "factor of the others among themselves: 0.5 on ImageNet, 8 on CIFAR with temperature 4"),
        BA_FLOAT(dkd_params, temperature, 1, 0.01, 1000, NULL, "divides all logits; its square multiplies both parts"),
        BA_INT(dkd_params, warmup, 0, 0, 100000, "epochs", "until the full weight is reached: 0 for vision transformers, 20 on CIFAR in the original")),
    .ops = &ops,
};
