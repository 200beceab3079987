/* convvit: ConvViT of ConvMAE: two stages of convolutions on finer maps, then transformer blocks on the grid of 16 pixels; no class token, the
 * mean over the tokens is classified. A masked forward runs the convolutions on the whole picture and keeps patches after the
 * positions were added. Blocks of the last stage are layers 0..; those before are published as `stage_tokens`. Code: Alpha-VL/ConvMAE. */
#define BA_WANT_MINOR 1
#include <bauta/compose.h>
#include <bauta/vit.h>

typedef struct convvit_params { int64_t size, image, classes, stem_depth, depth; int64_t dim, heads; double drop_path; } convvit_params;

enum { STAGES = 2, TOTAL = 16, SIDE = 5 };
static const char *const sizes[] = { "base", NULL };
static const struct { int64_t stem[STAGES]; ba_vit_size vit; } named[] = { { { 256, 384 }, { 768, 11, 12 } } };

typedef struct map { int64_t side; } map; /* what a convolution must know of its tokens */

static ba_vit form_of(const convvit_params *p)
{
    const ba_vit_settings s = { p->size, p->dim, p->depth, p->heads, p->image, TOTAL, 3, p->classes, 4, p->drop_path };
    ba_vit v = ba_vit_of(&s, &named[p->size].vit);
    v.extra[0] = NULL;
    v.bare = 1;
    return v;
}

/* Channels of a stage of the stem, in proportion where dim was given. */
static int64_t stem(const convvit_params *p, int stage)
{
    return p->dim ? (stage ? p->dim / 2 : p->dim / 3) : named[p->size].stem[stage];
}

static int facts(const ba_host *h, const void *params, ba_arch_facts *out, ba_err *e)
{
    const convvit_params *p = params;
    ba_vit v = form_of(p);
    if (p->dim % 6)
        return BA_FAIL(h, e, BA_EARG, "dim = %lld; a multiple of 6 expected (a third and a half of it are the stem's widths)", (long long)p->dim);
    return h->vit_facts(&v, out, e);
}

/* In place of attention: 1x1, 5x5 on each channel by itself, 1x1. */
static ba_tensor *convolve(const ba_host *h, ba_build *b, const char *prefix, ba_tensor *x, const void *given, ba_err *e)
{
    const ba_on o = { h, b, e };
    const map *m = given;
    const int64_t C = h->dim(x, 2), kernel[] = { C, 1, SIDE, SIDE };
    char name[4][96];
    snprintf(name[0], sizeof name[0], "%.60s.conv1", prefix);
    snprintf(name[1], sizeof name[1], "%.60s.attn.weight", prefix);
    snprintf(name[2], sizeof name[2], "%.60s.attn.bias", prefix);
    snprintf(name[3], sizeof name[3], "%.60s.conv2", prefix);
    x = h->merge(b, name[0], x, m->side, m->side, 1, C, e);
    ba_tensor *w = x ? h->weight(b, name[1], 4, kernel, BA_INIT_UNIFORM, 1.0 / SIDE, 0, e) : NULL, *bias = w ? h->weight(b, name[2], 1, &C, BA_INIT_UNIFORM, 1.0 / SIDE, 0, e) : NULL;
    x = ba_op3(o, "depthwise", x, w, bias, BA_ATTRS(BA_I("rows", m->side), BA_I("columns", m->side), BA_I("side", SIDE)));
    return x ? h->merge(b, name[3], x, m->side, m->side, 1, C, e) : NULL;
}

/* LayerNorm and GELU behind a patch embedding. */
static ba_tensor *finish(ba_on o, const char *name, ba_tensor *x)
{
    x = x ? o.h->layernorm(o.b, name, x, 1e-5, o.e) : NULL;
    return ba_op1(o, "gelu", x, 0, NULL);
}

static ba_tensor *stage(ba_on o, const convvit_params *p, int which, ba_tensor *x, int64_t side, int64_t all)
{
    const map m = { side };
    for (int64_t i = 0; x && i < p->stem_depth; i++) {
        char name[32];
        int64_t at = which * p->stem_depth + i;
        ba_block spec = { .size = sizeof spec, .layer = at, .heads = 1, .mlp = 4 * o.h->dim(x, 2), .eps = 1e-5, .kernels = 1, .quiet = 1, .attend = convolve, .given = &m,
                          .drop_path = all > 1 ? p->drop_path * (double)at / (double)(all - 1) : 0 };
        snprintf(name, sizeof name, "blocks%d.%lld", which + 1, (long long)i);
        x = o.h->block(o.b, name, x, &spec, o.e);
        if (x && o.h->publish(o.b, "stage_tokens", at, x, o.e))
            return NULL;
    }
    return x;
}

/* The transformer blocks; stochastic depth goes on growing from where the stem left it. */
static ba_tensor *trunk(ba_on o, const convvit_params *p, const ba_vit *v, ba_tensor *x, int64_t all)
{
    for (int64_t i = 0; x && i < v->depth; i++) {
        char name[32];
        ba_block spec = v->block;
        spec.layer = i;
        spec.heads = v->heads;
        spec.mlp = v->hidden;
        spec.drop_path = all > 1 ? p->drop_path * (double)(STAGES * p->stem_depth + i) / (double)(all - 1) : 0;
        snprintf(name, sizeof name, "blocks3.%lld", (long long)i);
        x = o.h->block(o.b, name, x, &spec, o.e);
    }
    return x;
}

static ba_tensor *stages(ba_on o, const convvit_params *p, const ba_vit *v, const ba_arch_in *in, int64_t all)
{
    ba_arch_in whole = *in;
    whole.kept = NULL;
    ba_tensor *x = finish(o, "patch_embed1.norm", o.h->embed(o.b, "patch_embed1.proj", &whole, 4, stem(p, 0), o.e));
    x = stage(o, p, 0, x, p->image / 4, all);
    x = finish(o, "patch_embed2.norm", x ? o.h->merge(o.b, "patch_embed2.proj", x, p->image / 4, p->image / 4, 2, stem(p, 1), o.e) : NULL);
    x = stage(o, p, 1, x, p->image / 8, all);
    x = finish(o, "patch_embed3.norm", x ? o.h->merge(o.b, "patch_embed3.proj", x, p->image / 8, p->image / 8, 2, v->dim, o.e) : NULL);
    return x ? o.h->linear(o.b, "patch_embed4", x, v->dim, 1, 0, o.e) : NULL;
}

static int build(const ba_host *h, ba_build *b, const void *params, const ba_arch_in *in, ba_err *e)
{
    const ba_on o = { h, b, e };
    const convvit_params *p = params;
    const ba_vit v = form_of(p);
    const int64_t all = STAGES * p->stem_depth + v.depth;
    ba_tensor *x = stages(o, p, &v, in, all), *pos = x ? h->vit_table(b, "pos_embed", &v, e) : NULL;
    x = ba_add(o, x, pos && h->dtype(x) == BA_BF16 ? ba_op1(o, "cast", pos, BA_ATTRS(BA_S("dtype", "bf16"))) : pos);
    if (in->kept)
        x = ba_op2(o, "gather_rows", x, in->kept, 0, NULL);
    x = trunk(o, p, &v, x, all);
    if (!x || h->publish(b, "features", -1, x, e))
        return e->code;
    x = h->layernorm(b, "fc_norm", ba_mean(o, x, 1, 0), 1e-6, e);
    x = x && !h->publish(b, "pooled", -1, x, e) ? h->vit_head(b, "head", x, 0, v.classes, e) : NULL;
    return x && !h->publish(b, "logits", -1, x, e) ? BA_OK : e->code;
}

static const ba_arch_ops ops = { .size = sizeof ops, .facts = facts, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(ARCH), .name = "convvit", .version = "1.0", .doc = "ConvViT of ConvMAE: convolutional stages before the transformer, mean of the tokens",
    .cite = "Gao et al., MCMAE: Masked Convolution Meets Masked Autoencoders, NeurIPS 2022",
    BA_PARAMS(convvit_params,
        BA_CHOICE(convvit_params, size, 0, sizes, "base: stem 256 and 384, dim/depth/heads 768/11/12"),
        BA_INT(convvit_params, image, 224, 16, 4096, "pixels", "side of the square picture, a multiple of 16"),
        BA_INT(convvit_params, classes, 1000, 1, 1048576, NULL, "outputs of the head"),
        BA_INT(convvit_params, stem_depth, 2, 0, 100, "blocks", "convolutional blocks in each of the two first stages"),
        BA_INT(convvit_params, depth, 0, 0, 1000, "blocks", "transformer blocks; 0: as the size says"),
        BA_INT(convvit_params, dim, 0, 0, 16384, NULL, "width of the last stage; the stem has a third and a half of it; 0: as the size says"),
        BA_INT(convvit_params, heads, 0, 0, 1024, NULL, "attention heads, a divisor of dim; 0: as the size says"),
        BA_FLOAT(convvit_params, drop_path, 0.1, 0, 0.99, NULL, "stochastic depth of the last block, linear from 0 in the first of the stem; in training only")),
    .ops = &ops,
};
