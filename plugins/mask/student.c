/* student: MaskedKD's criterion: how much the student's class token attends to each patch, the mean over the heads.
 * softmax = all: the softmax ran over all tokens and the extra ones are left out afterwards, as the released code does;
 * softmax = patches: over the patches only, as the paper's equation 2 says. The two can rank patches differently.
 * source = patches: what each patch receives from all patches instead. The released code: effl-lab/MaskedKD. */
#define BA_WANT_MINOR 4
#include <bauta/plugin.h>

static const char *const needs[] = { "student.class_attention", NULL };

static int score(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    ba_saliency how = *(const ba_saliency *)params;
    how.size = sizeof how;
    *out = h->saliency(b, "student", &how, e);
    return *out ? BA_OK : e->code;
}

static const ba_mask_ops ops = { .size = sizeof ops, .score = score };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(MASK), .name = "student", .version = "1.1", .needs = needs,
    .doc = "keep what the student's class token attends to (MaskedKD)",
    .cite = "Son et al., The Role of Masking for Efficient Supervised Knowledge Distillation of Vision Transformers, ECCV 2024",
    BA_PARAMS(ba_saliency, BA_SALIENCY_ROWS),
    .ops = &ops,
};
