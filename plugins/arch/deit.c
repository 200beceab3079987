/* deit: the vision transformer of DeiT and ViT: patches, class token, positions, pre-norm blocks, LayerNorm, head on the class token.
 * With distilled = true there is a second extra token and a second head, as in distilled DeiT: the logits are the mean of both heads in
 * evaluation; in training they are the class head's, and the other's are published as distillation_logits.
 * Weights have timm's names. Code: facebookresearch/deit. */
#define BA_WANT_MINOR 3
#include <bauta/vit.h>

typedef struct deit_params { ba_vit_settings vit; int64_t distilled, positions; } deit_params;

static const char *const sizes[] = { "tiny", "small", "base", "large", "huge", NULL };
static const ba_vit_size named[] = { { 192, 12, 3 }, { 384, 12, 6 }, { 768, 12, 12 }, { 1024, 24, 16 }, { 1280, 32, 16 } };
static const char *const positions[] = { "learned", "sincos", "fixed", NULL };

static ba_vit form_of(const deit_params *p)
{
    ba_vit v = ba_vit_of(&p->vit, named);
    v.extra[1] = p->distilled ? "dist_token" : NULL;
    v.sincos = p->positions;
    return v;
}

static int facts(const ba_host *h, const void *params, ba_arch_facts *out, ba_err *e)
{
    ba_vit v = form_of(params);
    return h->vit_facts(&v, out, e);
}

static int build(const ba_host *h, ba_build *b, const void *params, const ba_arch_in *in, ba_err *e)
{
    const deit_params *p = params;
    const ba_vit v = form_of(p);
    ba_tensor *x = h->vit_embed(b, &v, in, e);
    x = x ? h->vit_blocks(b, &v, 0, v.depth, x, e) : NULL;
    x = x ? h->layernorm(b, "norm", x, v.block.eps, e) : NULL;
    if (!x || h->publish(b, "features", -1, x, e))
        return e->code;
    ba_tensor *logits = ba_vit_logits(h, b, &v, x, p->distilled, in->training, e);
    return logits && !h->publish(b, "logits", -1, logits, e) ? BA_OK : e->code;
}

static const ba_arch_ops ops = { .size = sizeof ops, .facts = facts, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(ARCH), .name = "deit", .version = "1.1",
    .doc = "vision transformer with a class token: DeiT and ViT, all sizes, also distilled DeiT",
    .cite = "Touvron et al., Training data-efficient image transformers & distillation through attention, ICML 2021",
    BA_PARAMS(deit_params,
        BA_VIT_ROWS(deit_params, vit, sizes, 0, "dim/depth/heads: tiny 192/12/3, small 384/12/6, base 768/12/12, large 1024/24/16, huge 1280/32/16", 224, 16, 0.1),
        BA_FLAG(deit_params, distilled, 0, "a distillation token and its own head"),
        BA_CHOICE(deit_params, positions, 0, positions, "learned: drawn at random, then trained; sincos: sines and cosines, then trained; fixed: sines and cosines that stay")),
    .ops = &ops,
};
