/* attndistill: self-supervised distillation between vision transformers, without labels.
 *   alignment   the student's class token after the last block, through a projector of `projector` layers, against the teacher's after its final norm;
 *               of a model without one the mean of its tokens
 *   guidance    what the class token attends to in chosen blocks, class token and patches, against the teacher's: KL, times `guidance`
 *   compress    likeness to the projected embeddings of the last pictures, as CompRess has it, times `compress`
 * Guidance compares head with head where both models have equally many, else maps merged over heads, by default A = softmax_j((1/T) sum_h ln a^h_j).
 * A teacher of another grid has its map resized to the student's, bicubically, so that the patches keep their share of the attention. A masked
 * teacher is compared at the class token and the places it sees, the student's attention on them brought to sum 1.
 * Code (without masks): wangkai930418/attndistill. */
#define BA_WANT_MINOR 4
#include <math.h>
#include <bauta/compose.h>

enum { MOST = 64 };
enum { CLASS, TOKENS, NONE };
enum { MEAN_SQUARE, NORM };
enum { AUTO, HEADS, LOG_SUM, MAX, MEAN, MIN };
enum { KL, MSE };

typedef struct attndistill_params {
    double weight, guidance, temperature, compress, compress_temperature;
    int64_t align, form, projector, merge, distance, values, clamp, queue;
    const char *layers, *teacher_layers;
} attndistill_params;

static const char *const aligned[] = { "class", "tokens", "none", NULL };
static const char *const forms[] = { "mean", "norm", NULL };
static const char *const merges[] = { "auto", "heads", "log-sum", "max", "mean", "min", NULL };
static const char *const distances[] = { "kl", "mse", NULL };

/* ---- alignment ---- */
/* LayerNorm, n linear layers with GELUs between (widths 2D, D, 2D, .. and the teacher's), LayerNorm. */
static ba_tensor *projected(ba_on o, ba_tensor *x, int64_t n, int64_t dim)
{
    char name[32];
    const int64_t own = x ? o.h->dim(x, 2) : 0;
    x = x ? o.h->layernorm(o.b, "projector.norm", x, 1e-6, o.e) : NULL;
    for (int64_t i = 0; x && i < n; i++) {
        snprintf(name, sizeof name, "projector.%lld", (long long)i);
        x = o.h->linear(o.b, name, x, i == n - 1 ? dim : i % 2 ? own : 2 * own, 1, i < n - 1, o.e);
    }
    return ba_as_f32(o, x ? o.h->layernorm(o.b, "projector.last", x, 1e-6, o.e) : NULL);
}

static ba_tensor *aligned_by(ba_on o, const attndistill_params *p, ba_tensor *const x[2])
{
    ba_tensor *t = ba_op1(o, "square", ba_sub(o, x[1], x[0]), 0, NULL);
    if (p->form == MEAN_SQUARE)
        return ba_mean(o, t, BA_EVERY, 0);
    t = ba_sum(o, t, 2, 0); /* the distance of each token */
    return ba_mean(o, ba_op1(o, "sqrt", t ? ba_op2(o, "maximum", t, o.h->scalar(o.b, 1e-24, o.e), 0, NULL) : NULL, 0, NULL), BA_EVERY, 0);
}

/* What stands for the whole picture, [B,1,D]: the first of the tokens x [B,T,D] where that is a class token, else their mean. */
static ba_tensor *whole(ba_on o, ba_tensor *x, int classed) { return classed ? ba_slice(o, x, 1, 0, 1) : ba_mean(o, x, 1, 1); }

/* The same of the compared tokens x against the queue NAME of its own kind. */
static ba_tensor *nearness(ba_on o, const attndistill_params *p, const char *name, ba_tensor *x, int classed)
{
    x = ba_normalise(o, ba_sum(o, whole(o, x, classed), 1, 0));
    ba_tensor *queue = x ? ba_queue(o, name, p->queue, x, BA_INIT_UNIFORM, sqrt(3 / (double)o.h->dim(x, 1))) : NULL;
    return ba_nearness(o, x, queue, p->compress_temperature);
}

/* Everything that goes through the projector. */
static ba_tensor *embeddings(ba_on o, const attndistill_params *p, ba_tensor *sum)
{
    ba_tensor *x[2] = { ba_signal_f32(o, "student", "tokens", -1), ba_signal_f32(o, "teacher", "features", -1) };
    const int64_t extras[] = { o.h->fact(o.b, "student", "prefix", o.e), o.h->fact(o.b, "teacher", "prefix", o.e) };
    if (!x[0] || !x[1] || extras[0] < 0 || extras[1] < 0)
        return NULL;
    if (p->align == TOKENS) {
        if (o.h->match(o.b, x[0], x[1], 1, x, o.e))
            return NULL;
    } else
        for (int i = 0; i < 2; i++)
            x[i] = i ? ba_reshape(o, ba_embedding(o, "teacher"), BA_DIMS(o.h->dim(x[1], 0), 1, o.h->dim(x[1], 2))) : whole(o, x[0], extras[0] > 0);
    x[0] = projected(o, x[0], p->projector, x[1] ? o.h->dim(x[1], 2) : 0);
    if (p->align != NONE)
        sum = ba_add(o, sum, aligned_by(o, p, x));
    if (p->compress > 0) {
        int classed = p->align != TOKENS || (extras[0] > 0 && extras[1] > 0); /* one token each, or class tokens in front */
        ba_tensor *s = nearness(o, p, "student_queue", x[0], classed), *t = nearness(o, p, "teacher_queue", x[1], classed);
        sum = ba_add(o, sum, ba_scale(o, ba_mean(o, ba_op2(o, "kl_divergence", s, t, 0, NULL), BA_EVERY, 0), p->compress, 0));
    }
    return sum;
}

/* ---- guidance ---- */
static ba_tensor *sum_to_one(ba_on o, ba_tensor *a) { return ba_op2(o, "div", a, ba_sum(o, a, -1, 1), 0, NULL); }

/* What the class token attends to, [B,heads,T]; with `values` times the length of each token's value vector. */
static ba_tensor *attention_of(ba_on o, const char *who, int64_t layer, int64_t values)
{
    ba_tensor *a = ba_signal_f32(o, who, "class_attention", layer);
    a = ba_sum(o, ba_slice(o, a, 2, 0, 1), 2, 0);
    if (!values)
        return a;
    ba_tensor *v = a ? ba_signal_f32(o, who, "values", layer) : NULL;
    v = ba_sum(o, ba_op1(o, "square", v, 0, NULL), 3, 0);
    v = ba_op1(o, "sqrt", v ? ba_op2(o, "maximum", v, o.h->scalar(o.b, 1e-24, o.e), 0, NULL) : NULL, 0, NULL);
    return sum_to_one(o, ba_mul(o, a, v));
}

static ba_tensor *join(ba_on o, ba_tensor *first, ba_tensor *rest)
{
    return first ? ba_op2(o, "concat", first, rest, BA_ATTRS(BA_I("axis", 2))) : rest;
}

/* The teacher's patches [B,heads,N] on the student's grid, with the sum that they had. */
static ba_tensor *regrid(ba_on o, ba_tensor *x, const int64_t from[2], const int64_t to[2])
{
    const int64_t B = o.h->dim(x, 0), heads = o.h->dim(x, 1);
    ba_tensor *whole = ba_sum(o, x, 2, 1);
    x = ba_reshape(o, ba_permute(o, x, "0,2,1"), BA_DIMS(B, from[0], from[1], heads));
    x = ba_op1(o, "resize_images", x, BA_ATTRS(BA_I("rows", to[0]), BA_I("columns", to[1])));
    x = ba_permute(o, x ? ba_reshape(o, x, BA_DIMS(B, to[0] * to[1], heads)) : NULL, "0,2,1");
    return ba_mul(o, x, ba_op2(o, "div", whole, ba_sum(o, x, 2, 1), 0, NULL));
}

static int is_masked(ba_on o, const char *who)
{
    ba_err none = { 0 };
    return o.h->signal(o.b, who, "kept", -1, &none) != NULL;
}

/* Both models' patches, axis 2 of x, at the same places. */
static int same_places(ba_on o, ba_tensor *x[2])
{
    int64_t grid[2][2];
    static const char *const who[] = { "student", "teacher" };
    for (int i = 0; i < 2; i++)
        if ((grid[i][0] = o.h->fact(o.b, who[i], "grid_rows", o.e)) < 0 || (grid[i][1] = o.h->fact(o.b, who[i], "grid_columns", o.e)) < 0)
            return o.e->code;
    if (grid[0][0] != grid[1][0] || grid[0][1] != grid[1][1]) {
        for (int i = 0; i < 2; i++)
            if (is_masked(o, who[i]) || o.h->dim(x[i], 2) != grid[i][0] * grid[i][1])
                return BA_FAIL(o.h, o.e, BA_EARG, "the %s is masked and the teacher's grid of %lldx%lld is not the student's %lldx%lld: parts of an attention "
                               "map cannot be resized", who[i], (long long)grid[1][0], (long long)grid[1][1], (long long)grid[0][0], (long long)grid[0][1]);
        return (x[1] = regrid(o, x[1], grid[1], grid[0])) ? BA_OK : o.e->code;
    }
    for (int i = 0; i < 2; i++)
        if (!(x[i] = ba_permute(o, x[i], "0,2,1")))
            return o.e->code;
    if (o.h->match(o.b, x[0], x[1], 0, x, o.e))
        return o.e->code;
    for (int i = 0; i < 2; i++)
        if (!(x[i] = ba_permute(o, x[i], "0,2,1")))
            return o.e->code;
    return BA_OK;
}

/* Class token and patches of both, the same places, each map with sum 1. */
static int compared(ba_on o, ba_tensor *x[2])
{
    static const char *const who[] = { "student", "teacher" };
    ba_tensor *patches[2], *first[2] = { NULL };
    const int64_t extras[] = { o.h->fact(o.b, "student", "prefix", o.e), o.h->fact(o.b, "teacher", "prefix", o.e) };
    int both = extras[0] > 0 && extras[1] > 0, whole = 1;
    for (int i = 0; i < 2; i++) {
        if (extras[i] < 0)
            return BA_FAIL(o.h, o.e, BA_EARG, "the %s's extra tokens are not known", who[i]);
        patches[i] = ba_slice(o, x[i], 2, extras[i], o.h->dim(x[i], 2));
        first[i] = both ? ba_slice(o, x[i], 2, 0, 1) : NULL;
        whole &= extras[i] == both;
    }
    int64_t before = o.h->dim(patches[0], 2);
    if (same_places(o, patches))
        return o.e->code;
    whole &= o.h->dim(patches[0], 2) == before;
    for (int i = 0; i < 2; i++)
        if (!(x[i] = whole ? join(o, first[i], patches[i]) : sum_to_one(o, join(o, first[i], patches[i]))))
            return o.e->code;
    return BA_OK;
}

/* [B,heads,T] as one map for each picture, [B,1,T]. */
static ba_tensor *merged(ba_on o, ba_tensor *a, int64_t how, double t)
{
    const ba_attr over[] = { BA_I("axis", 1), BA_I("keep", 1) };
    if (how == HEADS)
        return a;
    if (how == LOG_SUM) {
        a = a ? ba_op2(o, "maximum", a, o.h->scalar(o.b, 1e-8, o.e), 0, NULL) : NULL;
        return ba_op1(o, "softmax", ba_scale(o, ba_sum(o, ba_op1(o, "log", a, 0, NULL), 1, 1), 1 / t, 0), 0, NULL);
    }
    if (how == MEAN)
        a = ba_mean(o, a, 1, 1);
    else if (how == MAX)
        a = ba_op1(o, "max", a, 2, over);
    else
        a = ba_scale(o, ba_op1(o, "max", ba_scale(o, a, -1, 0), 2, over), -1, 0);
    return sum_to_one(o, a);
}

static ba_tensor *clamped(ba_on o, ba_tensor *a, int64_t on)
{
    a = a ? ba_op2(o, "maximum", a, o.h->scalar(o.b, on ? 1e-5 : 1e-8, o.e), 0, NULL) : NULL;
    if (!on)
        return a;
    a = a ? ba_op2(o, "minimum", a, o.h->scalar(o.b, 0.996, o.e), 0, NULL) : NULL;
    return sum_to_one(o, a);
}

/* Summed over heads and tokens, the mean over the batch. */
static ba_tensor *distance(ba_on o, const attndistill_params *p, ba_tensor *s, ba_tensor *t)
{
    if (p->distance == MSE)
        return ba_scale(o, ba_squared_distance(o, t, s), s ? 1 / (double)o.h->dim(s, 0) : 1, 0);
    s = clamped(o, s, p->clamp);
    t = clamped(o, t, p->clamp);
    ba_tensor *gap = ba_sub(o, ba_op1(o, "log", t, 0, NULL), ba_op1(o, "log", s, 0, NULL));
    return ba_scale(o, ba_sum(o, ba_mul(o, t, gap), BA_EVERY, 0), s ? 1 / (double)o.h->dim(s, 0) : 1, 0);
}

static ba_tensor *guided(ba_on o, const attndistill_params *p, int64_t mine, int64_t theirs)
{
    ba_tensor *x[2] = { attention_of(o, "student", mine, p->values), NULL };
    x[1] = x[0] ? attention_of(o, "teacher", theirs, p->values) : NULL;
    if (!x[1] || compared(o, x))
        return NULL;
    const int64_t heads[] = { o.h->dim(x[0], 1), o.h->dim(x[1], 1) };
    int64_t how = p->merge == AUTO ? heads[0] == heads[1] ? HEADS : LOG_SUM : p->merge;
    if (how == HEADS && heads[0] != heads[1]) {
        BA_FAIL(o.h, o.e, BA_EARG, "merge = heads: the student has %lld heads, the teacher %lld; log-sum, max, mean or min expected", (long long)heads[0],
                (long long)heads[1]);
        return NULL;
    }
    for (int i = 0; i < 2; i++)
        x[i] = merged(o, x[i], how, p->temperature);
    return distance(o, p, x[0], x[1]);
}

static ba_tensor *guidance(ba_on o, const attndistill_params *p, ba_tensor *sum)
{
    int64_t mine[MOST], theirs[MOST], n = o.h->attention_layers(o.b, p->layers, p->teacher_layers, MOST, mine, theirs, o.e);
    for (int64_t i = 0; sum && i < n; i++)
        sum = ba_add(o, sum, ba_scale(o, guided(o, p, mine[i], theirs[i]), p->guidance, 0));
    return n < 0 ? NULL : sum;
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const attndistill_params *p = params;
    const ba_on o = { h, b, e };
    if (p->align == NONE && p->guidance <= 0 && p->compress <= 0)
        return BA_FAIL(h, e, BA_EARG, "align = none and guidance = compress = 0: nothing is left to compare");
    ba_tensor *sum = h->scalar(b, 0, e);
    if (sum && (p->align != NONE || p->compress > 0))
        sum = embeddings(o, p, sum);
    if (sum && p->guidance > 0)
        sum = guidance(o, p, sum);
    return ba_finish(o, sum, p->weight, out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "attndistill", .version = "1.0",
    .doc = "AttnDistill: class token through a projector, and what it attends to, from a self-supervised teacher; no labels",
    .cite = "Wang et al., Attention Distillation: self-supervised vision transformer students need more guidance, BMVC 2022",
    BA_PARAMS(attndistill_params,
        BA_FLOAT(attndistill_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_CHOICE(attndistill_params, align, 0, aligned, "what is aligned through the projector: the class token (the mean of the tokens where a model has none), all tokens, or nothing"),
        BA_CHOICE(attndistill_params, form, 0, forms, "of the alignment: mean squared error (released code), or the distance, not squared (paper)"),
        BA_INT(attndistill_params, projector, 4, 1, 16, "layers", "linear layers of the projector; the paper tries 1, 2, 4, 8"),
        BA_FLOAT(attndistill_params, guidance, 0.1, 0, 1e6, NULL, "factor of the attention guidance (the paper's lambda); 0: none"),
        BA_FLOAT(attndistill_params, temperature, 10, 0.01, 1000, NULL, "T of merge = log-sum"),
        BA_CHOICE(attndistill_params, merge, 0, merges, "how heads are merged; auto: not where both models have equally many, else log-sum"),
        BA_CHOICE(attndistill_params, distance, 0, distances, "between attention maps: divergence, or the sum of squared differences"),
        BA_FLAG(attndistill_params, values, 0, "attention is weighted by the length of each token's value vector"),
        BA_FLAG(attndistill_params, clamp, 1, "before the divergence maps are clamped to 1e-5..0.996 and brought to sum 1 again, as the released code does"),
        BA_STRING(attndistill_params, layers, "last", "blocks of the student that are guided: last, all, last-6, or numbers such as 0,1,11"),
        BA_STRING(attndistill_params, teacher_layers, "", "the teacher's; empty: those of the first half counted from the front, the others from the back"),
        BA_FLOAT(attndistill_params, compress, 0, 0, 1e6, NULL, "factor of CompRess on the projected class token; 0: none"),
        BA_FLOAT(attndistill_params, compress_temperature, 0.04, 1e-4, 1000, NULL, "of compress: divides the inner products"),
        BA_INT(attndistill_params, queue, 128000, 1, 1 << 24, "embeddings", "of compress: how many of the last embeddings are kept; a multiple of the batch")),
    .ops = &ops,
};
