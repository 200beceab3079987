/* dino: self-distillation between views of a picture. Teacher and student (projection heads of an architecture that has one) look at the global views,
 * the student at the local ones besides; each view of the student's has to predict the teacher's of every other view:
 *   L = mean over pairs (i, v), v != i, of the mean over the batch of  - sum_j softmax((t_i - c) / teacher_temperature)_j ln softmax(s_v / student_temperature)_j
 * c, the centre, is a running mean of the teacher's outputs, renewed after the step. Views are stacked one behind the other:
 * all pictures of view 0, then of view 1. Code: facebookresearch/dino. */
#define BA_WANT_MINOR 1
#include <bauta/compose.h>

typedef struct dino_params { double weight, student_temperature, teacher_temperature, warmup_temperature, centre_momentum; int64_t warmup; } dino_params;

/* [V*B,K] as [V,B*K]. */
static ba_tensor *by_view(ba_on o, ba_tensor *x, int64_t views)
{
    return x ? ba_reshape(o, x, BA_DIMS(views, o.h->dim(x, 0) / views * o.h->dim(x, 1))) : NULL;
}

/* The teacher's temperature of this epoch: from warmup_temperature to teacher_temperature in a straight line, both ends taken. */
static ba_tensor *temperature(ba_on o, const dino_params *p)
{
    if (!p->warmup)
        return o.h->scalar(o.b, p->teacher_temperature, o.e);
    double step = p->warmup > 1 ? 1 / (double)(p->warmup - 1) : 0, span = p->teacher_temperature - p->warmup_temperature;
    ba_tensor *epoch = ba_signal_f32(o, "batch", "epoch", -1);
    epoch = p->warmup > 1 ? ba_scale(o, epoch, step, 0) : epoch;
    epoch = epoch ? ba_op2(o, "minimum", epoch, o.h->scalar(o.b, 1, o.e), 0, NULL) : NULL;
    return ba_scale(o, epoch, span, p->warmup_temperature);
}

/* softmax((t - centre) / temperature); the centre moves on after the step. */
static ba_tensor *targets(ba_on o, const dino_params *p, ba_tensor *t)
{
    const int64_t dim[] = { 1, o.h->dim(t, 1) };
    ba_tensor *centre = o.h->state(o.b, "centre", 2, dim, BA_INIT_ZERO, 0, o.e), *mean = centre ? ba_mean(o, t, 0, 1) : NULL;
    if (!mean || o.h->after(o.b, "ema", 2, (ba_tensor *[]){ centre, mean }, BA_ATTRS(BA_F("decay", p->centre_momentum)), o.e))
        return NULL;
    return ba_op1(o, "softmax", ba_op2(o, "div", ba_sub(o, t, centre), temperature(o, p), 0, NULL), 0, NULL);
}

/* ln softmax of every view of the student's: [views,B*K]; *views: how many. */
static ba_tensor *predictions(ba_on o, const dino_params *p, int64_t pictures, int64_t *views)
{
    ba_err none = { 0 };
    ba_tensor *x = ba_signal_f32(o, "student", "projection", -1), *local = x ? o.h->signal(o.b, "student_local", "projection", -1, &none) : NULL;
    int64_t outputs = x ? o.h->dim(x, 1) : 0;
    if (local)
        x = ba_op2(o, "concat", x, ba_as_f32(o, local), BA_ATTRS(BA_I("axis", 0)));
    *views = x ? o.h->dim(x, 0) / pictures : 0;
    x = ba_op1(o, "log_softmax", ba_scale(o, x, 1 / p->student_temperature, 0), 0, NULL);
    return x && outputs ? by_view(o, x, *views) : NULL;
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const dino_params *p = params;
    const ba_on o = { h, b, e };
    ba_tensor *labels = h->signal(b, "batch", "labels", -1, e), *t = labels ? ba_signal_f32(o, "teacher", "projection", -1) : NULL;
    if (!t)
        return e->code;
    const int64_t pictures = h->dim(labels, 0), views = h->dim(t, 0) / pictures;
    int64_t all;
    ba_tensor *q = predictions(o, p, pictures, &all), *want = q ? by_view(o, targets(o, p, t), views) : NULL;
    if (!want)
        return e->code;
    if (all < 2 || all < views)
        return BA_FAIL(h, e, BA_EARG, "the student has %lld view%s of a picture, the teacher %lld; at least two of the student's expected (views = ...)", (long long)all,
                       all == 1 ? "" : "s", (long long)views);
    if (h->dim(q, 1) != h->dim(want, 1))
        return BA_FAIL(h, e, BA_EARG, "projections of %lld numbers by the student, %lld by the teacher; equal ones expected", (long long)(h->dim(q, 1) / pictures),
                       (long long)(h->dim(want, 1) / pictures));
    ba_tensor *others = ba_sub(o, ba_sum(o, q, 0, 1), ba_slice(o, q, 0, 0, views)); /* of each of the teacher's views: the sum over all but it */
    double pairs = (double)(views * (all - 1));
    return ba_finish(o, ba_sum(o, ba_mul(o, want, others), BA_EVERY, 0), -p->weight / (pairs * (double)pictures), out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "student.projection", "teacher.projection", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "dino", .version = "1.0", .needs = needs,
    .doc = "each view of a picture predicts what the averaged teacher makes of the others; no labels",
    .cite = "Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021",
    BA_PARAMS(dino_params,
        BA_FLOAT(dino_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_FLOAT(dino_params, student_temperature, 0.1, 1e-4, 1000, NULL, "divides the student's outputs"),
        BA_FLOAT(dino_params, teacher_temperature, 0.04, 1e-4, 1000, NULL, "divides the teacher's, less the centre"),
        BA_FLOAT(dino_params, warmup_temperature, 0.04, 1e-4, 1000, NULL, "the teacher's in the first epoch, when warmup is set"),
        BA_INT(dino_params, warmup, 0, 0, 100000, "epochs", "how long the teacher's temperature moves from warmup_temperature to teacher_temperature"),
        BA_FLOAT(dino_params, centre_momentum, 0.9, 0, 1, NULL, "share of the old centre that stays after a step")),
    .ops = &ops,
};
