/* derived: signals that are made when somebody asks for them. Of a block's attention: queries, keys and values by head, the scores before
 * the softmax and the whole attention; all come from the packed queries, keys and values [B,T,3D], which are cut here as the rule for dead
 * rows cuts them, so that a model whose last block computes one row only goes on doing so. And a block's tokens after the model's final norm. */
#include <math.h>
#include <stdio.h>

#include "../plugin/build.h"
#include "blocks.h"

static ba_tensor *cut(ba_build *b, ba_tensor *t, int64_t from, int64_t to, ba_err *e)
{
    return t ? ba_op_apply(b->g, "slice", 1, &t, BA_ATTRS(BA_I("axis", 2), BA_I("from", from), BA_I("to", to)), e) : NULL;
}

/* [B,T,D] -> [B,heads,T,D/heads] */
static ba_tensor *by_head(ba_build *b, ba_tensor *t, int64_t heads, ba_err *e)
{
    ba_tensor *out = NULL;
    return t && !bai_nn_split_heads(b, t, 1, heads, &out, e) ? out : NULL;
}

static int64_t width(const bai_signal *s) /* D */
{
    ba_type t;
    return ba_tensor_type(s->t, &t, NULL) ? 0 : t.dim[2] / 3;
}

static ba_tensor *queries(ba_build *b, const bai_signal *s, ba_err *e)
{
    return by_head(b, cut(b, s->t, 0, width(s), e), s->heads, e);
}

static ba_tensor *keys(ba_build *b, const bai_signal *s, ba_err *e)
{
    int64_t D = width(s);
    return by_head(b, cut(b, cut(b, s->t, D, 3 * D, e), 0, D, e), s->heads, e);
}

static ba_tensor *values(ba_build *b, const bai_signal *s, ba_err *e)
{
    int64_t D = width(s);
    return by_head(b, cut(b, cut(b, s->t, D, 3 * D, e), D, 2 * D, e), s->heads, e);
}

/* A signal of the same block, as fp32. */
static ba_tensor *other(ba_build *b, const bai_signal *s, const char *what, ba_err *e)
{
    ba_type x;
    ba_tensor *t = bai_build_own(b, s->who, what, s->layer, e);
    if (!t || ba_tensor_type(t, &x, e))
        return NULL;
    return x.dtype == BA_F32 ? t : ba_op_apply(b->g, "cast", 1, &t, BA_ATTRS(BA_S("dtype", "f32")), e);
}

/* Adds the logarithm of how many tokens a key stands for: it then attracts as much attention as they would together. */
static ba_tensor *by_size(ba_build *b, ba_tensor *logits, ba_tensor *sizes, ba_err *e)
{
    ba_type t;
    char shape[64];
    if (ba_tensor_type(sizes, &t, e))
        return NULL;
    snprintf(shape, sizeof shape, "%lld,1,1,%lld", (long long)t.dim[0], (long long)t.dim[1]);
    ba_tensor *in[] = { logits, ba_op_apply(b->g, "reshape", 1, &sizes, BA_ATTRS(BA_S("shape", shape)), e) };
    in[1] = in[1] ? ba_op_apply(b->g, "log", 1, &in[1], 0, NULL, e) : NULL;
    return in[1] ? ba_op_apply(b->g, "add", 2, in, 0, NULL, e) : NULL;
}

static ba_tensor *attention_logits(ba_build *b, const bai_signal *s, ba_err *e)
{
    ba_tensor *q = other(b, s, "queries", e), *in[2] = { q, q ? other(b, s, "keys", e) : NULL };
    ba_tensor *t = in[1] ? ba_op_apply(b->g, "matmul", 2, in, BA_ATTRS(BA_I("transpose_b", 1)), e) : NULL;
    t = t ? ba_op_apply(b->g, "scale", 1, &t, BA_ATTRS(BA_F("by", 1 / sqrt((double)(width(s) / s->heads)))), e) : NULL;
    return t && s->sizes ? by_size(b, t, s->sizes, e) : t;
}

static ba_tensor *attention(ba_build *b, const bai_signal *s, ba_err *e)
{
    ba_tensor *t = other(b, s, "attention_logits", e);
    return t ? ba_op_apply(b->g, "softmax", 1, &t, 0, NULL, e) : NULL;
}

/* Without a class token: what the patches attend to on the average, [B,heads,1,T]. */
static ba_tensor *average_attention(ba_build *b, const bai_signal *s, ba_err *e)
{
    ba_tensor *t = other(b, s, "attention", e);
    return t ? ba_op_apply(b->g, "mean", 1, &t, BA_ATTRS(BA_I("axis", 2), BA_I("keep", 1)), e) : NULL;
}

int bai_nn_offer(ba_build *b, int64_t layer, int64_t heads, int64_t prefix, ba_tensor *qkv, ba_tensor *sizes, ba_err *e)
{
    static const struct { const char *what; bai_recipe make; } all[] = {
        { "queries", queries }, { "keys", keys }, { "values", values }, { "attention_logits", attention_logits }, { "attention", attention },
        { "class_attention", average_attention },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0] - (prefix > 0); i++) {
        int r = bai_build_offer(b, (bai_signal){ b->call.who, all[i].what, layer, qkv, all[i].make, heads, sizes }, e);
        if (r)
            return r;
    }
    return BA_OK;
}

/* ---- the final norm on the tokens of any block ---- */
static ba_tensor *normed(ba_build *b, const bai_signal *s, ba_err *e)
{
    ba_tensor *in[] = { bai_build_own(b, s->who, "tokens", s->layer, e), s->norm->weight, s->norm->bias };
    return in[0] ? ba_op_apply(b->g, "layernorm", 3, in, BA_ATTRS(BA_F("eps", s->norm->eps)), e) : NULL;
}

int bai_nn_offer_normed(ba_build *b, const ba_tensor *features, ba_err *e)
{
    int64_t depth = bai_build_fact_get(b, b->call.who, "depth");
    if (!b->norm.out || b->norm.out != features)
        return BA_OK;
    bai_norm *own = bai_arena_take(&b->arena, sizeof *own);
    if (!own)
        return ba_fail(e, BA_EMACHINE, "no memory for a build");
    *own = b->norm;
    for (int64_t i = 0; i < depth; i++) {
        int r = bai_build_offer(b, (bai_signal){ .who = b->call.who, .what = "normed", .layer = i, .t = own->weight, .make = normed, .norm = own }, e);
        if (r)
            return r;
    }
    return BA_OK;
}
