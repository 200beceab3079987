/* random: k patches at random, drawn anew for each picture and step. A score is minus a uniform number, so the kept patches are those
 * with the smallest numbers. */
#include <stddef.h>
#include <bauta/plugin.h>

static const char *const needs[] = { "batch.images", "batch.step", NULL };

static int score(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    (void)params;
    ba_tensor *images = h->signal(b, "batch", "images", -1, e);
    int64_t dim[] = { images ? h->dim(images, 0) : -1, h->fact(b, "masked", "patches", e) };
    if (dim[0] < 0 || dim[1] < 0)
        return e->code;
    ba_tensor *u = h->random(b, "patches", 2, dim, e);
    *out = u ? h->op(b, "neg", 1, &u, 0, NULL, e) : NULL;
    return *out ? BA_OK : e->code;
}

static const ba_mask_ops ops = { .size = sizeof ops, .score = score };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(MASK), .name = "random", .version = "1.0", .needs = needs,
    .doc = "keep patches at random, anew for each picture and step",
    .ops = &ops,
};
