/* deit3: DeiT III: LayerScale in every block, and a class token that joins after the positions were added and has none of its own.
 * Weights have timm's names (ls1.gamma, ls2.gamma); files of the authors say gamma_1, gamma_2. Code: facebookresearch/deit. */
#define BA_WANT_MINOR 1
#include <bauta/vit.h>

typedef struct deit3_params { ba_vit_settings vit; double layer_scale; int64_t drop; } deit3_params;

static const char *const sizes[] = { "small", "medium", "base", "large", "huge", NULL };
static const ba_vit_size named[] = { { 384, 12, 6 }, { 512, 12, 8 }, { 768, 12, 12 }, { 1024, 24, 16 }, { 1280, 32, 16 } };
static const char *const drops[] = { "constant", "linear", NULL };

static ba_vit form_of(const deit3_params *p)
{
    ba_vit v = ba_vit_of(&p->vit, named);
    v.bare = 1;
    v.block.layer_scale = p->layer_scale;
    v.drop_constant = !p->drop;
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
    BA_HEAD(ARCH), .name = "deit3", .version = "1.0", .doc = "DeiT III: LayerScale, no position of the class token",
    .cite = "Touvron et al., DeiT III: Revenge of the ViT, ECCV 2022",
    BA_PARAMS(deit3_params,
        BA_VIT_ROWS(deit3_params, vit, sizes, 0, "dim/depth/heads: small 384/12/6, medium 512/12/8, base 768/12/12, large 1024/24/16, huge 1280/32/16 (with patch 14)", 224, 16, 0.05),
        BA_FLOAT(deit3_params, layer_scale, 1e-4, 1e-12, 10, NULL, "what the scales of the branches begin as (the authors 1e-4, timm 1e-6)"),
        BA_CHOICE(deit3_params, drop, 0, drops, "stochastic depth: the same in every block, as the authors have it, or linear from 0")),
    .ops = &ops,
};
