/* derived: signals that are made when somebody asks for them. Of a block's attention: queries, keys and values by head, the scores before
 * the softmax and the whole attention; all come from the packed queries, keys and values [B,T,3D], which are cut here as the rule for dead
 * rows cuts them, so that a model whose last block computes one row only goes on doing so. And a block's tokens after the model's final norm. */
#include <math.h>

#include "blocks.h"
#include "short.h"

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
    return by_head(b, bai_nn_slice(b, s->t, 2, 0, width(s), e), s->heads, e);
}

static ba_tensor *keys(ba_build *b, const bai_signal *s, ba_err *e)
{
    int64_t D = width(s);
    return by_head(b, bai_nn_slice(b, bai_nn_slice(b, s->t, 2, D, 3 * D, e), 2, 0, D, e), s->heads, e);
}

static ba_tensor *values(ba_build *b, const bai_signal *s, ba_err *e)
{
    int64_t D = width(s);
    return by_head(b, bai_nn_slice(b, bai_nn_slice(b, s->t, 2, D, 3 * D, e), 2, D, 2 * D, e), s->heads, e);
}

/* A signal of the same block, as fp32. */
static ba_tensor *other(ba_build *b, const bai_signal *s, const char *what, ba_err *e)
{
    return bai_nn_cast(b, bai_build_own(b, s->who, what, s->layer, e), BA_F32, e);
}

/* Adds the logarithm of how many tokens a key stands for: it then attracts as much attention as they would together. */
static ba_tensor *by_size(ba_build *b, ba_tensor *logits, ba_tensor *sizes, ba_err *e)
{
    ba_type t;
    if (ba_tensor_type(sizes, &t, e))
        return NULL;
    sizes = bai_nn_reshape(b, sizes, 4, (const int64_t[]){ t.dim[0], 1, 1, t.dim[1] }, e);
    return bai_nn_op2(b, "add", logits, bai_nn_op1(b, "log", sizes, 0, NULL, e), 0, NULL, e);
}

static ba_tensor *attention_logits(ba_build *b, const bai_signal *s, ba_err *e)
{
    ba_tensor *q = other(b, s, "queries", e), *k = q ? other(b, s, "keys", e) : NULL;
    ba_tensor *t = bai_nn_op2(b, "matmul", q, k, BA_ATTRS(BA_I("transpose_b", 1)), e);
    t = bai_nn_op1(b, "scale", t, BA_ATTRS(BA_F("by", 1 / sqrt((double)(width(s) / s->heads)))), e);
    return t && s->sizes ? by_size(b, t, s->sizes, e) : t;
}

static ba_tensor *attention(ba_build *b, const bai_signal *s, ba_err *e)
{
    return bai_nn_op1(b, "softmax", other(b, s, "attention_logits", e), 0, NULL, e);
}

/* Without a class token: what the patches attend to on the average, [B,heads,1,T]. */
static ba_tensor *average_attention(ba_build *b, const bai_signal *s, ba_err *e)
{
    return bai_nn_mean(b, other(b, s, "attention", e), 2, 1, e);
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
