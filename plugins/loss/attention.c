/* attention: what the class token attends to, as the teacher's does: over chosen blocks the divergence KL(A_teacher || A_student), the mean
 * over the batch. Heads, whose numbers may differ, are merged by A = softmax_j((1/t) sum_h ln max(a^h_j, 1e-8)), j the class token and
 * the patches. Under a mask the teacher has no attention on what it does not see:
 *   renormalise  the student's is restricted to the places that the teacher sees before the softmax
 *   mass         it is not, which adds -ln(what the student gives those places) and so draws its attention to them
 * MaskedKD uses such a loss and gives no formula; the merging of heads is AttnDistill's (wangkai930418/attndistill). */
#define BA_WANT_MINOR 4
#include <bauta/compose.h>

enum { MOST = 64 };
enum { RENORMALISE, MASS };
enum { SUM, MEAN };

typedef struct attention_params { double weight, temperature; const char *layers, *teacher_layers; int64_t under_mask, reduction; } attention_params;

static const char *const treatments[] = { "renormalise", "mass", NULL };
static const char *const reductions[] = { "sum", "mean", NULL };

/* (1/t) sum_h ln max(a, 1e-8) of the class token's row: [B,T,1]. */
static ba_tensor *merged(ba_on o, const char *who, int64_t layer, double t)
{
    ba_tensor *a = ba_signal_f32(o, who, "class_attention", layer);
    a = a ? ba_slice(o, a, 2, 0, 1) : NULL; /* [B,heads,1,T] */
    a = a ? ba_op2(o, "maximum", a, o.h->scalar(o.b, 1e-8, o.e), 0, NULL) : NULL;
    a = ba_scale(o, ba_sum(o, ba_op1(o, "log", a, 0, NULL), 1, 0), 1 / t, 0);
    return ba_permute(o, a, "0,2,1");
}

static ba_tensor *flat(ba_on o, ba_tensor *x) { return x ? ba_reshape(o, x, BA_DIMS(o.h->dim(x, 0), o.h->dim(x, 1))) : NULL; }

/* sum_j p_j (ln p_j - ln q_j) with logits t of p and ln q given. */
static ba_tensor *divergence(ba_on o, ba_tensor *log_q, ba_tensor *t)
{
    ba_tensor *log_p = ba_op1(o, "log_softmax", t, 0, NULL);
    return ba_sum(o, ba_mul(o, ba_op1(o, "softmax", t, 0, NULL), ba_sub(o, log_p, log_q)), 1, 0);
}

static ba_tensor *one(ba_on o, const attention_params *p, int64_t mine, int64_t theirs)
{
    ba_tensor *x[2] = { merged(o, "student", mine, p->temperature), NULL }, *t;
    if (x[0] && p->under_mask == MASS) {
        x[0] = ba_op1(o, "log_softmax", flat(o, x[0]), 0, NULL);
        x[0] = x[0] ? ba_reshape(o, x[0], BA_DIMS(o.h->dim(x[0], 0), o.h->dim(x[0], 1), 1)) : NULL;
    }
    x[1] = x[0] ? merged(o, "teacher", theirs, p->temperature) : NULL;
    if (!x[1] || o.h->match(o.b, x[0], x[1], 1, x, o.e))
        return NULL;
    if (p->under_mask == MASS)
        t = divergence(o, flat(o, x[0]), flat(o, x[1]));
    else
        t = ba_op2(o, "kl_divergence", flat(o, x[0]), flat(o, x[1]), 0, NULL);
    return ba_mean(o, t, BA_EVERY, 0);
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const attention_params *p = params;
    const ba_on o = { h, b, e };
    int64_t mine[MOST], theirs[MOST], n = h->attention_layers(b, p->layers, p->teacher_layers, MOST, mine, theirs, e);
    if (n < 0)
        return e->code;
    ba_tensor *sum = one(o, p, mine[0], theirs[0]);
    for (int64_t i = 1; sum && i < n; i++)
        sum = ba_add(o, sum, one(o, p, mine[i], theirs[i]));
    return ba_finish(o, sum, p->reduction == MEAN ? p->weight / (double)n : p->weight, out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "student.class_attention", "teacher.class_attention", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "attention", .version = "1.0", .needs = needs,
    .doc = "what the class token attends to, in all blocks, beside supervised training",
    .cite = "Wang et al., Attention Distillation: self-supervised vision transformer students need more guidance, BMVC 2022",
    BA_PARAMS(attention_params,
        BA_FLOAT(attention_params, weight, 0.1, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_FLOAT(attention_params, temperature, 10, 0.01, 1000, NULL, "divides the summed logarithms of the heads"),
        BA_STRING(attention_params, layers, "all", "blocks of the student: all, last, last-6, first-2, or numbers such as 0,1,11"),
        BA_STRING(attention_params, teacher_layers, "", "the teacher's; empty: those of the first half counted from the front, the others from the back"),
        BA_CHOICE(attention_params, under_mask, 0, treatments, "with a masked teacher: renormalise the student's attention, or let the mass it gives count"),
        BA_CHOICE(attention_params, reduction, 0, reductions, "sum or mean over the blocks")),
    .ops = &ops,
};
