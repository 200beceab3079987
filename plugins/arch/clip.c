/* clip: the image tower of CLIP: patches without a bias, a LayerNorm before the blocks, eps 1e-5. activation = quick-gelu is what OpenAI's own
 * weights were trained with, gelu what timm's fine-tuned ones were; 512 classes make the head the projection of the original. Pixels are
 * normalised with CLIP's own statistics (normalise = "clip"). Code: openai/CLIP. */
#define BA_WANT_MINOR 1
#include <bauta/vit.h>

typedef struct clip_params { ba_vit_settings vit; int64_t activation; } clip_params;

static const char *const sizes[] = { "base", "large", NULL };
static const ba_vit_size named[] = { { 768, 12, 12 }, { 1024, 24, 16 } };
static const char *const activations[] = { "gelu", "quick-gelu", NULL };

static ba_vit form_of(const clip_params *p)
{
    ba_vit v = ba_vit_of(&p->vit, named);
    v.no_patch_bias = 1;
    v.pre_norm = "norm_pre";
    v.block.eps = 1e-5;
    v.block.quick_gelu = p->activation;
    return v;
}

static int facts(const ba_host *h, const void *params, ba_arch_facts *out, ba_err *e)
{
    ba_vit v = form_of(params);
    return h->vit_facts(&v, out, e);
}

static int build(const ba_host *h, ba_build *b, const void *params, const ba_arch_in *in, ba_err *e)
{
    const ba_vit v = form_of(params);
    ba_tensor *x = h->vit_embed(b, &v, in, e);
    x = x ? h->vit_blocks(b, &v, 0, v.depth, x, e) : NULL;
    return ba_vit_end(h, b, &v, x, e);
}

static const ba_arch_ops ops = { .size = sizeof ops, .facts = facts, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(ARCH), .name = "clip", .version = "1.0", .doc = "CLIP's image tower, as a classifier or with its projection",
    .cite = "Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021",
    BA_PARAMS(clip_params,
        BA_VIT_ROWS(clip_params, vit, sizes, 0, "dim/depth/heads: base 768/12/12, large 1024/24/16 (with patch 14)", 224, 16, 0),
        BA_CHOICE(clip_params, activation, 0, activations, "of the MLPs: gelu (timm's fine-tuned weights) or quick-gelu (OpenAI's)")),
    .ops = &ops,
};
