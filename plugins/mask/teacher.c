/* teacher: the teacher's own attention decides. The teacher first sees the whole picture (a forward pass of its own, which the plan counts), then
 * the kept patches. MaskedKD, figure 3. */
#define BA_WANT_MINOR 4
#include <bauta/plugin.h>

static const char *const needs[] = { "teacher_full.class_attention", NULL };

static int score(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    ba_saliency how = *(const ba_saliency *)params;
    how.size = sizeof how;
    *out = h->saliency(b, "teacher_full", &how, e);
    return *out ? BA_OK : e->code;
}

static const ba_mask_ops ops = { .size = sizeof ops, .score = score };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(MASK), .name = "teacher", .version = "1.1", .needs = needs,
    .doc = "keep what the teacher itself attends to, seen in a full forward pass of its own",
    BA_PARAMS(ba_saliency, BA_SALIENCY_ROWS),
    .ops = &ops,
};
