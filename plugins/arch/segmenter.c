/* segmenter: Segmenter with its mask transformer: a ViT encoder whose patches, with one learned token for each class behind them, pass two more blocks;
 * what a patch shows is its likeness to the classes' tokens. `scores` [B,k,classes] are those of the kept patches, `masks` [B,classes,rows*columns]
 * those of every pixel (of whole pictures only), `logits` [B,classes] the mean over the patches, our own, so that a picture has an answer. Class
 * attention is the encoder's. Pictures whose sides are no multiples of the patch are filled up with zeros, below and to the right, after they were
 * normalised; `masks` have their own size again. Not built: the dropout of 0.1 that the authors train the mask transformer's blocks with (evaluation has
 * none, so that their weights give their answers). Code: rstrudel/segmenter. */
#define BA_WANT_MINOR 1
#include <math.h>
#include <bauta/compose.h>
#include <bauta/vit.h>

typedef struct segmenter_params { ba_vit_settings vit; int64_t rows, columns, table, decoder_depth, decoder_heads; } segmenter_params;

static const char *const sizes[] = { "tiny", "small", "base", NULL };
static const ba_vit_size named[] = { { 192, 12, 3 }, { 384, 12, 6 }, { 768, 12, 12 } };
enum { MOST_CHANNELS = 64 };
static const double eps = 1e-5; /* everywhere, although the encoder's weights were trained with 1e-6 */

/* Sides of the picture as it comes. */
static int64_t rows_of(const segmenter_params *p) { return p->rows ? p->rows : p->vit.image; }
static int64_t columns_of(const segmenter_params *p) { return p->columns ? p->columns : p->vit.image; }

static int64_t padded(int64_t side, int64_t patch) { return (side + patch - 1) / patch * patch; }

/* The trunk, of the picture that is filled up. */
static ba_vit form_of(const segmenter_params *p)
{
    ba_vit v = ba_vit_of(&p->vit, named);
    v.scope = "encoder.";
    v.image_rows = padded(rows_of(p), p->vit.patch);
    v.image_columns = padded(columns_of(p), p->vit.patch);
    v.block.eps = eps;
    v.resize = BA_RESIZE_BILINEAR;
    v.table_rows = v.table_columns = p->table / p->vit.patch;
    return v;
}

static int64_t heads_of(const segmenter_params *p, const ba_vit *v) { return p->decoder_heads ? p->decoder_heads : v->dim < 64 ? 1 : v->dim / 64; }

static int facts(const ba_host *h, const void *params, ba_arch_facts *out, ba_err *e)
{
    const segmenter_params *p = params;
    ba_vit v = form_of(p);
    if (p->vit.patch > 0 && p->table % p->vit.patch)
        return BA_FAIL(h, e, BA_EARG, "table = %lld is no multiple of patch = %lld", (long long)p->table, (long long)p->vit.patch);
    if (v.dim > 0 && v.dim % heads_of(p, &v))
        return BA_FAIL(h, e, BA_EARG, "decoder_heads = %lld do not divide dim = %lld", (long long)heads_of(p, &v), (long long)v.dim);
    if (h->vit_facts(&v, out, e))
        return e->code;
    out->image_rows = rows_of(p);
    out->image_columns = columns_of(p);
    return BA_OK;
}

/* ---- encoder ---- */
/* The pictures as the patches want them: where they do not fill the grid, normalised here and zeros added. */
static int fill_up(ba_on o, const ba_vit *v, ba_arch_in *in)
{
    const int64_t C = v->channels;
    float one[MOST_CHANNELS], none[MOST_CHANNELS] = { 0 };
    if (o.h->dim(in->images, 1) == v->image_rows && o.h->dim(in->images, 2) == v->image_columns)
        return BA_OK;
    for (int64_t c = 0; c < C; c++)
        one[c] = 1;
    ba_tensor *x = ba_add(o, ba_mul(o, ba_as_f32(o, in->images), in->scale), in->shift);
    x = ba_op1(o, "unslice", x, BA_ATTRS(BA_I("axis", 1), BA_I("from", 0), BA_I("size", v->image_rows)));
    in->images = ba_op1(o, "unslice", x, BA_ATTRS(BA_I("axis", 2), BA_I("from", 0), BA_I("size", v->image_columns)));
    in->scale = in->images ? o.h->constant(o.b, 1, &C, one, o.e) : NULL;
    in->shift = in->scale ? o.h->constant(o.b, 1, &C, none, o.e) : NULL;
    return in->shift ? BA_OK : o.e->code;
}

/* ---- mask transformer ---- */
/* The tokens of the classes behind the patches [B,k,dim]: they have no positions. */
static ba_tensor *with_classes(ba_on o, ba_tensor *x, int64_t classes, int64_t dim)
{
    const int64_t row[] = { 1, classes, dim };
    ba_tensor *c = x ? o.h->weight(o.b, "decoder.cls_emb", 3, row, BA_INIT_NORMAL, 0.02, BA_NO_DECAY, o.e) : NULL;
    char shape[80];
    if (!c)
        return NULL;
    snprintf(shape, sizeof shape, "%lld,%lld,%lld", (long long)o.h->dim(x, 0), (long long)classes, (long long)dim);
    c = ba_op1(o, "broadcast_to", c, BA_ATTRS(BA_S("shape", shape)));
    c = c && o.h->dtype(x) == BA_BF16 ? ba_op1(o, "cast", c, BA_ATTRS(BA_S("dtype", "bf16"))) : c;
    return ba_op2(o, "concat", x, c, BA_ATTRS(BA_I("axis", 1)));
}

/* Rows of x times a matrix stored [in,out], then of length 1. */
static ba_tensor *direction(ba_on o, const char *name, ba_tensor *x, int64_t dim)
{
    const int64_t side[] = { dim, dim };
    ba_tensor *w = x ? o.h->weight(o.b, name, 2, side, BA_INIT_NORMAL, 1 / sqrt((double)dim), 0, o.e) : NULL;
    return ba_op1(o, "normalise", ba_matmul(o, ba_as_f32(o, x), w, 0, 0), BA_ATTRS(BA_F("eps", 1e-12)));
}

/* The encoder's patches [B,k,dim] -> how much each is of each class, f32 [B,k,classes]. */
static ba_tensor *decoder(ba_on o, const segmenter_params *p, const ba_vit *v, ba_tensor *x)
{
    const int64_t k = o.h->dim(x, 1), K = p->vit.classes;
    ba_block block = { .size = sizeof block, .heads = heads_of(p, v), .mlp = 4 * v->dim, .eps = eps, .quiet = 1 };
    x = with_classes(o, o.h->linear(o.b, "decoder.proj_dec", x, v->dim, 1, 0, o.e), K, v->dim);
    for (int64_t i = 0; x && i < p->decoder_depth; i++) {
        char name[48];
        snprintf(name, sizeof name, "decoder.blocks.%lld", (long long)i);
        x = o.h->block(o.b, name, x, &block, o.e);
    }
    x = x ? o.h->layernorm(o.b, "decoder.decoder_norm", x, eps, o.e) : NULL;
    ba_tensor *patches = direction(o, "decoder.proj_patch", ba_slice(o, x, 1, 0, k), v->dim);
    ba_tensor *classes = direction(o, "decoder.proj_classes", ba_slice(o, x, 1, k, k + K), v->dim);
    x = ba_matmul(o, patches, classes, 0, 1);
    return x ? o.h->layernorm(o.b, "decoder.mask_norm", x, eps, o.e) : NULL;
}

/* Of each pixel that the picture has: bilinear between the middles of patches. scores [B,N,K]. */
static ba_tensor *pixels(ba_on o, const segmenter_params *p, const ba_vit *v, ba_tensor *scores)
{
    const int64_t B = o.h->dim(scores, 0), N = o.h->dim(scores, 1), K = o.h->dim(scores, 2), rows = v->image_rows, columns = v->image_columns;
    ba_tensor *maps = ba_reshape(o, ba_permute(o, scores, "0,2,1"), BA_DIMS(B * K, N));
    maps = ba_op1(o, "resize", maps, BA_ATTRS(BA_I("rows", rows / v->patch), BA_I("columns", columns / v->patch), BA_I("to_rows", rows), BA_I("to_columns", columns)));
    maps = ba_slice(o, ba_slice(o, ba_reshape(o, maps, BA_DIMS(B, K, rows, columns)), 2, 0, rows_of(p)), 3, 0, columns_of(p));
    return ba_reshape(o, maps, BA_DIMS(B, K, rows_of(p) * columns_of(p)));
}

static int build(const ba_host *h, ba_build *b, const void *params, const ba_arch_in *in, ba_err *e)
{
    const ba_on o = { h, b, e };
    const segmenter_params *p = params;
    const ba_vit v = form_of(p);
    ba_arch_in full = *in;
    if (fill_up(o, &v, &full))
        return e->code;
    ba_tensor *x = h->vit_embed(b, &v, &full, e);
    x = x ? h->vit_blocks(b, &v, 0, v.depth, x, e) : NULL;
    x = x ? h->layernorm(b, "encoder.norm", x, v.block.eps, e) : NULL;
    if (!x || h->publish(b, "features", -1, x, e) || !(x = ba_slice(o, x, 1, 1, h->dim(x, 1))))
        return e->code;
    ba_tensor *scores = decoder(o, p, &v, x), *logits = ba_mean(o, scores, 1, 0), *masks = logits && !in->kept ? pixels(o, p, &v, scores) : NULL;
    if (!logits || (!in->kept && !masks) || h->publish(b, "scores", -1, scores, e) || h->publish(b, "logits", -1, logits, e))
        return e->code;
    return masks ? h->publish(b, "masks", -1, masks, e) : BA_OK;
}

static const ba_arch_ops ops = { .size = sizeof ops, .facts = facts, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(ARCH), .name = "segmenter", .version = "1.0", .doc = "Segmenter: a ViT and a mask transformer that says of each patch what it shows",
    .cite = "Strudel et al., Segmenter: Transformer for Semantic Segmentation, ICCV 2021",
    BA_PARAMS(segmenter_params,
        BA_VIT_ROWS(segmenter_params, vit, sizes, 0, "dim/depth/heads: tiny 192/12/3, small 384/12/6, base 768/12/12", 512, 16, 0.1),
        BA_INT(segmenter_params, rows, 0, 0, 4096, "pixels", "of the picture; 0: image. No multiple of patch: zeros are added below"),
        BA_INT(segmenter_params, columns, 0, 0, 4096, "pixels", "of the picture; 0: image. No multiple of patch: zeros are added to the right"),
        BA_INT(segmenter_params, table, 0, 0, 4096, "pixels", "side of the picture that the position table is for; 0: image"),
        BA_INT(segmenter_params, decoder_depth, 2, 1, 100, "blocks", "of the mask transformer"),
        BA_INT(segmenter_params, decoder_heads, 0, 0, 1024, NULL, "attention heads there, a divisor of dim; 0: dim / 64, at least 1")),
    .ops = &ops,
};
