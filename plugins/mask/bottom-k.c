/* bottom-k: the student's criterion upside down: the patches that its class token attends to least are kept. MaskedKD, table 6c. */
#define BA_WANT_MINOR 4
#include <bauta/plugin.h>

static const char *const needs[] = { "student.class_attention", NULL };

static int score(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    ba_saliency how = *(const ba_saliency *)params;
    how.size = sizeof how;
    ba_tensor *s = h->saliency(b, "student", &how, e);
    *out = s ? h->op(b, "neg", 1, &s, 0, NULL, e) : NULL;
    return *out ? BA_OK : e->code;
}

static const ba_mask_ops ops = { .size = sizeof ops, .score = score };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(MASK), .name = "bottom-k", .version = "1.1", .needs = needs,
    .doc = "keep what the student's class token attends to least",
    BA_PARAMS(ba_saliency, BA_SALIENCY_ROWS),
    .ops = &ops,
};
