/* old-arch: a vision transformer that classifies by the mean of its patches. It has a class token all the same, so that criteria can ask what
 * that token attends to. Weights have timm's names. */
#include <stdio.h>
#include <bauta/plugin.h>

typedef struct old_params { int64_t dim, depth, heads, patch, image, classes; double drop_path; } old_params;

/* The geometry, and the only judge of settings against each other. Nothing is built here. */
static int facts(const ba_host *h, const void *params, ba_arch_facts *out, ba_err *e)
{
    const old_params *p = params;
    if (p->image % p->patch)
        return BA_FAIL(h, e, BA_EARG, "image = %lld is no multiple of patch = %lld", (long long)p->image, (long long)p->patch);
    if (p->dim % p->heads)
        return BA_FAIL(h, e, BA_EARG, "heads = %lld do not divide dim = %lld", (long long)p->heads, (long long)p->dim);
    out->image_rows = out->image_columns = p->image;
    out->channels = 3;
    out->grid_rows = out->grid_columns = p->image / p->patch;
    out->patches = out->grid_rows * out->grid_columns;
    out->prefix = 1;
    out->depth = p->depth;
    out->heads = p->heads;
    out->dim = p->dim;
    out->classes = p->classes;
    return BA_OK;
}

/* The class token, then the embedded patches (the kept ones only, when some are masked), with their positions: [B,1+k,dim]. */
static ba_tensor *tokens(const ba_host *h, ba_build *b, const old_params *p, const ba_arch_in *in, ba_err *e)
{
    int64_t side = p->image / p->patch, patches = side * side;
    const int64_t one[] = { 1, 1, p->dim }, all[] = { 1, 1 + patches, p->dim };
    ba_tensor *t[4] = { h->embed(b, "patch_embed.proj", in, p->patch, p->dim, e), NULL, NULL, in->kept };
    t[1] = t[0] ? h->weight(b, "cls_token", 3, one, BA_INIT_NORMAL, 0.02, BA_NO_DECAY, e) : NULL;
    t[2] = t[1] ? h->weight(b, "pos_embed", 3, all, BA_INIT_NORMAL, 0.02, BA_NO_DECAY, e) : NULL;
    return t[2] ? h->op(b, "tokens", in->kept ? 4 : 3, t, BA_ATTRS(BA_I("prefix", 1), BA_I("patches", patches)), e) : NULL;
}

static ba_tensor *blocks(const ba_host *h, ba_build *b, const old_params *p, ba_tensor *x, ba_err *e)
{
    for (int64_t i = 0; x && i < p->depth; i++) {
        char name[32];
        ba_block spec = { .size = sizeof spec, .layer = i, .heads = p->heads, .mlp = 4 * p->dim, .prefix = 1, .eps = 1e-6 };
        spec.drop_path = p->depth > 1 ? p->drop_path * (double)i / (double)(p->depth - 1) : 0; /* in training only */
        snprintf(name, sizeof name, "blocks.%lld", (long long)i);
        x = h->block(b, name, x, &spec, e);
    }
    return x;
}

/* Logits [B,classes] from the mean of the patches of features [B,1+k,dim]. */
static ba_tensor *head(const ba_host *h, ba_build *b, ba_tensor *features, int64_t classes, ba_err *e)
{
    ba_tensor *t = h->op(b, "slice", 1, &features, BA_ATTRS(BA_I("axis", 1), BA_I("from", 1), BA_I("to", h->dim(features, 1))), e);
    t = t ? h->op(b, "mean", 1, &t, BA_ATTRS(BA_I("axis", 1)), e) : NULL;
    t = t ? h->linear(b, "head", t, classes, 1, 0, e) : NULL;
    return t && h->dtype(t) != BA_F32 ? h->op(b, "cast", 1, &t, BA_ATTRS(BA_S("dtype", "f32")), e) : t;
}

static int build(const ba_host *h, ba_build *b, const void *params, const ba_arch_in *in, ba_err *e)
{
    const old_params *p = params;
    ba_tensor *x = tokens(h, b, p, in, e);
    x = x ? blocks(h, b, p, x, e) : NULL; /* makes tokens and class_attention of each layer known */
    x = x ? h->layernorm(b, "norm", x, 1e-6, e) : NULL;
    if (!x || h->publish(b, "features", -1, x, e))
        return e->code;
    ba_tensor *logits = head(h, b, x, p->classes, e);
    return logits && !h->publish(b, "logits", -1, logits, e) ? BA_OK : e->code;
}

static const ba_arch_ops ops = { .size = sizeof ops, .facts = facts, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(ARCH), .name = "old-arch", .version = "0.1",
    .doc = "vision transformer that classifies by the mean of its patches",
    BA_PARAMS(old_params,
        BA_INT(old_params, dim, 192, 1, 16384, NULL, "width of a token"),
        BA_INT(old_params, depth, 12, 1, 1000, "blocks", "number of blocks"),
        BA_INT(old_params, heads, 3, 1, 1024, NULL, "attention heads, a divisor of dim"),
        BA_INT(old_params, patch, 16, 1, 1024, "pixels", "side of a patch"),
        BA_INT(old_params, image, 224, 1, 4096, "pixels", "side of the square picture, a multiple of patch"),
        BA_INT(old_params, classes, 1000, 1, 1048576, NULL, "outputs of the head"),
        BA_FLOAT(old_params, drop_path, 0, 0, 0.99, NULL, "stochastic depth of the last block, linear from 0 in the first")),
    .ops = &ops,
};
