/* mae: the encoder of MAE, fine-tuned: with pool = mean (the released classifiers) the mean over the patches there are, then fc_norm and the
 * head; with pool = class norm and the class token. Positions begin as sines and cosines; in pre-training they stay so (positions = fixed).
 * distilled = true is G2SD's student of the second stage: a distillation token without a position, and its head. The authors put the token behind
 * the patches; attention does not see an order, so here it stands in front of them as everywhere. Code: pengzhiliang/G2SD.
 * decoder = true adds the decoder of the pre-training: mask tokens where patches are not shown, its own positions, blocks and a linear
 * prediction of the pixels; published as `decoder_hidden` [B,1+N,width] of each of its blocks, `decoder_tokens`
 * (the last, after decoder_norm) and `predictions` [B,N,patch*patch*channels]
 * (row, column, channel). All matrices begin as Xavier has it, but for those of the heads. Code: facebookresearch/mae. */
#define BA_WANT_MINOR 3
#include <math.h>
#include <stdio.h>
#include <bauta/compose.h>
#include <bauta/vit.h>

typedef struct mae_params { ba_vit_settings vit; int64_t pool, positions, distilled, decoder, decoder_dim, decoder_depth, decoder_heads; } mae_params;

static const char *const sizes[] = { "tiny", "small", "base", "large", "huge", NULL };
static const ba_vit_size named[] = { { 192, 12, 3 }, { 384, 12, 6 }, { 768, 12, 12 }, { 1024, 24, 16 }, { 1280, 32, 16 } };
static const char *const pools[] = { "mean", "class", "none", NULL };
static const char *const positions[] = { "learned", "fixed", NULL };
enum { MEAN, CLASS, NONE };

static ba_vit form_of(const mae_params *p)
{
    ba_vit v = ba_vit_of(&p->vit, named);
    v.sincos = 1 + p->positions;
    v.extra[1] = p->distilled ? "dist_token" : NULL;
    v.bare = p->distilled ? 2 : 0;
    if (p->pool == NONE)
        v.classes = v.dim;
    return v;
}

static int facts(const ba_host *h, const void *params, ba_arch_facts *out, ba_err *e)
{
    const mae_params *p = params;
    ba_vit v = form_of(p);
    if (p->distilled && (p->decoder || p->pool != CLASS))
        return BA_FAIL(h, e, BA_EARG, "distilled = true with %s: the second head is for a classifier on the class token; pool = class, and no decoder",
                       p->decoder ? "decoder = true" : p->pool == MEAN ? "pool = mean" : "pool = none");
    if (p->decoder && p->pool == MEAN)
        return BA_FAIL(h, e, BA_EARG, "decoder = true with pool = mean: the decoder reads tokens after `norm`, which that classifier does not have; pool = class or none");
    if (p->decoder && (p->decoder_dim % p->decoder_heads || p->decoder_dim % 4))
        return BA_FAIL(h, e, BA_EARG, "decoder_heads = %lld and 4 must divide decoder_dim = %lld", (long long)p->decoder_heads, (long long)p->decoder_dim);
    return h->vit_facts(&v, out, e);
}

static ba_tensor *rows(const ba_host *h, ba_build *b, ba_tensor *x, int64_t from, int64_t to, ba_err *e)
{
    return x ? h->op(b, "slice", 1, &x, BA_ATTRS(BA_I("axis", 1), BA_I("from", from), BA_I("to", to)), e) : NULL;
}

/* Makes PREFIX.weight, out x in (of the patches' kernel: x patch x patch), uniform in +-sqrt(6 / (in + out)); whoever asks for it afterwards finds it. */
static int xavier(const ba_host *h, ba_build *b, const char *prefix, int64_t out, int64_t in, int64_t patch, ba_err *e)
{
    const int64_t dim[] = { out, in, patch, patch };
    char name[96];
    snprintf(name, sizeof name, "%.80s.weight", prefix);
    return h->weight(b, name, patch ? 4 : 2, dim, BA_INIT_UNIFORM, sqrt(6 / (double)(out + in * (patch ? patch * patch : 1))), 0, e) ? BA_OK : e->code;
}

static int xavier_blocks(const ba_host *h, ba_build *b, const ba_vit *v, ba_err *e)
{
    static const char *const parts[] = { "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2" };
    const int64_t out[] = { 3 * v->dim, v->dim, v->hidden, v->dim }, in[] = { v->dim, v->dim, v->dim, v->hidden };
    char prefix[80];
    for (int64_t i = 0; i < v->depth; i++)
        for (int k = 0; k < 4; k++) {
            snprintf(prefix, sizeof prefix, "%.20sblocks.%lld.%s", v->scope ? v->scope : "", (long long)i, parts[k]);
            if (xavier(h, b, prefix, out[k], in[k], 0, e))
                return e->code;
        }
    return BA_OK;
}

/* ---- decoder ---- */
/* Patches in their places, the learned token everywhere else: [B,N,D]. */
static ba_tensor *unmask(const ba_host *h, ba_build *b, ba_tensor *x, ba_tensor *kept, int64_t N, ba_err *e)
{
    const int64_t D = h->dim(x, 2), one[] = { 1, 1, D };
    char ones[64];
    ba_tensor *token = h->weight(b, "mask_token", 3, one, BA_INIT_NORMAL, 0.02, BA_NO_DECAY, e);
    ba_tensor *put[] = { x, kept }, *there[] = { token ? h->scalar(b, 1, e) : NULL, kept };
    if (!token || !kept)
        return token ? x : NULL;
    snprintf(ones, sizeof ones, "%lld,%lld,1", (long long)h->dim(kept, 0), (long long)h->dim(kept, 1));
    there[0] = there[0] ? h->op(b, "broadcast_to", 1, &there[0], BA_ATTRS(BA_S("shape", ones)), e) : NULL;
    there[0] = there[0] ? h->op(b, "scatter_rows", 2, there, BA_ATTRS(BA_I("size", N)), e) : NULL; /* 1 where a patch is */
    there[0] = there[0] ? h->op(b, "scale", 1, &there[0], BA_ATTRS(BA_F("by", -1), BA_F("plus", 1)), e) : NULL;
    ba_tensor *fill[] = { there[0], token }, *sum[] = { NULL, NULL };
    sum[0] = there[0] ? h->op(b, "scatter_rows", 2, put, BA_ATTRS(BA_I("size", N)), e) : NULL;
    sum[1] = sum[0] ? h->op(b, "mul", 2, fill, 0, NULL, e) : NULL;
    return sum[1] ? h->op(b, "add", 2, sum, 0, NULL, e) : NULL;
}

static int decoder(const ba_host *h, ba_build *b, const mae_params *p, ba_tensor *x, ba_tensor *kept, int64_t N, ba_err *e)
{
    ba_vit v = form_of(p);
    v.dim = p->decoder_dim;
    v.heads = p->decoder_heads;
    v.hidden = 4 * v.dim;
    v.depth = p->decoder_depth;
    v.scope = "decoder_";
    v.drop_path = 0;
    v.block.quiet = 1;
    const ba_on o = { h, b, e };
    const int half = h->dtype(x) == BA_BF16;
    if (xavier(h, b, "decoder_embed", v.dim, h->dim(x, 2), 0, e) || xavier_blocks(h, b, &v, e) ||
        xavier(h, b, "decoder_pred", p->vit.patch * p->vit.patch * p->vit.channels, v.dim, 0, e))
        return e->code;
    x = ba_as_f32(o, h->linear(b, "decoder_embed", x, v.dim, 1, 0, e)); /* mask token and positions are fp32 */
    ba_tensor *all[2] = { x ? rows(h, b, x, 0, 1, e) : NULL, NULL };
    all[1] = all[0] ? unmask(h, b, rows(h, b, x, 1, h->dim(x, 1), e), kept, N, e) : NULL;
    ba_tensor *sum[2] = { all[1] ? h->op(b, "concat", 2, all, BA_ATTRS(BA_I("axis", 1)), e) : NULL, NULL };
    sum[1] = sum[0] ? h->vit_table(b, "decoder_pos_embed", &v, e) : NULL;
    x = sum[1] ? h->op(b, "add", 2, sum, 0, NULL, e) : NULL;
    x = x && half ? ba_op1(o, "cast", x, BA_ATTRS(BA_S("dtype", "bf16"))) : x;
    for (int64_t i = 0; x && i < v.depth; i++) {
        x = h->vit_blocks(b, &v, i, i + 1, x, e);
        if (x && h->publish(b, "decoder_hidden", i, x, e))
            return e->code;
    }
    x = x ? h->layernorm(b, "decoder_norm", x, v.block.eps, e) : NULL;
    if (!x || h->publish(b, "decoder_tokens", -1, x, e))
        return e->code;
    x = h->linear(b, "decoder_pred", x, p->vit.patch * p->vit.patch * p->vit.channels, 1, 0, e);
    x = rows(h, b, x, 1, 1 + N, e);
    return x ? h->publish(b, "predictions", -1, x, e) : e->code;
}

/* ---- classifiers ---- */
/* pool = mean: of the patches that are there, then fc_norm. `features` are the tokens before any norm. */
static ba_tensor *mean_head(const ba_host *h, ba_build *b, ba_tensor *x, const ba_vit *v, ba_err *e)
{
    if (h->publish(b, "features", -1, x, e))
        return NULL;
    x = rows(h, b, x, 1, h->dim(x, 1), e);
    x = x ? h->op(b, "mean", 1, &x, BA_ATTRS(BA_I("axis", 1)), e) : NULL;
    x = x ? h->layernorm(b, "fc_norm", x, v->block.eps, e) : NULL;
    return x && !h->publish(b, "pooled", -1, x, e) ? h->vit_head(b, "head", x, 0, v->classes, e) : NULL;
}

/* The class token's feature itself stands for the logits. */
static ba_tensor *no_head(const ba_host *h, ba_build *b, ba_tensor *x, const ba_vit *v, ba_err *e)
{
    char shape[32];
    snprintf(shape, sizeof shape, "-1,%lld", (long long)v->dim);
    x = rows(h, b, x, 0, 1, e);
    x = x ? h->op(b, "reshape", 1, &x, BA_ATTRS(BA_S("shape", shape)), e) : NULL;
    return x && h->dtype(x) != BA_F32 ? h->op(b, "cast", 1, &x, BA_ATTRS(BA_S("dtype", "f32")), e) : x;
}

static int build(const ba_host *h, ba_build *b, const void *params, const ba_arch_in *in, ba_err *e)
{
    const mae_params *p = params;
    const ba_vit v = form_of(p);
    if (xavier(h, b, "patch_embed.proj", v.dim, v.channels, v.patch, e) || xavier_blocks(h, b, &v, e))
        return e->code;
    ba_tensor *x = h->vit_embed(b, &v, in, e), *logits = NULL;
    x = x ? h->vit_blocks(b, &v, 0, v.depth, x, e) : NULL;
    if (x && p->pool == MEAN)
        logits = mean_head(h, b, x, &v, e);
    else if (x && (x = h->layernorm(b, "norm", x, v.block.eps, e)) && !h->publish(b, "features", -1, x, e))
        logits = p->pool == NONE ? no_head(h, b, x, &v, e) : ba_vit_logits(h, b, &v, x, p->distilled, in->training, e);
    if (!logits || h->publish(b, "logits", -1, logits, e))
        return e->code;
    const int64_t side = p->vit.image / p->vit.patch;
    return p->decoder ? decoder(h, b, p, x, in->kept, side * side, e) : BA_OK;
}

static const ba_arch_ops ops = { .size = sizeof ops, .facts = facts, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(ARCH), .name = "mae", .version = "1.0", .doc = "MAE's encoder with sine positions: fine-tuned with mean or class pooling, or pre-training with its decoder",
    .cite = "He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022",
    BA_PARAMS(mae_params,
        BA_VIT_ROWS(mae_params, vit, sizes, 2, "dim/depth/heads: tiny 192/12/3, small 384/12/6, base 768/12/12, large 1024/24/16, huge 1280/32/16 (with patch 14)", 224, 16, 0.1),
        BA_CHOICE(mae_params, pool, 0, pools, "mean: of the patches, then fc_norm; class: the class token after norm; none: no classifier, the class token's feature is given out"),
        BA_CHOICE(mae_params, positions, 0, positions, "sines and cosines at the beginning; learned: then trained as in fine-tuning; fixed: never, as in pre-training"),
        BA_FLAG(mae_params, distilled, 0, "a distillation token without a position, and its own head (with pool = class): G2SD's student of the second stage"),
        BA_FLAG(mae_params, decoder, 0, "the decoder of the pre-training, for the losses that reconstruct"),
        BA_INT(mae_params, decoder_dim, 512, 4, 16384, NULL, "width of the decoder (G2SD's small student: 256)"),
        BA_INT(mae_params, decoder_depth, 8, 1, 1000, "blocks", "blocks of the decoder (G2SD's small student: 4)"),
        BA_INT(mae_params, decoder_heads, 16, 1, 1024, NULL, "attention heads of the decoder (G2SD's small student: 8)")),
    .ops = &ops,
};
