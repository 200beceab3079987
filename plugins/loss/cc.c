/* cc: the student, with a linear classifier of its own, learns which cluster of the teacher's embeddings each picture of the training set belongs to:
 * cross-entropy with pseudo-labels. The clusters were found once, by `bauta statistics` (k-means of unpruned, unmasked views), and are
 * loaded as state: a label for each picture of the set. The teacher itself does not run. Code: the baseline in UMBCvision/CompRess. */
#define BA_WANT_MINOR 1
#include <bauta/compose.h>

typedef struct cc_params { double weight; int64_t clusters; const char *statistics; } cc_params;

/* The pseudo-labels of the batch as soft targets [B,clusters]. */
static ba_tensor *targets(ba_on o, ba_tensor *table, ba_tensor *samples, int64_t clusters)
{
    char shape[32];
    snprintf(shape, sizeof shape, "1,%lld", (long long)clusters);
    ba_tensor *which = ba_reshape(o, samples, BA_DIMS(1, o.h->dim(samples, 0)));
    ba_tensor *own = ba_op2(o, "gather_rows", ba_reshape(o, table, BA_DIMS(1, o.h->dim(table, 0), 1)), which, 0, NULL);
    own = own ? ba_reshape(o, own, BA_DIMS(o.h->dim(samples, 0), 1)) : NULL;
    ba_tensor *number = own ? o.h->op(o.b, "iota", 0, NULL, BA_ATTRS(BA_S("shape", shape), BA_I("axis", 1)), o.e) : NULL;
    ba_tensor *off = ba_add(o, ba_op2(o, "less", own, number, 0, NULL), ba_op2(o, "less", number, own, 0, NULL));
    return ba_scale(o, off, -1, 1);
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const cc_params *p = params;
    const ba_on o = { h, b, e };
    if (!*p->statistics)
        return BA_FAIL(h, e, BA_EARG, "statistics = \"\": the file that `bauta statistics` wrote for this teacher, or auto, expected");
    const int64_t images = h->fact(b, "data", "images", e);
    ba_tensor *samples = images < 0 ? NULL : h->signal(b, "batch", "samples", -1, e);
    ba_tensor *table = samples ? h->state(b, "labels", 1, &images, BA_INIT_ZERO, 0, e) : NULL;
    ba_tensor *s = table ? ba_embedding(o, "student") : NULL;
    s = s ? h->project(b, "head", s, p->clusters, e) : NULL;
    ba_tensor *want = s ? targets(o, table, samples, p->clusters) : NULL;
    return ba_finish(o, ba_mean(o, ba_op2(o, "cross_entropy", s, want, 0, NULL), BA_EVERY, 0), p->weight, out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "student.features", "batch.samples", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "cc", .version = "1.0", .needs = needs,
    .doc = "classification into clusters of the teacher's embeddings, found beforehand; no labels",
    .cite = "Noroozi et al., Boosting Self-Supervised Learning via Knowledge Transfer, CVPR 2018",
    BA_PARAMS(cc_params,
        BA_FLOAT(cc_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_INT(cc_params, clusters, 2000, 2, 1 << 24, NULL, "how many clusters the file has"),
        BA_STRING(cc_params, statistics, "", "safetensors file with labels [pictures]: the cluster of each picture of the training set; auto: made before the first step")),
    .ops = &ops,
};
