/* deit: the vision transformer of DeiT and ViT: patches, class token, positions, pre-norm blocks, LayerNorm, head on the class token.
 * With distilled = true there is a second extra token and a second head, as in distilled DeiT: the logits are the mean of both heads in
 * evaluation; in training they are the class head's, and the other's are published as distillation_logits.
 * Weights have timm's names. Spec: models 3. */
#include <math.h>
#include <stdio.h>
#include <bauta/plugin.h>

typedef struct deit_params {
    int64_t size, dim, depth, heads, patch, image, channels, classes, distilled;
    double mlp, drop_path;
} deit_params;

static const char *const sizes[] = { "tiny", "small", "base", "large", "huge", NULL };
static const struct { int64_t dim, depth, heads; } named[] = { { 192, 12, 3 }, { 384, 12, 6 }, { 768, 12, 12 }, { 1024, 24, 16 }, { 1280, 32, 16 } };

/* What is built: the named size, and over it what was given. */
typedef struct form { int64_t dim, depth, heads, hidden, extra, grid, patches; } form;

static form form_of(const deit_params *p)
{
    form s = { p->dim ? p->dim : named[p->size].dim, p->depth ? p->depth : named[p->size].depth, p->heads ? p->heads : named[p->size].heads,
                0, p->distilled ? 2 : 1, p->image / p->patch, 0 };
    s.hidden = (int64_t)llround((double)s.dim * p->mlp);
    s.patches = s.grid * s.grid;
    return s;
}

static int facts(const ba_host *h, const void *params, ba_arch_facts *out, ba_err *e)
{
    const deit_params *p = params;
    form s = form_of(p);
    int64_t below = s.grid * p->patch;
    if (p->patch > p->image)
        return BA_FAIL(h, e, BA_EARG, "patch = %lld is larger than image = %lld", (long long)p->patch, (long long)p->image);
    if (below != p->image)
        return BA_FAIL(h, e, BA_EARG, "image = %lld is no multiple of patch = %lld; %lld or %lld would be", (long long)p->image, (long long)p->patch,
                       (long long)below, (long long)(below + p->patch));
    if (s.dim % s.heads)
        return BA_FAIL(h, e, BA_EARG, "heads = %lld do not divide dim = %lld", (long long)s.heads, (long long)s.dim);
    if (s.hidden < 1)
        return BA_FAIL(h, e, BA_EARG, "mlp = %g of dim = %lld leaves no hidden unit", p->mlp, (long long)s.dim);
    out->image_rows = out->image_columns = p->image;
    out->channels = p->channels;
    out->patches = s.patches;
    out->prefix = s.extra;
    out->grid_rows = out->grid_columns = s.grid;
    out->depth = s.depth;
    out->heads = s.heads;
    out->dim = s.dim;
    out->classes = p->classes;
    return BA_OK;
}

/* Embedded patches with the extra tokens in front and positions added: [B,E+k,dim]. */
static ba_tensor *tokens(const ba_host *h, ba_build *b, const deit_params *p, const form *s, const ba_arch_in *in, ba_err *e)
{
    const int64_t one[] = { 1, 1, s->dim }, all[] = { 1, s->extra + s->patches, s->dim };
    ba_tensor *extra[2] = { h->weight(b, "cls_token", 3, one, BA_INIT_NORMAL, 0.02, BA_NO_DECAY, e), NULL };
    if (extra[0] && p->distilled) {
        extra[1] = h->weight(b, "dist_token", 3, one, BA_INIT_NORMAL, 0.02, BA_NO_DECAY, e);
        extra[0] = extra[1] ? h->op(b, "concat", 2, extra, BA_ATTRS(BA_I("axis", 1)), e) : NULL;
    }
    ba_tensor *pos = extra[0] ? h->weight(b, "pos_embed", 3, all, BA_INIT_NORMAL, 0.02, BA_NO_DECAY, e) : NULL;
    ba_tensor *x = pos ? h->embed(b, "patch_embed.proj", in, p->patch, s->dim, e) : NULL;
    ba_tensor *to[] = { x, extra[0], pos, in->kept };
    return x ? h->op(b, "tokens", in->kept ? 4 : 3, to, BA_ATTRS(BA_I("prefix", s->extra), BA_I("patches", s->patches)), e) : NULL;
}

static ba_tensor *blocks(const ba_host *h, ba_build *b, const deit_params *p, const form *s, ba_tensor *x, ba_err *e)
{
    for (int64_t i = 0; x && i < s->depth; i++) {
        char name[32];
        ba_block spec = { sizeof spec, i, s->heads, s->hidden, s->extra, 1e-6, 0 };
        spec.drop_path = s->depth > 1 ? p->drop_path * (double)i / (double)(s->depth - 1) : 0; /* linear from 0 */
        snprintf(name, sizeof name, "blocks.%lld", (long long)i);
        x = h->block(b, name, x, &spec, e);
    }
    return x;
}

/* Logits [B,classes] fp32 of extra token `at`. Only this row is read, so the last block computes only what it needs. */
static ba_tensor *head(const ba_host *h, ba_build *b, const char *name, ba_tensor *features, int64_t at, int64_t classes, ba_err *e)
{
    ba_tensor *t = h->op(b, "slice", 1, &features, BA_ATTRS(BA_I("axis", 1), BA_I("from", at), BA_I("to", at + 1)), e);
    t = t ? h->linear(b, name, t, classes, 1, 0, e) : NULL;
    char shape[48];
    snprintf(shape, sizeof shape, "-1,%lld", (long long)classes);
    t = t ? h->op(b, "reshape", 1, &t, BA_ATTRS(BA_S("shape", shape)), e) : NULL;
    return t && h->dtype(t) != BA_F32 ? h->op(b, "cast", 1, &t, BA_ATTRS(BA_S("dtype", "f32")), e) : t;
}

static int build(const ba_host *h, ba_build *b, const void *params, const ba_arch_in *in, ba_err *e)
{
    const deit_params *p = params;
    const form s = form_of(p);
    ba_tensor *x = tokens(h, b, p, &s, in, e);
    x = x ? blocks(h, b, p, &s, x, e) : NULL;
    x = x ? h->layernorm(b, "norm", x, 1e-6, e) : NULL;
    if (!x || h->publish(b, "features", -1, x, e))
        return e->code;
    ba_tensor *logits[2] = { head(h, b, "head", x, 0, p->classes, e), NULL };
    if (logits[0] && p->distilled) {
        logits[1] = head(h, b, "head_dist", x, 1, p->classes, e);
        if (!logits[1] || h->publish(b, "distillation_logits", -1, logits[1], e))
            return e->code;
        ba_tensor *sum = in->training ? NULL : h->op(b, "add", 2, logits, 0, NULL, e);
        if (!in->training)
            logits[0] = sum ? h->op(b, "scale", 1, &sum, BA_ATTRS(BA_F("by", 0.5)), e) : NULL;
    }
    return logits[0] && !h->publish(b, "logits", -1, logits[0], e) ? BA_OK : e->code;
}

static const ba_arch_ops ops = { .size = sizeof ops, .facts = facts, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(ARCH), .name = "deit", .version = "1.0",
    .doc = "vision transformer with a class token: DeiT and ViT, all sizes, also distilled DeiT",
    .cite = "Touvron et al., Training data-efficient image transformers & distillation through attention, ICML 2021",
    BA_PARAMS(deit_params,
        BA_CHOICE(deit_params, size, 0, sizes, "dim/depth/heads: tiny 192/12/3, small 384/12/6, base 768/12/12, large 1024/24/16, huge 1280/32/16"),
        BA_INT(deit_params, dim, 0, 0, 16384, NULL, "width of a token; 0: as the size says"),
        BA_INT(deit_params, depth, 0, 0, 1000, "blocks", "number of blocks; 0: as the size says"),
        BA_INT(deit_params, heads, 0, 0, 1024, NULL, "attention heads, a divisor of dim; 0: as the size says"),
        BA_FLOAT(deit_params, mlp, 4, 0.01, 64, NULL, "hidden width of the MLP, as a multiple of dim"),
        BA_INT(deit_params, image, 224, 1, 4096, "pixels", "side of the square picture, a multiple of patch"),
        BA_INT(deit_params, patch, 16, 1, 1024, "pixels", "side of a patch"),
        BA_INT(deit_params, channels, 3, 1, 64, NULL, "channels of a picture"),
        BA_INT(deit_params, classes, 1000, 1, 1048576, NULL, "outputs of the head"),
        BA_FLOAT(deit_params, drop_path, 0.1, 0, 0.99, NULL, "stochastic depth of the last block, linear from 0 in the first; in training only"),
        BA_FLAG(deit_params, distilled, 0, "a distillation token and its own head")),
    .ops = &ops,
};
