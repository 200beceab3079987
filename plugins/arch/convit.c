/* convit: ConViT: most blocks mix ordinary attention with one that looks at distances only, by a learned gate for each head (GPSA); the class
 * token joins before the last two blocks, which are ordinary. A masked forward keeps the patches' own places: distances are those
 * of the whole grid. `tokens` have the class token in front everywhere; `class_attention` belongs to the ordinary blocks (fact joins).
 * Code: facebookresearch/convit. */
#define BA_WANT_MINOR 4
#include <math.h>
#include <stdlib.h>
#include <bauta/compose.h>
#include <bauta/vit.h>

typedef struct convit_params { ba_vit_settings vit; int64_t local; double locality; } convit_params;

static const char *const sizes[] = { "tiny", "small", "base", NULL };
static const ba_vit_size named[] = { { 192, 12, 4 }, { 432, 12, 9 }, { 768, 12, 16 } };

typedef struct gated { const ba_vit *v; double locality; ba_tensor *away; } gated; /* away [B or 1,T*T,3]: columns, rows, square of the distance */

/* ---- positional attention ---- */
/* How a head begins: it looks at one place of a square around the patch, as a convolution's kernel does. */
static ba_tensor *looks(ba_on o, const char *prefix, const gated *g)
{
    char name[96];
    int64_t H = g->v->heads, side = (int64_t)sqrt((double)H), dim[] = { H, 3 };
    double middle = side % 2 ? (double)(side / 2) : (double)(side - 1) / 2;
    float *w = calloc((size_t)H * 3, sizeof *w);
    snprintf(name, sizeof name, "%.60s.attn.pos_proj.weight", prefix);
    for (int64_t i = 0; w && i < H; i++) {
        w[3 * i] = (float)(2 * ((double)(i / side) - middle) * g->locality); /* columns go with the slower index, as in the authors' code */
        w[3 * i + 1] = (float)(2 * ((double)(i % side) - middle) * g->locality);
        w[3 * i + 2] = (float)-g->locality;
    }
    ba_tensor *t = w ? o.h->weight_from(o.b, name, 2, dim, w, 0, o.e) : NULL;
    free(w);
    return t;
}

/* softmax over the keys of W away + bias: [B or 1,heads,T,T] */
static ba_tensor *positional(ba_on o, const char *prefix, const gated *g, int64_t T)
{
    char name[96];
    int64_t H = g->v->heads;
    ba_tensor *w = looks(o, prefix, g);
    snprintf(name, sizeof name, "%.60s.attn.pos_proj.bias", prefix);
    ba_tensor *bias = w ? o.h->weight(o.b, name, 1, &H, BA_INIT_ZERO, 0, 0, o.e) : NULL;
    ba_tensor *s = bias ? ba_add(o, ba_matmul(o, w, g->away, 0, 1), ba_reshape(o, bias, BA_DIMS(H, 1))) : NULL;
    return ba_op1(o, "softmax", ba_reshape(o, s, BA_DIMS(-1, H, T, T)), 0, NULL);
}

/* (1 - gate) content + gate places, rows summing to 1. */
static ba_tensor *blend(ba_on o, const char *prefix, const gated *g, ba_tensor *content)
{
    char name[96];
    int64_t H = g->v->heads;
    snprintf(name, sizeof name, "%.60s.attn.gating_param", prefix);
    float ones[1024];
    for (int64_t i = 0; i < H; i++)
        ones[i] = 1;
    ba_tensor *gate = content ? o.h->weight_from(o.b, name, 1, &H, ones, 0, o.e) : NULL;
    gate = ba_reshape(o, ba_op1(o, "sigmoid", gate, 0, NULL), BA_DIMS(H, 1, 1));
    ba_tensor *a = ba_mul(o, content, ba_scale(o, gate, -1, 1)), *p = gate ? ba_mul(o, positional(o, prefix, g, o.h->dim(content, 2)), gate) : NULL;
    a = ba_add(o, a, p);
    return ba_op2(o, "div", a, ba_sum(o, a, 3, 1), 0, NULL);
}

/* The values' matrix begins as the identity. */
static int identity(ba_on o, const char *name, int64_t D)
{
    const int64_t dim[] = { D, D };
    float *w = calloc((size_t)(D * D), sizeof *w);
    for (int64_t i = 0; w && i < D; i++)
        w[i * D + i] = 1;
    ba_tensor *t = w ? o.h->weight_from(o.b, name, 2, dim, w, 0, o.e) : NULL;
    free(w);
    return t ? BA_OK : BA_EMACHINE;
}

static ba_tensor *attend(const ba_host *h, ba_build *b, const char *prefix, ba_tensor *x, const void *given, ba_err *e)
{
    const ba_on o = { h, b, e };
    const gated *g = given;
    const int64_t D = g->v->dim, H = g->v->heads;
    char name[4][96];
    snprintf(name[0], sizeof name[0], "%.60s.attn.qk", prefix);
    snprintf(name[1], sizeof name[1], "%.60s.attn.v", prefix);
    snprintf(name[2], sizeof name[2], "%.60s.attn.v.weight", prefix);
    snprintf(name[3], sizeof name[3], "%.60s.attn.proj", prefix);
    ba_tensor *qk = identity(o, name[2], D) ? NULL : h->linear(b, name[0], x, 2 * D, 0, 0, e), *v = qk ? h->linear(b, name[1], x, D, 0, 0, e) : NULL, *two[2], *value;
    if (!v || h->split_heads(b, qk, 2, H, two, e) || h->split_heads(b, v, 1, H, &value, e))
        return NULL;
    ba_tensor *s = ba_scale(o, ba_as_f32(o, ba_matmul(o, two[0], two[1], 0, 1)), 1 / sqrt((double)(D / H)), 0);
    ba_tensor *a = blend(o, prefix, g, ba_op1(o, "softmax", s, 0, NULL));
    if (a && h->dtype(value) == BA_BF16)
        a = ba_op1(o, "cast", a, BA_ATTRS(BA_S("dtype", "bf16")));
    x = ba_matmul(o, a, value, 0, 0);
    x = x ? h->join_heads(b, x, e) : NULL;
    return x ? h->linear(b, name[3], x, D, 1, 0, e) : NULL;
}

/* For every pair of patches that are there: how far the key lies from the query. */
static ba_tensor *distances(ba_on o, int64_t side, ba_tensor *kept)
{
    const int64_t N = side * side, dim[] = { 1, N, 2 };
    float *at = malloc((size_t)N * 2 * sizeof *at);
    for (int64_t i = 0; at && i < N; i++) {
        at[2 * i] = (float)(i % side);
        at[2 * i + 1] = (float)(i / side);
    }
    ba_tensor *place = at ? o.h->constant(o.b, 3, dim, at, o.e) : NULL;
    free(at);
    if (kept && place) {
        char shape[48];
        snprintf(shape, sizeof shape, "%lld,%lld,2", (long long)o.h->dim(kept, 0), (long long)N);
        place = ba_op2(o, "gather_rows", ba_op1(o, "broadcast_to", place, BA_ATTRS(BA_S("shape", shape))), kept, 0, NULL);
    }
    const int64_t B = place ? o.h->dim(place, 0) : 1, T = place ? o.h->dim(place, 1) : 1;
    ba_tensor *d = ba_sub(o, ba_reshape(o, place, BA_DIMS(B, 1, T, 2)), ba_reshape(o, place, BA_DIMS(B, T, 1, 2)));
    ba_tensor *square = ba_sum(o, ba_op1(o, "square", d, 0, NULL), 3, 1);
    return ba_reshape(o, ba_op2(o, "concat", d, square, BA_ATTRS(BA_I("axis", 3))), BA_DIMS(B, T * T, 3));
}

/* ---- the model ---- */
static ba_vit form_of(const convit_params *p)
{
    ba_vit v = ba_vit_of(&p->vit, named);
    v.bare = 1;
    v.block.no_qkv_bias = 1;
    return v;
}

static int facts(const ba_host *h, const void *params, ba_arch_facts *out, ba_err *e)
{
    const convit_params *p = params;
    ba_vit v = form_of(p);
    int64_t side = (int64_t)sqrt((double)v.heads);
    if (p->local >= v.depth)
        return BA_FAIL(h, e, BA_EARG, "local = %lld of %lld blocks; at least one must be left in which the class token takes part", (long long)p->local,
                       (long long)v.depth);
    if (side * side > v.heads || v.heads > 1024)
        return BA_FAIL(h, e, BA_EARG, "heads = %lld", (long long)v.heads);
    out->joins = p->local;
    return h->vit_facts(&v, out, e);
}

static int build(const ba_host *h, ba_build *b, const void *params, const ba_arch_in *in, ba_err *e)
{
    const ba_on o = { h, b, e };
    const convit_params *p = params;
    ba_vit v = form_of(p), local = v;
    gated given = { &v, p->locality, distances(o, p->vit.image / p->vit.patch, in->kept) };
    local.block.quiet = 1;
    local.block.attend = attend;
    local.block.given = &given;
    ba_tensor *all = given.away ? h->vit_embed(b, &local, in, e) : NULL, *c = all ? ba_slice(o, all, 1, 0, 1) : NULL;
    ba_tensor *x = all ? ba_slice(o, all, 1, 1, h->dim(all, 1)) : NULL;
    if (!p->local && all && h->publish(b, "embedded", -1, all, e))
        return e->code;
    for (int64_t i = 0; x && i < p->local; i++) {
        x = h->vit_blocks(b, &local, i, i + 1, x, e);
        all = ba_op2(o, "concat", c, x, BA_ATTRS(BA_I("axis", 1)));
        if (!all || h->publish(b, "tokens", i, all, e))
            return e->code;
    }
    x = x ? h->vit_blocks(b, &v, p->local, v.depth, all, e) : NULL;
    return ba_vit_end(h, b, &v, x, e);
}

static const ba_arch_ops ops = { .size = sizeof ops, .facts = facts, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(ARCH), .name = "convit", .version = "1.0", .doc = "ConViT: gated positional self-attention, class token in the last blocks only",
    .cite = "d'Ascoli et al., ConViT: Improving Vision Transformers with Soft Convolutional Inductive Biases, ICML 2021",
    BA_PARAMS(convit_params,
        BA_VIT_ROWS(convit_params, vit, sizes, 0, "dim/depth/heads: tiny 192/12/4, small 432/12/9, base 768/12/16", 224, 16, 0.1),
        BA_INT(convit_params, local, 10, 0, 1000, "blocks", "how many blocks, from the first, have gated positional attention"),
        BA_FLOAT(convit_params, locality, 1, 0, 100, NULL, "how narrowly a head begins to look")),
    .ops = &ops,
};
