/* liar: plugins that work and do not keep what their kind promises; one compilation a fault. */
#include <math.h>
#include <bauta/plugin.h>

typedef struct liar_params { double weight; } liar_params;

#if defined NAN_ || defined TIED || defined NEIGHBOUR
/* [B,N] noise that belongs to the pictures, or not. */
static int score(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    (void)params;
    int64_t n = h->fact(b, "masked", "patches", e);
    ba_tensor *l = h->signal(b, "student", "logits", -1, e), *x[2];
    l = l ? h->op(b, "mean", 1, &l, BA_ATTRS(BA_I("axis", 1), BA_I("keep", 1)), e) : NULL; /* [B,1] */
    if (!l)
        return e->code;
    x[0] = l;
#ifdef NEIGHBOUR
    ba_tensor *all = h->op(b, "mean", 1, &l, BA_ATTRS(BA_I("axis", 0), BA_I("keep", 1)), e);
    ba_tensor *two[2] = { l, all };
    x[0] = all ? h->op(b, "mul", 2, two, 0, NULL, e) : NULL;
#endif
    float v[4096];
    for (int64_t i = 0; i < n && i < 4096; i++)
        v[i] = 1 + (float)(i * 7 % 13);
#ifdef TIED
    for (int64_t i = 0; i < n; i++)
        v[i] = 1;
#endif
#ifdef NAN_
    v[0] = (float)nan("");
#endif
    const int64_t shape[] = { 1, n };
    x[1] = x[0] ? h->constant(b, 2, shape, v, e) : NULL;
    *out = x[1] ? h->op(b, "mul", 2, x, 0, NULL, e) : NULL;
    return *out ? BA_OK : e->code;
}

static const ba_mask_ops ops = { .size = sizeof ops, .score = score };
#define BA_KIND_KIND BA_KIND_MASK
#else
static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const liar_params *p = params;
#ifdef CONSTANT
    *out = h->scalar(b, p->weight, e);
#else
    ba_tensor *t = h->signal(b, "student", "logits", -1, e);
    t = t ? h->op(b, "square", 1, &t, 0, NULL, e) : NULL;
    t = t ? h->op(b, "mean", 1, &t, BA_ATTRS(BA_I("axis", -100)), e) : NULL;
    *out = t ? h->op(b, "scale", 1, &t, BA_ATTRS(BA_F("by", p->weight * p->weight)), e) : NULL;
#endif
    return *out ? BA_OK : e->code;
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
#define BA_KIND_KIND BA_KIND_LOSS
#endif

const ba_plugin_desc ba_plugin = {
    BA_HEAD(KIND), .name = NAME, .version = "1", .doc = "does not keep what it promises",
    BA_PARAMS(liar_params, BA_FLOAT(liar_params, weight, 1, 0, 100, NULL, "factor")),
    .ops = &ops,
};
