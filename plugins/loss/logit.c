/* logit: distillation of the teacher's prediction: t^2 KL(softmax(teacher/t) || softmax(student/t)), reduced by one of the ways in use.
 *   batchmean  summed over classes, mean over the batch: the MaskedKD paper and its code, Manifold, mdistiller
 *   numel      also divided by the number of classes: DeiT; with 1000 classes a thousandth of batchmean
 *   sum        summed over everything
 * weight is the paper's lambda: CE + lambda KD. The code's (1-a) CE + a KD is a weight of 1-a for cross-entropy and of a here.
 * The paper is MaskedKD (equation 1), its code effl-lab/MaskedKD. */
#include <bauta/compose.h>

typedef struct logit_params { double weight, temperature; int64_t reduction, head; const char *model, *teacher; } logit_params;

static const char *const reductions[] = { "batchmean", "numel", "sum", NULL };
enum { BATCHMEAN, NUMEL, SUM };
static const char *const heads[] = { "class", "distillation", NULL };

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const logit_params *p = params;
    ba_tensor *in[2] = { ba_head((ba_on){ h, b, e }, p->model, p->head == 1), NULL };
    if (!in[0] || !(in[1] = h->signal(b, p->teacher, "logits", -1, e)))
        return e->code;
    int64_t classes = h->dim(in[0], 1), theirs = h->dim(in[1], 1);
    if (classes != theirs)
        return BA_FAIL(h, e, BA_EARG, "%s has %lld classes, %s has %lld; logit distillation needs equal ones", p->model, (long long)classes,
                       p->teacher, (long long)theirs);
    ba_tensor *t = h->op(b, "kl_divergence", 2, in, BA_ATTRS(BA_F("temperature", p->temperature)), e);
    t = t ? h->op(b, p->reduction == SUM ? "sum" : "mean", 1, &t, BA_ATTRS(BA_I("axis", -100)), e) : NULL;
    double by = p->reduction == NUMEL ? p->weight / (double)classes : p->weight;
    *out = t ? h->op(b, "scale", 1, &t, BA_ATTRS(BA_F("by", by)), e) : NULL;
    return *out ? BA_OK : e->code;
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "logit", .version = "1.0",
    .doc = "distil the teacher's prediction: temperature^2 KL(teacher || student)",
    .cite = "Hinton et al., Distilling the Knowledge in a Neural Network, 2015",
    BA_PARAMS(logit_params,
        BA_FLOAT(logit_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum: the papers' lambda"),
        BA_FLOAT(logit_params, temperature, 1, 0.01, 1000, NULL, "divides both logits; its square multiplies the loss"),
        BA_CHOICE(logit_params, reduction, 0, reductions, "batchmean (MaskedKD, paper and code), numel (DeiT: also divided by the classes) or sum"),
        BA_CHOICE(logit_params, head, 0, heads, "which of the student's heads learns: class, or that of its distillation token (DeiT)"),
        BA_STRING(logit_params, model, "student", "who learns"),
        BA_STRING(logit_params, teacher, "teacher", "whose prediction is learned")),
    .ops = &ops,
};
