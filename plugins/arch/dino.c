/* dino: the backbone of DINO: a ViT without a classifier, whose class token after the last LayerNorm is the feature; published as logits
 * [B,dim]. The position table belongs to a picture of side `table`; for another side it is resized inside the graph, so that small crops
 * train it too. head = true adds DINO's projection head, published as `projection` [B,outputs]. Code: facebookresearch/dino. */
#define BA_WANT_MINOR 2
#include <stdio.h>
#include <bauta/vit.h>

typedef struct dino_params { ba_vit_settings vit; int64_t table, kernel, head, outputs, norm_last_layer; } dino_params;

static const char *const sizes[] = { "tiny", "small", "base", NULL };
static const ba_vit_size named[] = { { 192, 12, 3 }, { 384, 12, 6 }, { 768, 12, 12 } };
static const char *const kernels[] = { "dino", "bicubic", "bicubic-antialias", "bilinear", NULL };
static const int kernel_of[] = { BA_RESIZE_DINO, BA_RESIZE_BICUBIC, BA_RESIZE_ANTIALIAS, BA_RESIZE_BILINEAR };
enum { HIDDEN = 2048, NECK = 256 };

static ba_vit form_of(const dino_params *p)
{
    ba_vit v = ba_vit_of(&p->vit, named);
    v.classes = v.dim; /* the feature stands for the logits */
    v.resize = kernel_of[p->kernel];
    v.table_rows = v.table_columns = p->table / p->vit.patch;
    return v;
}

static int facts(const ba_host *h, const void *params, ba_arch_facts *out, ba_err *e)
{
    const dino_params *p = params;
    ba_vit v = form_of(p);
    if (p->vit.patch > 0 && p->table % p->vit.patch)
        return BA_FAIL(h, e, BA_EARG, "table = %lld is no multiple of patch = %lld", (long long)p->table, (long long)p->vit.patch);
    return h->vit_facts(&v, out, e);
}

/* g v / |v|, row by row, times the unit vectors of the neck: [B,outputs]. g is fixed (as it is in the released runs, to 1) or learned. */
static ba_tensor *last_layer(const ba_host *h, ba_build *b, const dino_params *p, ba_tensor *x, ba_err *e)
{
    const int64_t g[] = { p->outputs, 1 }, rows[] = { p->outputs, NECK };
    ba_tensor *w[2] = { h->weight(b, "head.last_layer.weight_v", 2, rows, BA_INIT_UNIFORM, 1.0 / 16, 0, e), NULL };
    w[0] = w[0] ? h->op(b, "normalise", 1, &w[0], BA_ATTRS(BA_F("eps", 1e-12)), e) : NULL;
    w[1] = w[0] ? h->weight(b, "head.last_layer.weight_g", 2, g, BA_INIT_ONE, 0, p->norm_last_layer ? BA_FIXED : 0, e) : NULL;
    ba_tensor *in[2] = { x, w[1] ? h->op(b, "mul", 2, w, 0, NULL, e) : NULL };
    return in[1] ? h->op(b, "matmul", 2, in, BA_ATTRS(BA_I("transpose_b", 1)), e) : NULL;
}

static int projection(const ba_host *h, ba_build *b, const dino_params *p, ba_tensor *x, ba_err *e)
{
    x = h->linear(b, "head.mlp.0", x, HIDDEN, 1, 1, e);
    x = x ? h->linear(b, "head.mlp.2", x, HIDDEN, 1, 1, e) : NULL;
    x = x ? h->linear(b, "head.mlp.4", x, NECK, 1, 0, e) : NULL;
    x = x && h->dtype(x) != BA_F32 ? h->op(b, "cast", 1, &x, BA_ATTRS(BA_S("dtype", "f32")), e) : x;
    x = x ? h->op(b, "normalise", 1, &x, BA_ATTRS(BA_F("eps", 1e-12)), e) : NULL;
    x = x ? last_layer(h, b, p, x, e) : NULL;
    return x ? h->publish(b, "projection", -1, x, e) : e->code;
}

/* The class token [B,dim]. */
static ba_tensor *feature(const ba_host *h, ba_build *b, ba_tensor *x, int64_t dim, ba_err *e)
{
    char shape[32];
    snprintf(shape, sizeof shape, "-1,%lld", (long long)dim);
    x = h->op(b, "slice", 1, &x, BA_ATTRS(BA_I("axis", 1), BA_I("from", 0), BA_I("to", 1)), e);
    return x ? h->op(b, "reshape", 1, &x, BA_ATTRS(BA_S("shape", shape)), e) : NULL;
}

static int build(const ba_host *h, ba_build *b, const void *params, const ba_arch_in *in, ba_err *e)
{
    const dino_params *p = params;
    ba_vit v = form_of(p);
    v.scope = p->head ? "backbone." : NULL;
    ba_tensor *x = h->vit_embed(b, &v, in, e);
    x = x ? h->vit_blocks(b, &v, 0, v.depth, x, e) : NULL;
    x = x ? h->layernorm(b, p->head ? "backbone.norm" : "norm", x, v.block.eps, e) : NULL;
    if (!x || h->publish(b, "features", -1, x, e) || !(x = feature(h, b, x, v.dim, e)))
        return e->code;
    ba_tensor *f32 = h->dtype(x) == BA_F32 ? x : h->op(b, "cast", 1, &x, BA_ATTRS(BA_S("dtype", "f32")), e);
    if (!f32 || h->publish(b, "logits", -1, f32, e))
        return e->code;
    return p->head ? projection(h, b, p, x, e) : BA_OK;
}

static const ba_arch_ops ops = { .size = sizeof ops, .facts = facts, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(ARCH), .name = "dino", .version = "1.0", .doc = "DINO's backbone, with its projection head if wanted; its logits are the class token's feature",
    .cite = "Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021",
    BA_PARAMS(dino_params,
        BA_VIT_ROWS(dino_params, vit, sizes, 1, "dim/depth/heads: tiny 192/12/3, small 384/12/6, base 768/12/12", 224, 16, 0.1),
        BA_INT(dino_params, table, 0, 0, 4096, "pixels", "side of the picture that the position table is for; 0: image"),
        BA_CHOICE(dino_params, kernel, 0, kernels, "how the table is brought to the grid of the picture; dino: bicubic with the authors' step"),
        BA_FLAG(dino_params, head, 0, "the projection head, published as `projection`; backbone and head then have their names in front"),
        BA_INT(dino_params, outputs, 65536, 1, 1048576, NULL, "outputs of the projection head"),
        BA_FLAG(dino_params, norm_last_layer, 1, "rows of the head's last layer keep the length that they begin with (1); otherwise it is learned")),
    .ops = &ops,
};
