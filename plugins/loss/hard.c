/* hard: the teacher's decision as a label: cross-entropy of the student's logits with the teacher's likeliest class, the mean over the
 * batch; of equals the lowest class. With head = distillation it teaches the second head of a student with a distillation token (DeiT).
 * The paper's equation 3; code: facebookresearch/deit. */
#include <bauta/compose.h>

typedef struct hard_params { double weight; int64_t head; } hard_params;

static const char *const heads[] = { "class", "distillation", NULL };

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const hard_params *p = params;
    const ba_on o = { h, b, e };
    ba_tensor *student = ba_head(o, "student", p->head == 1), *teacher = student ? h->signal(b, "teacher", "logits", -1, e) : NULL;
    if (!teacher)
        return e->code;
    if (h->dim(student, 1) != h->dim(teacher, 1))
        return BA_FAIL(h, e, BA_EARG, "the student has %lld classes, the teacher %lld; its decisions need equal ones", (long long)h->dim(student, 1),
                       (long long)h->dim(teacher, 1));
    ba_tensor *t = ba_op2(o, "cross_entropy", student, ba_op1(o, "argmax", teacher, 0, NULL), BA_ATTRS(BA_F("smoothing", 0)));
    return ba_finish(o, ba_mean(o, t, BA_EVERY, 0), p->weight, out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "teacher.logits", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "hard", .version = "1.0", .needs = needs,
    .doc = "cross-entropy with the teacher's decision: hard-label distillation",
    .cite = "Touvron et al., Training data-efficient image transformers & distillation through attention, ICML 2021",
    BA_PARAMS(hard_params,
        BA_FLOAT(hard_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_CHOICE(hard_params, head, 0, heads, "which of the student's heads learns: class, or that of its distillation token")),
    .ops = &ops,
};
