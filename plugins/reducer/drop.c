/* drop: in one block, between attention and MLP, only the patches that the class token attends to most stay: the plainest reduction, beside which
 * others are to be measured. */
#define BA_WANT_MINOR 1
#include <math.h>
#include <bauta/compose.h>

typedef struct drop_params { double keep; int64_t layer; } drop_params;

/* How many of n patches stay; -1 and a sentence when that is none or more. */
static int64_t count(ba_on o, const drop_params *p, int64_t n)
{
    double k = p->keep < 1 ? floor(p->keep * (double)n + 0.5) : p->keep;
    if (k >= 1 && k <= (double)n && k == floor(k))
        return (int64_t)k;
    BA_FAIL(o.h, o.e, BA_EARG, "keep = %g of %lld patches; a share below 1 that leaves one, or a count of at most %lld expected", p->keep, (long long)n,
            (long long)n);
    return -1;
}

/* The class token's attention on the patches (without one: the mean of all tokens'), the mean over the heads: [B,N]. */
static ba_tensor *scores(ba_on o, const ba_reduce_in *in)
{
    ba_tensor *a = ba_mean(o, ba_signal_f32(o, "reduced", "class_attention", in->layer), 1, 0); /* [B,E,n] */
    a = ba_slice(o, ba_slice(o, a, 1, 0, 1), 2, in->prefix, o.h->dim(in->x, 1));
    return a ? ba_reshape(o, a, BA_DIMS(o.h->dim(a, 0), o.h->dim(a, 2))) : NULL;
}

static int reduce(const ba_host *h, ba_build *b, const void *params, const ba_reduce_in *in, ba_reduce_out *out, ba_err *e)
{
    const drop_params *p = params;
    const ba_on o = { h, b, e };
    int64_t at = p->layer == BA_LAYER_MIDDLE ? (in->depth - 1) / 2 : p->layer < 0 ? in->depth + p->layer : p->layer, n = h->dim(in->x, 1);
    if (at < 0 || at >= in->depth)
        return BA_FAIL(h, e, BA_EARG, "layer = %lld; the model has blocks 0 to %lld", (long long)p->layer, (long long)in->depth - 1);
    if (in->layer != at)
        return BA_OK;
    int64_t k = count(o, p, n - in->prefix);
    if (k < 0)
        return e->code;
    ba_tensor *kept = ba_op1(o, "topk", scores(o, in), BA_ATTRS(BA_I("keep", k)));
    ba_tensor *patches = ba_op2(o, "gather_rows", ba_slice(o, in->x, 1, in->prefix, n), kept, 0, NULL);
    out->x = !in->prefix ? patches : ba_op2(o, "concat", ba_slice(o, in->x, 1, 0, in->prefix), patches, BA_ATTRS(BA_I("axis", 1)));
    out->sizes = in->sizes;
    return out->x ? BA_OK : e->code;
}

static const ba_reducer_ops ops = { .size = sizeof ops, .reduce = reduce };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(REDUCER), .name = "drop", .version = "1.1",
    .doc = "in one block, drop the patches that the class token attends to least",
    BA_PARAMS(drop_params,
        BA_FLOAT(drop_params, keep, 0.5, 0.0001, 1 << 20, "patches", "patches that stay: a share below 1, or a count"),
        BA_INT(drop_params, layer, BA_LAYER_MIDDLE, -1000, BA_LAYER_MIDDLE, NULL,
               "the block, from 0 (first); -1 is the last, 1000 the middle; scripts may say \"first\", \"middle\", \"last\"")),
    .ops = &ops,
};
