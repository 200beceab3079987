/* reg: regression of the teacher's embedding.
 *   mean      mean squared error, the student's through a learned linear map: what the self-supervised literature calls Reg
 *   absolute  the mean over the batch of the distance |s - t| (not squared; epsilon is added to each difference, as PyTorch does)
 *   relative  the distances between all pictures of the batch, student's against teacher's: the Frobenius norm of what they differ by
 * relative needs no map: distances have no width. Code: yulu0724/EmbeddingDistillation. */
#define BA_WANT_MINOR 1
#include <bauta/compose.h>

enum { MEAN, ABSOLUTE, RELATIVE };
enum { LINEAR, NONE };

typedef struct reg_params { double weight, epsilon; int64_t form, head; } reg_params;

static const char *const forms[] = { "mean", "absolute", "relative", NULL };
static const char *const heads[] = { "linear", "none", NULL };

/* The root of x, where x is at least `least`; below there is no slope. */
static ba_tensor *root(ba_on o, ba_tensor *x, double least)
{
    return ba_op1(o, "sqrt", x ? ba_op2(o, "maximum", x, o.h->scalar(o.b, least, o.e), 0, NULL) : NULL, 0, NULL);
}

/* Distances between the rows of x: [B,B]. A row's own is left out: it is 0, up to rounding that a root would blow up. */
static ba_tensor *distances(ba_on o, ba_tensor *x, ba_tensor *others)
{
    ba_tensor *own = ba_sum(o, ba_op1(o, "square", x, 0, NULL), 1, 1);
    ba_tensor *sum = ba_add(o, own, ba_permute(o, own, "1,0"));
    return root(o, ba_mul(o, ba_sub(o, sum, ba_scale(o, ba_matmul(o, x, x, 0, 1), 2, 0)), others), 1e-12);
}

/* 1 everywhere but on the diagonal: [n,n]. */
static ba_tensor *off_diagonal(ba_on o, int64_t n)
{
    char shape[2][32];
    snprintf(shape[0], 32, "%lld,1", (long long)n);
    snprintf(shape[1], 32, "1,%lld", (long long)n);
    ba_tensor *row = o.h->op(o.b, "iota", 0, NULL, BA_ATTRS(BA_S("shape", shape[0]), BA_I("axis", 0)), o.e);
    ba_tensor *column = row ? o.h->op(o.b, "iota", 0, NULL, BA_ATTRS(BA_S("shape", shape[1]), BA_I("axis", 1)), o.e) : NULL;
    return ba_add(o, ba_op2(o, "less", row, column, 0, NULL), ba_op2(o, "less", column, row, 0, NULL));
}

static ba_tensor *relative(ba_on o, ba_tensor *s, ba_tensor *t)
{
    ba_tensor *others = off_diagonal(o, o.h->dim(t, 0));
    return root(o, ba_squared_distance(o, distances(o, s, others), distances(o, t, others)), 1e-12);
}

static ba_tensor *absolute(ba_on o, ba_tensor *s, ba_tensor *t, double epsilon)
{
    ba_tensor *d = ba_scale(o, ba_sub(o, s, t), 1, epsilon);
    return ba_mean(o, root(o, ba_sum(o, ba_op1(o, "square", d, 0, NULL), 1, 0), 1e-24), BA_EVERY, 0);
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const reg_params *p = params;
    const ba_on o = { h, b, e };
    ba_tensor *t = ba_embedding(o, "teacher"), *s = t ? ba_embedding(o, "student") : NULL;
    if (!s)
        return e->code;
    if (p->form == RELATIVE)
        return ba_finish(o, relative(o, s, t), p->weight, out);
    if (p->head == LINEAR)
        s = h->project(b, "head", s, h->dim(t, 1), e);
    if (s && h->dim(s, 1) != h->dim(t, 1))
        return BA_FAIL(h, e, BA_EARG, "head = none: the student's embedding has %lld numbers, the teacher's %lld; equal ones or a head expected",
                       (long long)h->dim(s, 1), (long long)h->dim(t, 1));
    if (p->form == ABSOLUTE)
        return ba_finish(o, absolute(o, s, t, p->epsilon), p->weight, out);
    return ba_finish(o, ba_mean(o, ba_op1(o, "square", ba_sub(o, s, t), 0, NULL), BA_EVERY, 0), p->weight, out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "student.features", "teacher.features", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "reg", .version = "1.0", .needs = needs,
    .doc = "regression of the teacher's embedding, or of the distances between embeddings; no labels",
    .cite = "Yu et al., Learning Metrics from Teachers: Compact Networks for Image Embedding, CVPR 2019",
    BA_PARAMS(reg_params,
        BA_FLOAT(reg_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_FLOAT(reg_params, epsilon, 1e-6, 0, 1, NULL, "form absolute: added to each difference"),
        BA_CHOICE(reg_params, form, 0, forms, "mean squared error, mean distance, or distances within the batch"),
        BA_CHOICE(reg_params, head, 0, heads, "learned map of the student's embedding to the teacher's width; none where widths are equal")),
    .ops = &ops,
};
