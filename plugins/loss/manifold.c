/* manifold: the student's tokens lie to one another as the teacher's do. Tokens are brought to length 1; compared are, by mean squared
 * error, the inner products
 *   intra   of the tokens of one picture           inter   of the tokens of one place over the batch
 *   random  of `rows` tokens drawn from the batch, the same of both models
 * averaged over the chosen pairs of blocks. No projection: widths may differ. Under a mask only places that the teacher sees are compared; place i of the
 * inter term is then the i-th kept patch of each picture. Class tokens are left out where a block of either model has not looked at them (the trunks of
 * CaiT and ConViT). Code (without masks): Hao840/manifold-distillation. */
#define BA_WANT_MINOR 4
#include <bauta/compose.h>

enum { MOST = 64 };

typedef struct manifold_params { double weight, intra, inter, random; int64_t rows; const char *layers, *teacher_layers; int64_t extras; } manifold_params;

/* Mean squared difference of the inner products of the rows of x[0] and of x[1], [G,n,D]. */
static ba_tensor *grams(ba_on o, ba_tensor *const x[2], double by)
{
    ba_tensor *s = x[0] ? ba_matmul(o, x[0], x[0], 0, 1) : NULL, *t = s && x[1] ? ba_matmul(o, x[1], x[1], 0, 1) : NULL;
    return ba_scale(o, ba_mean(o, ba_op1(o, "square", ba_sub(o, t, s), 0, NULL), BA_EVERY, 0), by, 0);
}

static ba_tensor *inter(ba_on o, ba_tensor *const x[2], double by)
{
    ba_tensor *turned[2] = { ba_permute(o, x[0], "1,0,2"), ba_permute(o, x[1], "1,0,2") };
    return grams(o, turned, by);
}

/* Rows drawn without replacement: the places of the highest random numbers. */
static ba_tensor *drawn(ba_on o, ba_tensor *const x[2], int64_t layer, int64_t rows, double by)
{
    int64_t all = o.h->dim(x[0], 0) * o.h->dim(x[0], 1);
    char name[32];
    ba_tensor *some[2];
    rows = rows < all ? rows : all;
    snprintf(name, sizeof name, "rows.%lld", (long long)layer);
    ba_tensor *u = o.h->random(o.b, name, 2, (const int64_t[]){ 1, all }, o.e), *which = ba_op1(o, "topk", u, BA_ATTRS(BA_I("keep", rows)));
    for (int i = 0; i < 2; i++)
        some[i] = ba_op2(o, "gather_rows", ba_reshape(o, x[i], BA_DIMS(1, all, o.h->dim(x[i], 2))), which, 0, NULL);
    return grams(o, some, by);
}

static ba_tensor *one(ba_on o, const manifold_params *p, int64_t mine, int64_t theirs)
{
    ba_tensor *x[2] = { ba_signal_f32(o, "student", "tokens", mine), NULL }, *sum = o.h->scalar(o.b, 0, o.e);
    x[1] = x[0] ? ba_signal_f32(o, "teacher", "tokens", theirs) : NULL;
    if (!x[1] || o.h->match(o.b, x[0], x[1], p->extras && ba_joined(o, "student", mine) && ba_joined(o, "teacher", theirs), x, o.e))
        return NULL;
    for (int i = 0; i < 2; i++)
        x[i] = ba_op1(o, "normalise", x[i], 0, NULL);
    if (p->intra > 0)
        sum = ba_add(o, sum, grams(o, x, p->intra));
    if (p->inter > 0)
        sum = ba_add(o, sum, inter(o, x, p->inter));
    if (p->random > 0)
        sum = ba_add(o, sum, x[0] && x[1] ? drawn(o, x, mine, p->rows, p->random) : NULL);
    return sum;
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const manifold_params *p = params;
    const ba_on o = { h, b, e };
    int64_t mine[MOST], theirs[MOST], n;
    n = h->layers(b, *p->layers ? p->layers : ba_trunk(o, "student") < 8 ? "all" : "first-4,last-4", p->teacher_layers, MOST, mine, theirs, e);
    if (n < 0)
        return e->code;
    if (p->intra <= 0 && p->inter <= 0 && p->random <= 0)
        return BA_FAIL(h, e, BA_EARG, "intra = inter = random = 0; at least one above 0 expected");
    ba_tensor *sum = one(o, p, mine[0], theirs[0]);
    for (int64_t i = 1; sum && i < n; i++)
        sum = ba_add(o, sum, one(o, p, mine[i], theirs[i]));
    return ba_finish(o, sum, p->weight / (double)n, out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "student.tokens", "teacher.tokens", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "manifold", .version = "1.0", .needs = needs,
    .doc = "inner products between tokens, as the teacher has them: in a picture, over the batch, at random",
    .cite = "Hao et al., Learning Efficient Vision Transformers via Fine-Grained Manifold Distillation, NeurIPS 2022",
    BA_PARAMS(manifold_params,
        BA_FLOAT(manifold_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum: the paper's beta"),
        BA_FLOAT(manifold_params, intra, 4, 0, 1e6, NULL, "factor of the tokens of one picture; 0: not computed"),
        BA_FLOAT(manifold_params, inter, 0.1, 0, 1e6, NULL, "factor of one place over the batch; 0: not computed"),
        BA_FLOAT(manifold_params, random, 0.2, 0, 1e6, NULL, "factor of tokens drawn at random; 0: not computed"),
        BA_INT(manifold_params, rows, 192, 1, 1 << 20, "tokens", "how many are drawn; all where the batch has no more"),
        BA_STRING(manifold_params, layers, "", "blocks of the student: all, last, last-4, first-4, or numbers such as 0,1,11; empty: the first and the last four"),
        BA_STRING(manifold_params, teacher_layers, "", "the teacher's; empty: those of the first half counted from the front, the others from the back"),
        BA_FLAG(manifold_params, extras, 1, "class tokens take part, in blocks of both models that see them (those of the trunks of CaiT and ConViT do not)")),
    .ops = &ops,
};
