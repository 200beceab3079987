/* tome: token merging (ToMe): between attention and MLP of each block the r most similar pairs of tokens become one token each, the mean of
 * what they stand for; a token that stands for several attracts as much attention as these would. Nothing is learned. As in facebookresearch/ToMe. */
#define BA_WANT_MINOR 1
#include <stdlib.h>
#include <bauta/compose.h>

typedef struct tome_params { int64_t r; double inflect; const char *list; int64_t proportional; } tome_params;

/* Number `at` of "16,16,8"; 0 behind the end, -1 where it is none. */
static int64_t listed(const char *list, int64_t at)
{
    for (;; at--) {
        char *end;
        int64_t v = strtoll(list, &end, 10);
        if (end == list || v < 0 || (*end && *end != ','))
            return -1;
        if (!at)
            return v;
        if (!*end)
            return 0;
        list = end + 1;
    }
}

/* How many tokens this block should lose. */
static int64_t wanted(const tome_params *p, int64_t layer, int64_t depth)
{
    if (*p->list)
        return listed(p->list, layer);
    int64_t low = (int64_t)((double)p->r * (1 - p->inflect)), high = 2 * p->r - low;
    return depth < 2 ? p->r : (int64_t)((double)low + (double)layer * (double)(high - low) / (double)(depth - 1));
}

static ba_tensor *ones(ba_on o, int64_t rows, int64_t columns)
{
    char shape[48];
    snprintf(shape, sizeof shape, "%lld,%lld", (long long)rows, (long long)columns);
    return ba_op1(o, "broadcast_to", o.h->scalar(o.b, 1, o.e), BA_ATTRS(BA_S("shape", shape)));
}

/* The mean of the tokens that share a place, weighted by how many each stands for. */
static ba_tensor *merged(ba_on o, ba_tensor *x, ba_tensor *sizes, ba_tensor *places, ba_tensor *new_sizes)
{
    const ba_host *h = o.h;
    if (!new_sizes)
        return NULL;
    int64_t B = h->dim(x, 0), n = h->dim(x, 1), m = h->dim(new_sizes, 1);
    ba_tensor *sum = ba_mul(o, x, ba_reshape(o, sizes, BA_DIMS(B, n, 1))); /* f32, whatever x is */
    sum = ba_op2(o, "scatter_rows", sum, places, BA_ATTRS(BA_I("size", m)));
    ba_tensor *y = ba_op2(o, "div", sum, ba_reshape(o, new_sizes, BA_DIMS(B, m, 1)), 0, NULL);
    return h->dtype(x) == BA_BF16 ? ba_op1(o, "cast", y, BA_ATTRS(BA_S("dtype", "bf16"))) : y;
}

static int reduce(const ba_host *h, ba_build *b, const void *params, const ba_reduce_in *in, ba_reduce_out *out, ba_err *e)
{
    const tome_params *p = params;
    const ba_on o = { h, b, e };
    int64_t B = h->dim(in->x, 0), n = h->dim(in->x, 1), r = wanted(p, in->layer, in->depth), most = (n - in->prefix) / 2;
    if (r < 0)
        return BA_FAIL(h, e, BA_EARG, "list = '%.40s'; whole numbers with commas between expected, as in 16,16,8", p->list);
    if (in->prefix > 2)
        return BA_FAIL(h, e, BA_EARG, "%lld extra tokens; merging is defined for a class token and a distillation token", (long long)in->prefix);
    r = r < most ? r : most;
    if (r == 0)
        return BA_OK;
    ba_tensor *sizes = in->sizes ? in->sizes : ones(o, B, n);
    ba_tensor *keys = ba_mean(o, ba_signal_f32(o, "reduced", "keys", in->layer), 1, 0); /* [B,n,d] */
    ba_tensor *places = ba_op1(o, "tome_match", keys, BA_ATTRS(BA_I("r", r), BA_I("prefix", in->prefix)));
    out->sizes = ba_op2(o, "scatter_rows", sizes, places, BA_ATTRS(BA_I("size", n - r)));
    out->x = merged(o, in->x, sizes, places, out->sizes);
    out->weigh = p->proportional;
    return out->x ? BA_OK : e->code;
}

static const ba_reducer_ops ops = { .size = sizeof ops, .reduce = reduce };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(REDUCER), .name = "tome", .version = "1.1",
    .doc = "merge the r most similar pairs of tokens in every block (ToMe)",
    .cite = "Bolya et al., Token Merging: Your ViT But Faster, ICLR 2023",
    BA_PARAMS(tome_params,
        BA_INT(tome_params, r, 8, 0, 1 << 20, "tokens", "how many tokens each block loses, at most half of them"),
        BA_FLOAT(tome_params, inflect, 0, -1, 1, NULL, "slope of r over the blocks: -1 falls from 2 r to 0, 1 rises from 0 to 2 r"),
        BA_STRING(tome_params, list, "", "tokens that each block loses, as in 16,16,8; blocks behind the end lose none. In place of r"),
        BA_FLAG(tome_params, proportional, 1, "merged tokens attract attention in proportion to their number (off for MAE models)")),
    .ops = &ops,
};
