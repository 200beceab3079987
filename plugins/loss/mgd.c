/* mgd: masked generative distillation. The student's last tokens, partly set to zero, have to give the teacher's through two 3x3
 * convolutions; squared error over all places, summed, per sample. The places (or, in the original for classification, the channels) that
 * are set to zero are drawn anew for each sample and step. The generator works on the student's whole grid; a masked teacher is compared at the places it
 * sees, times N/k. Code (without masks): yzd-v/cls_KD. */
#define BA_WANT_MINOR 4
#include <bauta/compose.h>

enum { TOKENS, CHANNELS };

typedef struct mgd_params { double weight, share; int64_t hide, layer; } mgd_params;

static const char *const hidden[] = { "tokens", "channels", NULL };

/* x, with a share of its tokens or channels set to zero. */
static ba_tensor *hide(ba_on o, ba_tensor *x, const mgd_params *p)
{
    const int64_t dim[] = { o.h->dim(x, 0), p->hide == TOKENS ? o.h->dim(x, 1) : 1, p->hide == TOKENS ? 1 : o.h->dim(x, 2) };
    ba_tensor *u = o.h->random(o.b, "hidden", 3, dim, o.e);
    ba_tensor *drawn = u ? ba_op2(o, "less", u, o.h->scalar(o.b, p->share, o.e), 0, NULL) : NULL;
    return ba_mul(o, x, ba_scale(o, drawn, -1, 1));
}

/* The student's patches, all of them. */
static ba_tensor *patches(ba_on o, int64_t layer, int64_t *rows, int64_t *columns)
{
    *rows = o.h->fact(o.b, "student", "grid_rows", o.e);
    *columns = o.h->fact(o.b, "student", "grid_columns", o.e);
    int64_t prefix = o.h->fact(o.b, "student", "prefix", o.e);
    ba_tensor *x = ba_features(o, "student", layer);
    if (x && o.h->dim(x, 1) != prefix + *rows * *columns) {
        BA_FAIL(o.h, o.e, BA_EARG, "the student sees %lld of its %lld patches; the generator needs all", (long long)(o.h->dim(x, 1) - prefix),
                (long long)(*rows * *columns));
        return NULL;
    }
    return x ? ba_slice(o, x, 1, prefix, o.h->dim(x, 1)) : NULL;
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const mgd_params *p = params;
    const ba_on o = { h, b, e };
    int64_t rows, columns, mine, theirs;
    char chosen[24];
    snprintf(chosen, sizeof chosen, "%lld", (long long)p->layer);
    if (h->layers(b, chosen, "", 1, &mine, &theirs, e) < 0)
        return e->code;
    ba_tensor *x = patches(o, mine, &rows, &columns), *t = x ? ba_features(o, "teacher", theirs) : NULL, *both[2];
    if (!t)
        return e->code;
    int64_t dim = h->dim(t, 2);
    x = h->dim(x, 2) == dim ? x : h->project(b, "align", x, dim, e);
    x = x ? hide(o, x, p) : NULL;
    x = x ? h->conv3x3(b, "generator.0", x, rows, columns, dim, e) : NULL;
    x = ba_op1(o, "relu", x, 0, NULL);
    x = x ? h->conv3x3(b, "generator.2", x, rows, columns, dim, e) : NULL;
    if (!x || h->match(b, x, t, 0, both, e))
        return e->code;
    return ba_finish(o, ba_squared_distance(o, both[0], both[1]), p->weight * ba_share(o, both[1]) / (double)h->dim(t, 0), out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "student.tokens", "teacher.tokens", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "mgd", .version = "1.0", .needs = needs,
    .doc = "the student's tokens, partly hidden, must generate the teacher's through two convolutions",
    .cite = "Yang et al., Masked Generative Distillation, ECCV 2022",
    BA_PARAMS(mgd_params,
        BA_FLOAT(mgd_params, weight, 7e-5, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_FLOAT(mgd_params, share, 0.5, 0, 1, NULL, "probability of being hidden; 0.15 in the original for classification"),
        BA_CHOICE(mgd_params, hide, 0, hidden, "what is set to zero: tokens, or whole channels (the original for classification)"),
        BA_INT(mgd_params, layer, -1, -1000, 999, NULL, "block of the student; -1 is the last, taken after the final norm")),
    .ops = &ops,
};
