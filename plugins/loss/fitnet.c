/* fitnet: patch tokens of chosen blocks, the student's through a learned linear map, against the teacher's, by squared error.
 *   sum   the sum over tokens and channels, per sample: the form of ViTKD's mimicking, with its weight 3e-5
 *   mean  the mean over everything, with weight 100: error and weight of the original for convolutional networks, whose learned map has
 *         BatchNorm and ReLU behind it besides; here it is the linear map alone
 * The last block's are taken after the final norm. A masked teacher is compared at the places it sees; the sum is then multiplied by N/k.
 * For transformers there is no public code; that for convolutional networks: megvii-research/mdistiller. */
#define BA_WANT_MINOR 4
#include <bauta/compose.h>

enum { MOST = 64 };
enum { SUM, MEAN };

typedef struct fitnet_params { double weight; const char *layers, *teacher_layers; int64_t reduction; } fitnet_params;

static const char *const reductions[] = { "sum", "mean", NULL };

static ba_tensor *one(ba_on o, const fitnet_params *p, int64_t mine, int64_t theirs)
{
    ba_tensor *x[2] = { ba_features(o, "student", mine), NULL };
    x[1] = x[0] ? ba_features(o, "teacher", theirs) : NULL;
    if (!x[1] || o.h->match(o.b, x[0], x[1], 0, x, o.e))
        return NULL;
    char name[32];
    snprintf(name, sizeof name, "fc.%lld", (long long)mine);
    ba_tensor *t = ba_sub(o, x[1], o.h->project(o.b, name, x[0], o.h->dim(x[1], 2), o.e));
    t = ba_op1(o, "square", t, 0, NULL);
    if (p->reduction == MEAN)
        return ba_mean(o, t, BA_EVERY, 0);
    return ba_scale(o, ba_sum(o, t, BA_EVERY, 0), ba_share(o, x[1]) / (double)o.h->dim(x[1], 0), 0);
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const fitnet_params *p = params;
    const ba_on o = { h, b, e };
    int64_t mine[MOST], theirs[MOST], n = h->layers(b, p->layers, p->teacher_layers, MOST, mine, theirs, e);
    if (n < 0)
        return e->code;
    ba_tensor *sum = one(o, p, mine[0], theirs[0]);
    for (int64_t i = 1; sum && i < n; i++)
        sum = ba_add(o, sum, one(o, p, mine[i], theirs[i]));
    return ba_finish(o, sum, p->weight, out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "student.tokens", "teacher.tokens", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "fitnet", .version = "1.0", .needs = needs,
    .doc = "squared error of patch tokens through a learned linear map: one block, some, or all",
    .cite = "Romero et al., FitNets: Hints for Thin Deep Nets, ICLR 2015",
    BA_PARAMS(fitnet_params,
        BA_FLOAT(fitnet_params, weight, 3e-5, 0, 1e6, NULL, "factor of this loss in the sum; 100 with reduction mean"),
        BA_STRING(fitnet_params, layers, "last", "blocks of the student: last, last-6, first-2, all, or numbers such as 0,1,11"),
        BA_STRING(fitnet_params, teacher_layers, "", "the teacher's; empty: those of the first half counted from the front, the others from the back"),
        BA_CHOICE(fitnet_params, reduction, 0, reductions, "sum over tokens and channels per sample, or mean over everything (the original's; its BatchNorm and ReLU are not built)")),
    .ops = &ops,
};
