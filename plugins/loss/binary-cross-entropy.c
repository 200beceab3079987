/* binary-cross-entropy: every class is a question of its own, yes or no, as DeiT III trains: with y the targets and s the logistic function
 *   - mean over batch and classes of  y ln s(z) + (1 - y) ln s(-z)
 * Of mixed pictures every class that takes part is a full yes, as DeiT III's code has it, unless `binary` is off. Each logit becomes a softmax over the pair (z, 0),
 * which is the same and loses nothing far from 0. */
#include <bauta/compose.h>

typedef struct bce_params { double weight; int64_t binary; const char *model; } bce_params;

/* What is asked of each class, f32 [B,C] in 0..1. */
static ba_tensor *targets(ba_on o, int64_t classes, int binary)
{
    ba_err none = { 0 };
    ba_tensor *soft = o.h->signal(o.b, "batch", "targets", -1, &none);
    if (!soft)
        return ba_op1(o, "one_hot", ba_labels(o), BA_ATTRS(BA_I("classes", classes)));
    return binary ? ba_op2(o, "less", o.h->scalar(o.b, 0, o.e), soft, 0, NULL) : soft;
}

/* [B,C] and [B,C] as pairs [B*C,2]. */
static ba_tensor *pairs(ba_on o, ba_tensor *x, ba_tensor *y)
{
    int64_t n = x ? o.h->dim(x, 0) * o.h->dim(x, 1) : 0;
    return ba_op2(o, "concat", ba_reshape(o, x, 2, (int64_t[]){ n, 1 }), ba_reshape(o, y, 2, (int64_t[]){ n, 1 }), BA_ATTRS(BA_I("axis", 1)));
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const bce_params *p = params;
    const ba_on o = { h, b, e };
    ba_tensor *z = ba_signal_f32(o, p->model, "logits", -1);
    if (!z)
        return e->code;
    ba_tensor *y = targets(o, h->dim(z, 1), p->binary != 0);
    ba_tensor *asked = pairs(o, y, ba_scale(o, y, -1, 1)), *answered = pairs(o, z, ba_scale(o, y, 0, 0));
    return ba_finish(o, ba_mean(o, ba_op2(o, "cross_entropy", answered, asked, 0, NULL), BA_EVERY, 0), p->weight, out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "binary-cross-entropy", .version = "1.0", .ops = &ops,
    .doc = "each class asked by itself, yes or no: the mean over batch and classes",
    .cite = "Touvron et al., DeiT III: Revenge of the ViT, ECCV 2022",
    BA_PARAMS(bce_params,
        BA_FLOAT(bce_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_FLAG(bce_params, binary, 1, "soft targets above 0 become 1 (DeiT III); off: they are taken as they are"),
        BA_STRING(bce_params, model, "student", "whose logits")),
};
