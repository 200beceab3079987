/* student: MaskedKD's criterion: how much the student's class token attends to each patch, the mean over the heads.
 * softmax = all: the softmax ran over all tokens and the extra ones are left out afterwards, as the released code does;
 * softmax = patches: over the patches only, as the paper's equation 2 says. The two can rank patches differently. */
#include <stdio.h>
#include <bauta/plugin.h>

typedef struct student_params { int64_t softmax, layer; } student_params;

static const char *const forms[] = { "all", "patches", NULL };
static const char *const needs[] = { "student.class_attention", NULL };

/* Axis `axis` of t from `from` to `to`. */
static ba_tensor *cut(const ba_host *h, ba_build *b, ba_tensor *t, int axis, int64_t from, int64_t to, ba_err *e)
{
    return t ? h->op(b, "slice", 1, &t, BA_ATTRS(BA_I("axis", axis), BA_I("from", from), BA_I("to", to)), e) : NULL;
}

/* Divides each head's attention on the patches [B,heads,1,N] by its sum. A head that gives them nothing stays 0. */
static ba_tensor *over_patches(const ba_host *h, ba_build *b, ba_tensor *a, ba_err *e)
{
    ba_tensor *sum = h->op(b, "sum", 1, &a, BA_ATTRS(BA_I("axis", 3), BA_I("keep", 1)), e);
    ba_tensor *least[] = { sum, sum ? h->scalar(b, 1e-30, e) : NULL };
    ba_tensor *part[] = { a, least[1] ? h->op(b, "maximum", 2, least, 0, NULL, e) : NULL };
    return part[1] ? h->op(b, "div", 2, part, 0, NULL, e) : NULL;
}

static int score(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const student_params *p = params;
    ba_tensor *a = h->signal(b, "student", "class_attention", p->layer, e); /* [B,heads,E,E+N] */
    if (!a)
        return e->code;
    int64_t extra = h->dim(a, 2);
    a = cut(h, b, cut(h, b, a, 2, 0, 1, e), 3, extra, h->dim(a, 3), e);
    if (a && p->softmax)
        a = over_patches(h, b, a, e);
    a = a ? h->op(b, "mean", 1, &a, BA_ATTRS(BA_I("axis", 1)), e) : NULL;                          /* [B,1,N] */
    if (!a)
        return e->code;
    char shape[48];
    snprintf(shape, sizeof shape, "%lld,%lld", (long long)h->dim(a, 0), (long long)h->dim(a, 2));
    *out = h->op(b, "reshape", 1, &a, BA_ATTRS(BA_S("shape", shape)), e);
    return *out ? BA_OK : e->code;
}

static const ba_mask_ops ops = { .size = sizeof ops, .score = score };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(MASK), .name = "student", .version = "1.0", .needs = needs,
    .doc = "keep what the student's class token attends to (MaskedKD)",
    .cite = "Son et al., The Role of Masking for Efficient Supervised Knowledge Distillation of Vision Transformers, ECCV 2024",
    BA_PARAMS(student_params,
        BA_CHOICE(student_params, softmax, 0, forms, "tokens the softmax runs over: all (released code), or patches only (paper)"),
        BA_INT(student_params, layer, -1, -1000, 999, NULL, "block whose attention is taken, from 0; -1 is the last")),
    .ops = &ops,
};
