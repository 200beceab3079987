/* old-mask: keep what the student's class token attends to, the more so the nearer a patch is to the centre of the picture.
 * Called once, while a step is described: it adds nodes to the step's graph. Nothing of it runs while a student is trained. */
#include <stdio.h>
#include <stdlib.h>
#include <bauta/plugin.h>

typedef struct old_params { double strength; int64_t layer; } old_params;

static const char *const needs[] = { "student.class_attention", NULL };

/* The class token's attention on the patches, the mean over the heads: [B,N]. */
static ba_tensor *attention(const ba_host *h, ba_build *b, int64_t layer, ba_err *e)
{
    ba_tensor *a = h->signal(b, "student", "class_attention", layer, e); /* [B,heads,E,E+N]; the class token is the first of the E */
    int64_t extra = a ? h->dim(a, 2) : 0;
    a = a ? h->op(b, "slice", 1, &a, BA_ATTRS(BA_I("axis", 2), BA_I("from", 0), BA_I("to", 1)), e) : NULL;
    a = a ? h->op(b, "slice", 1, &a, BA_ATTRS(BA_I("axis", 3), BA_I("from", extra), BA_I("to", h->dim(a, 3))), e) : NULL;
    a = a ? h->op(b, "mean", 1, &a, BA_ATTRS(BA_I("axis", 1)), e) : NULL; /* [B,1,N] */
    if (!a)
        return NULL;
    char shape[48];
    snprintf(shape, sizeof shape, "%lld,%lld", (long long)h->dim(a, 0), (long long)h->dim(a, 2));
    return h->op(b, "reshape", 1, &a, BA_ATTRS(BA_S("shape", shape)), e);
}

/* 1 in the centre of the student's grid, 1 - strength in its corners: [1,N]. */
static ba_tensor *prior(const ba_host *h, ba_build *b, double strength, ba_err *e)
{
    int64_t rows = h->fact(b, "student", "grid_rows", e), columns = h->fact(b, "student", "grid_columns", e);
    if (rows < 0 || columns < 0)
        return NULL;
    const int64_t shape[] = { 1, rows * columns };
    float *v = malloc((size_t)(rows * columns) * sizeof *v);
    if (!v) {
        BA_FAIL(h, e, BA_EMACHINE, "no memory for %lld patches", (long long)shape[1]);
        return NULL;
    }
    for (int64_t i = 0; i < rows * columns; i++) {
        double y = (double)(2 * (i / columns) + 1) / (double)rows - 1, x = (double)(2 * (i % columns) + 1) / (double)columns - 1;
        v[i] = (float)(1 - strength * (x * x + y * y) / 2);
    }
    ba_tensor *t = h->constant(b, 2, shape, v, e); /* copied */
    free(v);
    return t;
}

static int score(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const old_params *p = params;
    ba_tensor *in[2] = { attention(h, b, p->layer, e), NULL };
    in[1] = in[0] ? prior(h, b, p->strength, e) : NULL;
    *out = in[1] ? h->op(b, "mul", 2, in, 0, NULL, e) : NULL;
    return *out ? BA_OK : e->code;
}

static const ba_mask_ops ops = { .size = sizeof ops, .score = score };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(MASK), .name = "old-mask", .version = "0.1", .needs = needs,
    .doc = "keep what the student attends to, weighed by how near it is to the centre",
    BA_PARAMS(old_params,
        BA_FLOAT(old_params, strength, 0.5, 0, 1, NULL, "0: attention alone; 1: the corners count for nothing"),
        BA_INT(old_params, layer, -1, -1000, 999, NULL, "block whose attention is taken, from 0; -1 is the last")),
    .ops = &ops,
};
