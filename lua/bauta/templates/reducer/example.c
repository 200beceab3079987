/* example: in one block, between attention and MLP, each two neighbouring patches become their mean: half of the tokens from there on.
 * Called once for each block, while a model is described: it adds nodes to the graph. */
#define BA_WANT_MINOR 1
#include <stdlib.h>
#include <bauta/compose.h>

typedef struct example_params { int64_t layer, weigh; } example_params;

/* How many patches each token stands for: 1 for the extra ones, 2 for a pair, 1 for a last one that is left over: [B,m]. */
static ba_tensor *sizes(ba_on o, int64_t batch, int64_t prefix, int64_t pairs, int64_t m)
{
    const int64_t shape[] = { batch, m };
    float *v = malloc((size_t)(batch * m) * sizeof *v);
    if (!v) {
        BA_FAIL(o.h, o.e, BA_EMACHINE, "no memory for %lld tokens", (long long)m);
        return NULL;
    }
    for (int64_t i = 0; i < batch * m; i++)
        v[i] = i % m >= prefix && i % m < prefix + pairs ? 2 : 1;
    ba_tensor *t = o.h->constant(o.b, 2, shape, v, o.e); /* copied */
    free(v);
    return t;
}

static int reduce(const ba_host *h, ba_build *b, const void *params, const ba_reduce_in *in, ba_reduce_out *out, ba_err *e)
{
    const example_params *p = params;
    const ba_on o = { h, b, e };
    int64_t at = p->layer < 0 ? in->depth + p->layer : p->layer;
    if (at < 0 || at >= in->depth)
        return BA_FAIL(h, e, BA_EARG, "layer = %lld; the model has blocks 0 to %lld", (long long)p->layer, (long long)in->depth - 1);
    if (in->layer != at)
        return BA_OK; /* nothing happens in this block */
    int64_t batch = h->dim(in->x, 0), n = h->dim(in->x, 1), pairs = (n - in->prefix) / 2, end = in->prefix + 2 * pairs;
    if (pairs < 1)
        return BA_FAIL(h, e, BA_EARG, "%lld patches; at least 2 expected", (long long)(n - in->prefix));
    ba_tensor *two = ba_reshape(o, ba_slice(o, in->x, 1, in->prefix, end), BA_DIMS(batch, pairs, 2, h->dim(in->x, 2)));
    ba_tensor *part[3], *mean = ba_mean(o, two, 2, 0); /* [B,pairs,dim] */
    int parts = 0;
    if (in->prefix)
        part[parts++] = ba_slice(o, in->x, 1, 0, in->prefix);
    part[parts++] = mean;
    if (end < n)
        part[parts++] = ba_slice(o, in->x, 1, end, n);
    for (int i = 0; i < parts; i++)
        if (!part[i])
            return e->code;
    out->x = parts == 1 ? mean : h->op(b, "concat", parts, part, BA_ATTRS(BA_I("axis", 1)), e);
    out->sizes = out->x ? sizes(o, batch, in->prefix, pairs, h->dim(out->x, 1)) : NULL;
    out->weigh = p->weigh;
    return out->sizes ? BA_OK : e->code;
}

static const ba_reducer_ops ops = { .size = sizeof ops, .reduce = reduce };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(REDUCER), .name = "example", .version = "0.1",
    .doc = "in one block, merge each two neighbouring patches",
    BA_PARAMS(example_params,
        BA_INT(example_params, layer, 0, -1000, 999, NULL, "the block, from 0; -1 is the last"),
        BA_FLAG(example_params, weigh, 1, "from the next block on a pair attracts twice the attention")),
    .ops = &ops,
};
