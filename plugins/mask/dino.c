/* dino: the attention of a third, frozen model decides: the one given as `model`, usually a vision transformer trained by DINO, whose class token
 * finds objects without labels. Any patch size: its scores are resampled. MaskedKD, table 5. */
#define BA_WANT_MINOR 4
#include <bauta/plugin.h>

static const char *const needs[] = { "auxiliary.class_attention", NULL };

static int score(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    ba_saliency how = *(const ba_saliency *)params;
    how.size = sizeof how;
    *out = h->saliency(b, "auxiliary", &how, e);
    return *out ? BA_OK : e->code;
}

static const ba_mask_ops ops = { .size = sizeof ops, .score = score };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(MASK), .name = "dino", .version = "1.1", .needs = needs,
    .doc = "keep what a third model (setting model) attends to, as a vision transformer trained by DINO",
    .cite = "Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021",
    BA_PARAMS(ba_saliency, BA_SALIENCY_ROWS),
    .ops = &ops,
};
