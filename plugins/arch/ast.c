/* ast: the Audio Spectrogram Transformer: a spectrogram of `bins` rows (low to high) and `frames` columns as picture of one channel, patches
 * of 16 that overlap, two extra tokens whose mean is classified after a second LayerNorm. Patches are numbered bin by bin. Code: YuanGongND/ast. */
#define BA_WANT_MINOR 4
#include <math.h>
#include <stdio.h>
#include <bauta/vit.h>

typedef struct ast_params { int64_t size, bins, frames, stride, dim, depth, heads, classes; double drop_path; } ast_params;

static const char *const sizes[] = { "tiny", "small", "base", NULL };
static const ba_vit_size named[] = { { 192, 12, 3 }, { 384, 12, 6 }, { 768, 12, 12 } };
enum { PATCH = 16 };

static ba_vit form_of(const ast_params *p)
{
    const ba_vit_settings s = { p->size, p->dim, p->depth, p->heads, 0, PATCH, 1, p->classes, 4, p->drop_path };
    ba_vit v = ba_vit_of(&s, named);
    v.scope = "v.";
    v.image_rows = p->bins;
    v.image_columns = p->frames;
    v.stride = p->stride;
    v.extra[1] = "dist_token";
    return v;
}

static int facts(const ba_host *h, const void *params, ba_arch_facts *out, ba_err *e)
{
    ba_vit v = form_of(params);
    out->asks = BA_ROWS_EXTRA;
    return h->vit_facts(&v, out, e);
}

/* The head's layer, which the authors leave as PyTorch makes it: uniform in +-1/sqrt(fan in), the bias too. Whoever asks for it afterwards finds it. */
static int head(const ba_host *h, ba_build *b, const ba_vit *v, ba_err *e)
{
    const int64_t dim[] = { v->classes, v->dim };
    double bound = 1 / sqrt((double)v->dim);
    return h->weight(b, "mlp_head.1.weight", 2, dim, BA_INIT_UNIFORM, bound, 0, e) && h->weight(b, "mlp_head.1.bias", 1, dim, BA_INIT_UNIFORM, bound, 0, e) ? BA_OK
        : e->code;
}

static int build(const ba_host *h, ba_build *b, const void *params, const ba_arch_in *in, ba_err *e)
{
    const ba_vit v = form_of(params);
    char shape[32];
    ba_tensor *x = head(h, b, &v, e) ? NULL : h->vit_embed(b, &v, in, e);
    x = x ? h->vit_blocks(b, &v, 0, v.depth, x, e) : NULL;
    x = x ? h->layernorm(b, "v.norm", x, v.block.eps, e) : NULL;
    if (!x || h->publish(b, "features", -1, x, e))
        return e->code;
    snprintf(shape, sizeof shape, "-1,%lld", (long long)v.dim);
    x = h->op(b, "slice", 1, &x, BA_ATTRS(BA_I("axis", 1), BA_I("from", 0), BA_I("to", 2)), e);
    x = x ? h->op(b, "mean", 1, &x, BA_ATTRS(BA_I("axis", 1)), e) : NULL;
    x = x ? h->op(b, "reshape", 1, &x, BA_ATTRS(BA_S("shape", shape)), e) : NULL;
    x = x ? h->layernorm(b, "mlp_head.0", x, 1e-5, e) : NULL;
    x = x ? h->vit_head(b, "mlp_head.1", x, 0, v.classes, e) : NULL;
    return x && !h->publish(b, "logits", -1, x, e) ? BA_OK : e->code;
}

static const ba_arch_ops ops = { .size = sizeof ops, .facts = facts, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(ARCH), .name = "ast", .version = "1.0", .doc = "Audio Spectrogram Transformer: overlapping patches of a spectrogram, two class tokens",
    .cite = "Gong et al., AST: Audio Spectrogram Transformer, Interspeech 2021",
    BA_PARAMS(ast_params,
        BA_CHOICE(ast_params, size, 1, sizes, "dim/depth/heads: tiny 192/12/3, small 384/12/6, base 768/12/12"),
        BA_INT(ast_params, bins, 128, 16, 4096, NULL, "rows of the spectrogram: mel bins"),
        BA_INT(ast_params, frames, 512, 16, 16384, NULL, "columns of the spectrogram: time"),
        BA_INT(ast_params, stride, 10, 1, 16, NULL, "from one patch of 16x16 to the next"),
        BA_INT(ast_params, dim, 0, 0, 16384, NULL, "width of a token; 0: as the size says"),
        BA_INT(ast_params, depth, 0, 0, 1000, "blocks", "number of blocks; 0: as the size says"),
        BA_INT(ast_params, heads, 0, 0, 1024, NULL, "attention heads, a divisor of dim; 0: as the size says"),
        BA_INT(ast_params, classes, 50, 1, 1048576, NULL, "outputs of the head"),
        BA_FLOAT(ast_params, drop_path, 0, 0, 0.99, NULL, "stochastic depth of the last block, linear from 0 in the first; in training only")),
    .ops = &ops,
};
