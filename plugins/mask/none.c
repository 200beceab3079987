/* none: masks nothing; the teacher sees every patch. Plain distillation is this criterion. */
#include <bauta/plugin.h>

static int score(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    (void)h, (void)b, (void)params, (void)e;
    *out = NULL;
    return BA_OK;
}

static const ba_mask_ops ops = { .size = sizeof ops, .score = score };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(MASK), .name = "none", .version = "1.0",
    .doc = "mask nothing: the teacher sees every patch",
    .ops = &ops,
};
