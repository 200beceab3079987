/* old-loss: the student's logits shall point where the teacher's do: weight * mean over the pictures of 1 - cosine(student, teacher).
 * Called once, while a step is described: it adds nodes to the step's graph, and the engine derives the gradient. */
#include <bauta/plugin.h>

typedef struct old_params { double weight; } old_params;

static const char *const needs[] = { "student.logits", "teacher.logits", NULL };

/* The logits of a model, each row of length 1: [B,classes]. */
static ba_tensor *direction(const ba_host *h, ba_build *b, const char *who, ba_err *e)
{
    ba_tensor *t = h->signal(b, who, "logits", -1, e);
    return t ? h->op(b, "normalise", 1, &t, 0, NULL, e) : NULL;
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const old_params *p = params;
    ba_tensor *in[2] = { direction(h, b, "student", e), NULL };
    in[1] = in[0] ? direction(h, b, "teacher", e) : NULL;
    if (!in[1])
        return e->code;
    if (h->dim(in[0], 1) != h->dim(in[1], 1))
        return BA_FAIL(h, e, BA_EARG, "the student has %lld classes, the teacher %lld; equal ones expected", (long long)h->dim(in[0], 1),
                       (long long)h->dim(in[1], 1));
    ba_tensor *t = h->op(b, "mul", 2, in, 0, NULL, e);
    t = t ? h->op(b, "sum", 1, &t, BA_ATTRS(BA_I("axis", 1)), e) : NULL;      /* [B]: the cosines */
    t = t ? h->op(b, "mean", 1, &t, BA_ATTRS(BA_I("axis", -100)), e) : NULL;  /* a scalar: -100 means all axes */
    ba_tensor *difference[2] = { t ? h->scalar(b, 1, e) : NULL, t };
    t = difference[0] ? h->op(b, "sub", 2, difference, 0, NULL, e) : NULL;
    *out = t ? h->op(b, "scale", 1, &t, BA_ATTRS(BA_F("by", p->weight)), e) : NULL;
    return *out ? BA_OK : e->code;
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "old-loss", .version = "0.1", .needs = needs,
    .doc = "1 - cosine between the student's and the teacher's logits",
    BA_PARAMS(old_params, BA_FLOAT(old_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum")),
    .ops = &ops,
};
