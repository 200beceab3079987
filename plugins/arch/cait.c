/* cait: CaiT: a trunk of patches only, with talking heads and LayerScale, and behind it blocks in which the class token alone asks (class
 * attention). The trunk knows no place, so a masked forward is a gather after the positions. Layers 0.. are the trunk's, the class blocks
 * follow (facts trunk and joins); `tokens` have the class token in front everywhere, `class_attention` belongs to the class blocks.
 * Code: facebookresearch/deit. */
#define BA_WANT_MINOR 4
#include <math.h>
#include <bauta/compose.h>
#include <bauta/vit.h>

typedef struct cait_params { ba_vit_settings vit; int64_t class_depth; double layer_scale; } cait_params;

static const char *const sizes[] = { "xxs24", "xxs36", "xs24", "s24", "s36", "m36", "m48", NULL };
static const ba_vit_size named[] = { { 192, 24, 4 }, { 192, 36, 4 }, { 288, 24, 6 }, { 384, 24, 8 }, { 384, 36, 8 }, { 768, 36, 16 }, { 768, 48, 16 } };

/* ---- attention of the trunk ---- */
/* Every head's map becomes a sum of all heads' maps: s [B,H,T,T], weights [H,H]. */
static ba_tensor *mix(ba_on o, const char *prefix, const char *part, ba_tensor *s, int64_t H)
{
    char name[2][96];
    const int64_t square[] = { H, H }, B = o.h->dim(s, 0), T = o.h->dim(s, 2);
    snprintf(name[0], sizeof name[0], "%.60s.attn.%s.weight", prefix, part);
    snprintf(name[1], sizeof name[1], "%.60s.attn.%s.bias", prefix, part);
    ba_tensor *w = s ? o.h->weight(o.b, name[0], 2, square, BA_INIT_NORMAL, 0.02, 0, o.e) : NULL;
    ba_tensor *bias = w ? o.h->weight(o.b, name[1], 1, &H, BA_INIT_ZERO, 0, 0, o.e) : NULL;
    s = bias ? ba_matmul(o, w, ba_reshape(o, s, BA_DIMS(B, H, T * T)), 0, 0) : NULL;
    return ba_reshape(o, ba_add(o, s, ba_reshape(o, bias, BA_DIMS(H, 1))), BA_DIMS(B, H, T, T));
}

static ba_tensor *like(ba_on o, ba_tensor *x, const ba_tensor *model)
{
    return x && o.h->dtype(x) != o.h->dtype(model) ? ba_op1(o, "cast", x, BA_ATTRS(BA_S("dtype", o.h->dtype(model) == BA_BF16 ? "bf16" : "f32"))) : x;
}

static ba_tensor *talking(const ba_host *h, ba_build *b, const char *prefix, ba_tensor *x, const void *given, ba_err *e)
{
    const ba_on o = { h, b, e };
    const ba_vit *v = given;
    char name[96];
    ba_tensor *part[3], *s;
    snprintf(name, sizeof name, "%.60s.attn.qkv", prefix);
    if (!(x = h->linear(b, name, x, 3 * v->dim, 1, 0, e)) || h->split_heads(b, x, 3, v->heads, part, e))
        return NULL;
    s = ba_scale(o, ba_as_f32(o, ba_matmul(o, part[0], part[1], 0, 1)), 1 / sqrt((double)(v->dim / v->heads)), 0);
    s = s ? ba_op1(o, "softmax", mix(o, prefix, "proj_l", s, v->heads), 0, NULL) : NULL;
    s = s ? mix(o, prefix, "proj_w", s, v->heads) : NULL;
    x = ba_matmul(o, like(o, s, part[2]), part[2], 0, 0);
    snprintf(name, sizeof name, "%.60s.attn.proj", prefix);
    x = x ? h->join_heads(b, x, e) : NULL;
    return x ? h->linear(b, name, x, v->dim, 1, 0, e) : NULL;
}

/* ---- attention of the class blocks ---- */
typedef struct asking { const ba_vit *v; ba_tensor *patches; int64_t layer; } asking;

static ba_tensor *dense(ba_on o, const char *prefix, const char *part, ba_tensor *x, int64_t out)
{
    char name[96];
    snprintf(name, sizeof name, "%.60s.%s", prefix, part);
    return x ? o.h->linear(o.b, name, x, out, 1, 0, o.e) : NULL;
}

/* c [B,1,D] is the normalised class token; the patches pass through the same norm here, because a norm looks at one token only. */
static ba_tensor *ask(const ba_host *h, ba_build *b, const char *prefix, ba_tensor *c, const void *given, ba_err *e)
{
    const ba_on o = { h, b, e };
    const asking *g = given;
    char name[96];
    snprintf(name, sizeof name, "%.60s.norm1", prefix);
    ba_tensor *all[2] = { c, h->layernorm(b, name, g->patches, g->v->block.eps, e) }, *seen;
    ba_tensor *u = ba_op2(o, "concat", all[0], all[1], BA_ATTRS(BA_I("axis", 1)));
    ba_tensor *q = dense(o, prefix, "attn.q", c, g->v->dim), *k = dense(o, prefix, "attn.k", u, g->v->dim), *w = dense(o, prefix, "attn.v", u, g->v->dim);
    ba_tensor *y = ba_op2(o, "class_attention", q, ba_op2(o, "concat", k, w, BA_ATTRS(BA_I("axis", 2))), BA_ATTRS(BA_I("heads", g->v->heads), BA_I("prefix", 1)));
    if (!y || !(seen = h->output(b, y, 2, e)) || h->publish(b, "class_attention", g->layer, seen, e))
        return NULL;
    return dense(o, prefix, "attn.proj", y, g->v->dim);
}

/* ---- the model ---- */
static ba_vit form_of(const cait_params *p)
{
    ba_vit v = ba_vit_of(&p->vit, named);
    v.bare = 1;
    v.drop_constant = 1;
    v.block.layer_scale = p->layer_scale;
    v.block.gamma_names = 1;
    v.block.quiet = 1;
    v.block.attend = talking;
    return v;
}

static int facts(const ba_host *h, const void *params, ba_arch_facts *out, ba_err *e)
{
    const cait_params *p = params;
    ba_vit v = form_of(p);
    out->trunk = out->joins = v.depth;
    v.depth += p->class_depth;
    return h->vit_facts(&v, out, e);
}

/* The class token and the patches as the tokens of a layer. */
static ba_tensor *told(ba_on o, ba_tensor *c, ba_tensor *x, int64_t layer)
{
    ba_tensor *all = ba_op2(o, "concat", c, x, BA_ATTRS(BA_I("axis", 1)));
    return all && !o.h->publish(o.b, "tokens", layer, all, o.e) ? all : NULL;
}

static ba_tensor *class_block(ba_on o, const ba_vit *v, int64_t i, ba_tensor *c, ba_tensor *x)
{
    char name[40];
    const asking given = { v, x, v->depth + i };
    ba_block spec = v->block;
    spec.layer = v->depth + i;
    spec.heads = v->heads;
    spec.mlp = v->hidden;
    spec.drop_path = 0;
    spec.attend = ask;
    spec.given = &given;
    snprintf(name, sizeof name, "blocks_token_only.%lld", (long long)i);
    return o.h->block(o.b, name, c, &spec, o.e);
}

static int build(const ba_host *h, ba_build *b, const void *params, const ba_arch_in *in, ba_err *e)
{
    const ba_on o = { h, b, e };
    const cait_params *p = params;
    ba_vit v = form_of(p);
    v.block.given = &v;
    ba_tensor *all = h->vit_embed(b, &v, in, e), *c = all ? ba_slice(o, all, 1, 0, 1) : NULL, *x = all ? ba_slice(o, all, 1, 1, h->dim(all, 1)) : NULL;
    for (int64_t i = 0; x && c && i < v.depth; i++) {
        x = h->vit_blocks(b, &v, i, i + 1, x, e);
        if (x && !told(o, c, x, i))
            return e->code;
    }
    for (int64_t i = 0; x && c && i < p->class_depth; i++) {
        c = class_block(o, &v, i, c, x);
        if (c && !(all = told(o, c, x, v.depth + i)))
            return e->code;
    }
    return ba_vit_end(h, b, &v, x && c ? all : NULL, e);
}

static const ba_arch_ops ops = { .size = sizeof ops, .facts = facts, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(ARCH), .name = "cait", .version = "1.0", .doc = "CaiT: talking heads, LayerScale, class-attention blocks at the end",
    .cite = "Touvron et al., Going deeper with Image Transformers, ICCV 2021",
    BA_PARAMS(cait_params,
        BA_VIT_ROWS(cait_params, vit, sizes, 3, "dim/trunk depth/heads: xxs24 192/24/4, xxs36 192/36/4, xs24 288/24/6, s24 384/24/8, s36 384/36/8, m36 768/36/16, m48 768/48/16", 224, 16, 0.1),
        BA_INT(cait_params, class_depth, 2, 1, 100, "blocks", "class-attention blocks behind the trunk"),
        BA_FLOAT(cait_params, layer_scale, 1e-5, 1e-12, 10, NULL, "what the scales of the branches begin as")),
    .ops = &ops,
};
