/* bauta/compose.h: short forms for plugins that combine operations. Everything here is written with ba_host.op and hands NULL on, so
 * that a chain is checked once, at its end: the first error is the one that is kept. What needs a later core than 1.0 stands behind
 * `#if BA_WANT_MINOR`, as in bauta/plugin.h.
 *
 *     const ba_on o = { h, b, e };
 *     ba_tensor *miss = ba_op2(o, "sub", teacher, student, 0, NULL);
 *     return ba_finish(o, ba_sum(o, ba_op1(o, "square", miss, 0, NULL), BA_EVERY, 0), p->weight, out); */
#ifndef BAUTA_COMPOSE_H
#define BAUTA_COMPOSE_H

#include <stdio.h>

#include "plugin.h"

enum { BA_EVERY = -100 }; /* as an axis: all of them */

typedef struct ba_on { const ba_host *h; ba_build *b; ba_err *e; } ba_on; /* where nodes are added */

static inline ba_tensor *ba_op1(ba_on o, const char *name, ba_tensor *x, int n, const ba_attr *attr)
{
    return x ? o.h->op(o.b, name, 1, &x, n, attr, o.e) : NULL;
}

static inline ba_tensor *ba_op2(ba_on o, const char *name, ba_tensor *x, ba_tensor *y, int n, const ba_attr *attr)
{
    return x && y ? o.h->op(o.b, name, 2, (ba_tensor *[]){ x, y }, n, attr, o.e) : NULL;
}

static inline ba_tensor *ba_op3(ba_on o, const char *name, ba_tensor *x, ba_tensor *y, ba_tensor *z, int n, const ba_attr *attr)
{
    return x && y && z ? o.h->op(o.b, name, 3, (ba_tensor *[]){ x, y, z }, n, attr, o.e) : NULL;
}

static inline ba_tensor *ba_add(ba_on o, ba_tensor *x, ba_tensor *y) { return ba_op2(o, "add", x, y, 0, NULL); }
static inline ba_tensor *ba_sub(ba_on o, ba_tensor *x, ba_tensor *y) { return ba_op2(o, "sub", x, y, 0, NULL); }
static inline ba_tensor *ba_mul(ba_on o, ba_tensor *x, ba_tensor *y) { return ba_op2(o, "mul", x, y, 0, NULL); }

/* x * by + plus */
static inline ba_tensor *ba_scale(ba_on o, ba_tensor *x, double by, double plus)
{
    return by == 1 && plus == 0 ? x : ba_op1(o, "scale", x, BA_ATTRS(BA_F("by", by), BA_F("plus", plus)));
}

static inline ba_tensor *ba_sum(ba_on o, ba_tensor *x, int64_t axis, int keep)
{
    return ba_op1(o, "sum", x, BA_ATTRS(BA_I("axis", axis), BA_I("keep", keep)));
}

static inline ba_tensor *ba_mean(ba_on o, ba_tensor *x, int64_t axis, int keep)
{
    return ba_op1(o, "mean", x, BA_ATTRS(BA_I("axis", axis), BA_I("keep", keep)));
}

static inline ba_tensor *ba_slice(ba_on o, ba_tensor *x, int64_t axis, int64_t from, int64_t to)
{
    if (x && from == 0 && to == o.h->dim(x, (int)axis))
        return x;
    return ba_op1(o, "slice", x, BA_ATTRS(BA_I("axis", axis), BA_I("from", from), BA_I("to", to)));
}

/* rank sizes; one of them may be -1: what is left. */
static inline ba_tensor *ba_reshape(ba_on o, ba_tensor *x, int rank, const int64_t *dim)
{
    char text[128] = "";
    for (int i = 0, at = 0; i < rank && at < 100; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "%s%lld", i ? "," : "", (long long)dim[i]);
    return ba_op1(o, "reshape", x, BA_ATTRS(BA_S("shape", text)));
}
#define BA_DIMS(...) (int)(sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (const int64_t[]){ __VA_ARGS__ }

static inline ba_tensor *ba_permute(ba_on o, ba_tensor *x, const char *order)
{
    return ba_op1(o, "permute", x, BA_ATTRS(BA_S("order", order)));
}

static inline ba_tensor *ba_matmul(ba_on o, ba_tensor *x, ba_tensor *y, int transpose_x, int transpose_y)
{
    return ba_op2(o, "matmul", x, y, BA_ATTRS(BA_I("transpose_a", transpose_x), BA_I("transpose_b", transpose_y)));
}

static inline ba_tensor *ba_as_f32(ba_on o, ba_tensor *x)
{
    return x && o.h->dtype(x) != BA_F32 ? ba_op1(o, "cast", x, BA_ATTRS(BA_S("dtype", "f32"))) : x;
}

/* The sum of all squared differences, a scalar. */
static inline ba_tensor *ba_squared_distance(ba_on o, ba_tensor *x, ba_tensor *y)
{
    return ba_sum(o, ba_op1(o, "square", ba_sub(o, x, y), 0, NULL), BA_EVERY, 0);
}

/* A signal as f32. */
static inline ba_tensor *ba_signal_f32(ba_on o, const char *who, const char *what, int64_t layer)
{
    return ba_as_f32(o, o.h->signal(o.b, who, what, layer, o.e));
}

#if BA_WANT_MINOR >= 4
/* Of the class attention [B,heads,E,T] of a model the rows that tell how salient a patch is, as its architecture says (fact asks), their mean: [B,heads,T]. */
static inline ba_tensor *ba_asked(ba_on o, const char *who, ba_tensor *attention)
{
    int64_t asks = attention ? o.h->fact(o.b, who, "asks", o.e) : -1;
    if (asks < 0)
        return NULL;
    return ba_mean(o, ba_slice(o, attention, 2, asks == BA_ROWS_OTHERS, asks == BA_ROWS_CLASS ? 1 : o.h->dim(attention, 2)), 2, 0);
}
#endif

/* The label of each sample, i32 [B]: the given one, or the likeliest class of the soft targets of mixed pictures. */
static inline ba_tensor *ba_labels(ba_on o)
{
    ba_err none = { 0 };
    ba_tensor *soft = o.h->signal(o.b, "batch", "targets", -1, &none);
    return soft ? ba_op1(o, "argmax", soft, 0, NULL) : o.h->signal(o.b, "batch", "labels", -1, o.e);
}

/* The logits of one of a student's heads: its class head's, or those of its distillation token. */
static inline ba_tensor *ba_head(ba_on o, const char *who, int distillation)
{
    ba_err none = { 0 };
    ba_tensor *t = distillation ? o.h->signal(o.b, who, "distillation_logits", -1, &none) : o.h->signal(o.b, who, "logits", -1, o.e);
    if (!t && distillation)
        BA_FAIL(o.h, o.e, BA_EARG, "head = distillation: %s has no distillation token (distilled = true of arch deit or mae gives it one)", who);
    return t;
}

#if BA_WANT_MINOR >= 4
/* How many blocks of a model change its patches; behind them only the class token goes on (CaiT). */
static inline int64_t ba_trunk(ba_on o, const char *who)
{
    ba_err none = { 0 };
    int64_t n = o.h->fact(o.b, who, "trunk", &none);
    return n > 0 ? n : o.h->fact(o.b, who, "depth", o.e);
}

/* Whether extra tokens have been looked at by block `layer` or one before it: what `tokens` of that layer have in front is more than their embedding. */
static inline int ba_joined(ba_on o, const char *who, int64_t layer)
{
    ba_err none = { 0 };
    return layer >= o.h->fact(o.b, who, "joins", &none);
}

/* What a block gives out, f32 [B,T,dim]; of the last one that changes the patches, or the last of all, after the final norm. */
static inline ba_tensor *ba_features(ba_on o, const char *who, int64_t layer)
{
    int64_t depth = o.h->fact(o.b, who, "depth", o.e), trunk = depth < 0 ? depth : ba_trunk(o, who);
    if (trunk < 0)
        return NULL;
    return layer == trunk - 1 || layer == depth - 1 ? ba_signal_f32(o, who, "features", -1) : ba_signal_f32(o, who, "tokens", layer);
}
#endif

/* What a model makes of the whole picture, f32 [B,dim]: the class token after the final norm; the mean of the tokens where there is none, or where the
 * model classifies by it. */
static inline ba_tensor *ba_embedding(ba_on o, const char *who)
{
    ba_err none = { 0 };
    ba_tensor *pooled = o.h->signal(o.b, who, "pooled", -1, &none);
    if (pooled)
        return ba_as_f32(o, pooled);
    int64_t prefix = o.h->fact(o.b, who, "prefix", o.e);
    ba_tensor *x = prefix < 0 ? NULL : ba_signal_f32(o, who, "features", -1);
    return prefix ? ba_sum(o, ba_slice(o, x, 1, 0, 1), 1, 0) : ba_mean(o, x, 1, 0);
}

/* Rows of length 1. */
static inline ba_tensor *ba_normalise(ba_on o, ba_tensor *x) { return ba_op1(o, "normalise", x, BA_ATTRS(BA_F("eps", 1e-12))); }

#if BA_WANT_MINOR >= 1
/* The queue NAME of the last `rows` embeddings, f32 [rows,dim]: the step reads it as it was before; behind the step the rows of `fresh` [B,dim] take the
 * place of the oldest. It begins with `init` and `scale` as ba_host.state has them. */
static inline ba_tensor *ba_queue(ba_on o, const char *name, int64_t rows, ba_tensor *fresh, int init, double scale)
{
    const int64_t dim[] = { rows, fresh ? o.h->dim(fresh, 1) : 0 };
    ba_tensor *queue = fresh ? o.h->state(o.b, name, 2, dim, init, scale, o.e) : NULL;
    ba_tensor *step = queue ? o.h->signal(o.b, "batch", "step", -1, o.e) : NULL;
    return step && !o.h->after(o.b, "enqueue", 3, (ba_tensor *[]){ queue, fresh, step }, 0, NULL, o.e) ? queue : NULL;
}
#endif

/* How near x [B,dim] is to the embeddings of a queue: [B,rows], divided by t. */
static inline ba_tensor *ba_nearness(ba_on o, ba_tensor *x, ba_tensor *queue, double t) { return ba_scale(o, ba_matmul(o, x, queue, 0, 1), 1 / t, 0); }

/* N/k: sums over the places that a masked teacher has are multiplied by it, so that they do not depend on k. patches: tokens without extras. */
static inline double ba_share(ba_on o, const ba_tensor *patches)
{
    return (double)o.h->fact(o.b, "teacher", "patches", o.e) / (double)o.h->dim(patches, 1);
}

/* Hands in the scalar x, times weight: what build() of a loss returns. */
static inline int ba_finish(ba_on o, ba_tensor *x, double weight, ba_tensor **out)
{
    x = ba_scale(o, x, weight, 0);
    *out = x;
    return x ? BA_OK : o.e->code;
}

#endif
