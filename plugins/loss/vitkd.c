/* vitkd: ViTKD's two parts over patch tokens.
 *   mimic      blocks near the input: squared error through a learned linear map (none where the widths are equal), or of the
 *              correlations F F^T / sqrt(D) between tokens
 *   generate   blocks near the output: a share of the student's mapped tokens is replaced by a learned one, a generator fills them in, and
 *              squared error at these places counts
 * Sums over tokens and channels, per sample (form paper: over the batch too). The last block's tokens are taken after the final norm. Generators see the
 * student's whole grid; a masked teacher is compared at the places it sees, times N/k (correlations: squared). Code (without masks): yzd-v/cls_KD. */
#define BA_WANT_MINOR 5
#include <bauta/compose.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64 };
enum { LINEAR, CORRELATION };
enum { CONVOLUTION, SELF, CROSS };
enum { FFN, MHA };
enum { CODE, PAPER };

typedef struct vitkd_params {
    double weight, alpha, beta, share;
    const char *mimic, *generate;
    int64_t module, align, generator, form;
} vitkd_params;

static const char *const modules[] = { "ffn", "mha", NULL };
static const char *const aligns[] = { "linear", "correlation", NULL };
static const char *const generators[] = { "convolution", "self-attention", "cross-attention", NULL };
static const char *const forms[] = { "code", "paper", NULL };

/* One generated block: the student's grid, the drawing, the sizes. */
typedef struct canvas {
    int64_t B, N, D, rows, columns, hidden; /* hidden: how many are replaced (form code) */
    ba_tensor *noise;                       /* [B,N] */
    ba_tensor *mask;                        /* [B,N,1]: 1 where replaced; NULL: everywhere is compared and nothing replaced */
    const char *name;
    double share;
    const char *dtype;                      /* of matrix products: the graph's precision */
} canvas;

static ba_tensor *named(ba_on o, const canvas *c, const char *what, int rank, const int64_t *dim, int init, double scale)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", c->name, what);
    return o.h->weight(o.b, name, rank, dim, init, scale, 0, o.e);
}

static const char *label(const canvas *c, const char *what, char out[64])
{
    snprintf(out, 64, "%s.%s", c->name, what);
    return out;
}

/* What sums over a batch of B are divided by. The paper's equations have no division. */
static double over(const vitkd_params *p, int64_t B) { return p->form == CODE ? (double)B : 1; }

/* ---- mimicking ---- */
/* What the attention of a block adds up to, before its MLP. */
static ba_tensor *after_attention(ba_on o, const char *who, int64_t layer)
{
    ba_tensor *x = layer ? ba_signal_f32(o, who, "tokens", layer - 1) : ba_signal_f32(o, who, "embedded", -1);
    return ba_add(o, x, x ? ba_signal_f32(o, who, "attention_output", layer) : NULL);
}

static int pair(ba_on o, int64_t module, int64_t mine, int64_t theirs, ba_tensor *x[2])
{
    x[0] = module == MHA ? after_attention(o, "student", mine) : ba_features(o, "student", mine);
    x[1] = x[0] ? module == MHA ? after_attention(o, "teacher", theirs) : ba_features(o, "teacher", theirs) : NULL;
    return x[1] ? o.h->match(o.b, x[0], x[1], 0, x, o.e) : o.e->code;
}

static ba_tensor *correlation(ba_on o, ba_tensor *x)
{
    return x ? ba_scale(o, ba_matmul(o, x, x, 0, 1), 1 / sqrt((double)o.h->dim(x, 2)), 0) : NULL;
}

static ba_tensor *mimic(ba_on o, const vitkd_params *p, int64_t mine, int64_t theirs)
{
    ba_tensor *x[2];
    char name[32];
    if (pair(o, p->module, mine, theirs, x))
        return NULL;
    double by = ba_share(o, x[1]), factor = p->alpha * by / over(p, o.h->dim(x[1], 0));
    if (p->align == CORRELATION)
        return ba_scale(o, ba_squared_distance(o, correlation(o, x[0]), correlation(o, x[1])), factor * by, 0);
    snprintf(name, sizeof name, "mimic.%lld", (long long)mine);
    if (o.h->dim(x[0], 2) != o.h->dim(x[1], 2))
        x[0] = o.h->project(o.b, name, x[0], o.h->dim(x[1], 2), o.e);
    return ba_scale(o, ba_squared_distance(o, x[0], x[1]), factor, 0);
}

/* ---- generators: [B,N,D] with the replaced tokens -> [B,N,D] ---- */
static ba_tensor *convolve(ba_on o, const canvas *c, ba_tensor *x)
{
    char name[64];
    x = x ? o.h->conv3x3(o.b, label(c, "generator.0", name), x, c->rows, c->columns, c->D, o.e) : NULL;
    x = ba_op1(o, "relu", x, 0, NULL);
    return x ? o.h->conv3x3(o.b, label(c, "generator.2", name), x, c->rows, c->columns, c->D, o.e) : NULL;
}

/* Fixed sine and cosine positions of a grid, [1,N,D]: a quarter of the channels each for sin and cos of the column, then of the row. */
static ba_tensor *positions(ba_on o, const canvas *c)
{
    int64_t quarter = c->D / 4;
    if (c->D % 4) {
        BA_FAIL(o.h, o.e, BA_EARG, "the teacher is %lld wide; the positions of attention generators want a multiple of 4", (long long)c->D);
        return NULL;
    }
    float *table = malloc((size_t)(c->N * c->D) * sizeof *table);
    if (!table) {
        BA_FAIL(o.h, o.e, BA_EMACHINE, "no memory for the positions of a generator");
        return NULL;
    }
    for (int64_t n = 0; n < c->N; n++)
        for (int64_t i = 0; i < c->D; i++) {
            double at = (double)(i / (2 * quarter) ? n / c->columns : n % c->columns), turn = at / pow(10000, (double)(i % quarter) / (double)quarter);
            table[n * c->D + i] = (float)(i / quarter % 2 ? cos(turn) : sin(turn));
        }
    ba_tensor *t = o.h->constant(o.b, 3, (const int64_t[]){ 1, c->N, c->D }, table, o.e);
    free(table);
    return t;
}

static ba_tensor *as_graph(ba_on o, const canvas *c, ba_tensor *x) { return ba_op1(o, "cast", x, BA_ATTRS(BA_S("dtype", c->dtype))); }

/* A learned linear map, f32 in and out. */
static ba_tensor *linear(ba_on o, const canvas *c, const char *what, ba_tensor *x, int64_t out, int gelu)
{
    char name[64];
    x = as_graph(o, c, x);
    return x ? ba_as_f32(o, o.h->linear(o.b, label(c, what, name), x, out, 1, gelu, o.e)) : NULL;
}

static int64_t heads_of(const canvas *c) { return c->D % 64 ? 1 : c->D / 64; }

static ba_tensor *out_layer(ba_on o, const canvas *c, ba_tensor *x)
{
    char name[64];
    x = x ? o.h->layernorm(o.b, label(c, "norm", name), x, 1e-6, o.e) : NULL;
    return x ? o.h->project(o.b, label(c, "head", name), x, c->D, o.e) : NULL;
}

static ba_tensor *attend_to_itself(ba_on o, const canvas *c, ba_tensor *x)
{
    ba_block spec = { .size = sizeof spec, .heads = heads_of(c), .mlp = 4 * c->D, .eps = 1e-6 };
    char name[64];
    x = as_graph(o, c, x ? ba_add(o, x, positions(o, c)) : NULL);
    x = x ? o.h->block(o.b, label(c, "block", name), x, &spec, o.e) : NULL;
    return out_layer(o, c, ba_as_f32(o, x));
}

/* [B,n,D] -> [B,heads,n,D/heads] of a learned map of x. */
static ba_tensor *heads_from(ba_on o, const canvas *c, const char *what, ba_tensor *x)
{
    int64_t n = x ? o.h->dim(x, 1) : 0, heads = heads_of(c);
    x = linear(o, c, what, x, c->D, 0);
    return x ? ba_permute(o, ba_reshape(o, x, BA_DIMS(c->B, n, heads, c->D / heads)), "0,2,1,3") : NULL;
}

/* Attention of q [B,M,D] on the visible tokens v [B,V,D], and an MLP. */
static ba_tensor *cross_block(ba_on o, const canvas *c, ba_tensor *q, ba_tensor *v)
{
    char name[64];
    ba_tensor *nq = o.h->layernorm(o.b, label(c, "norm_q", name), q, 1e-6, o.e), *nv = nq ? o.h->layernorm(o.b, label(c, "norm_kv", name), v, 1e-6, o.e) : NULL;
    ba_tensor *Q = nv ? heads_from(o, c, "q", nq) : NULL, *K = Q ? heads_from(o, c, "k", nv) : NULL, *V = K ? heads_from(o, c, "v", nv) : NULL;
    ba_tensor *a = ba_op1(o, "softmax", ba_scale(o, ba_matmul(o, Q, K, 0, 1), 1 / sqrt((double)(c->D / heads_of(c))), 0), 0, NULL);
    a = ba_permute(o, ba_matmul(o, a, V, 0, 0), "0,2,1,3");
    a = a ? ba_reshape(o, a, BA_DIMS(c->B, o.h->dim(q, 1), c->D)) : NULL;
    q = ba_add(o, q, linear(o, c, "proj", a, c->D, 0));
    a = q ? o.h->layernorm(o.b, label(c, "norm_mlp", name), q, 1e-6, o.e) : NULL;
    return ba_add(o, q, linear(o, c, "fc2", linear(o, c, "fc1", a, 4 * c->D, 1), c->D, 0));
}

/* The replaced places ask, the others answer; what comes out is put back on the grid. */
static ba_tensor *attend_across(ba_on o, const canvas *c, ba_tensor *x)
{
    ba_tensor *visible = ba_op1(o, "topk", c->noise, BA_ATTRS(BA_I("keep", c->N - c->hidden), BA_S("order", "bottom")));
    ba_tensor *missing = ba_op1(o, "topk", c->noise, BA_ATTRS(BA_I("keep", c->hidden)));
    x = x ? ba_add(o, x, positions(o, c)) : NULL; /* the replaced ones are the learned token there, plus where they are */
    ba_tensor *q = ba_op2(o, "gather_rows", x, missing, 0, NULL), *v = ba_op2(o, "gather_rows", x, visible, 0, NULL);
    q = out_layer(o, c, q && v ? cross_block(o, c, q, v) : NULL);
    return ba_op2(o, "scatter_rows", q, missing, BA_ATTRS(BA_I("size", c->N)));
}

/* ---- generation ---- */
/* Which places are replaced: exactly N - int(N (1-share)) of the highest noise, or (paper) each with the probability share. */
static int draw(ba_on o, const vitkd_params *p, canvas *c)
{
    char name[64];
    const int64_t dim[] = { c->B, c->N };
    c->hidden = c->N - (int64_t)((double)c->N * (1 - p->share));
    if (p->share <= 0)
        return BA_OK;
    if (p->generator == CROSS && c->hidden == c->N)
        return BA_FAIL(o.h, o.e, BA_EARG, "share = %g hides all %lld patches; cross-attention needs visible ones", p->share, (long long)c->N);
    if (!(c->noise = o.h->random(o.b, label(c, "noise", name), 2, dim, o.e)))
        return o.e->code;
    if (p->form == PAPER) {
        c->mask = ba_op2(o, "less", c->noise, o.h->scalar(o.b, p->share, o.e), 0, NULL);
        c->mask = c->mask ? ba_reshape(o, c->mask, BA_DIMS(c->B, c->N, 1)) : NULL;
        return c->mask ? BA_OK : o.e->code;
    }
    ba_tensor *which = ba_op1(o, "topk", c->noise, BA_ATTRS(BA_I("keep", c->hidden)));
    char ones[64];
    snprintf(ones, sizeof ones, "%lld,%lld,1", (long long)c->B, (long long)c->hidden);
    ba_tensor *one = ba_op1(o, "broadcast_to", o.h->scalar(o.b, 1, o.e), BA_ATTRS(BA_S("shape", ones)));
    c->mask = ba_op2(o, "scatter_rows", one, which, BA_ATTRS(BA_I("size", c->N)));
    return c->mask ? BA_OK : o.e->code;
}

/* The student's patches on its whole grid, as wide as the teacher's. */
static ba_tensor *canvas_of(ba_on o, canvas *c, int64_t mine, ba_tensor *teacher)
{
    char name[64];
    int64_t prefix = o.h->fact(o.b, "student", "prefix", o.e);
    c->rows = o.h->fact(o.b, "student", "grid_rows", o.e);
    c->columns = o.h->fact(o.b, "student", "grid_columns", o.e);
    ba_tensor *x = ba_features(o, "student", mine);
    if (x && o.h->dim(x, 1) != prefix + c->rows * c->columns) {
        BA_FAIL(o.h, o.e, BA_EARG, "the student sees %lld of its %lld patches; the generator needs all", (long long)(o.h->dim(x, 1) - prefix),
                (long long)(c->rows * c->columns));
        return NULL;
    }
    if (!x || !(x = ba_slice(o, x, 1, prefix, o.h->dim(x, 1))))
        return NULL;
    ba_tensor *raw = o.h->signal(o.b, "student", "features", -1, o.e);
    c->dtype = raw && o.h->dtype(raw) == BA_BF16 ? "bf16" : "f32";
    c->B = o.h->dim(x, 0), c->N = o.h->dim(x, 1), c->D = o.h->dim(teacher, 2);
    return o.h->dim(x, 2) == c->D ? x : o.h->project(o.b, label(c, "align", name), x, c->D, o.e);
}

/* Of how many patches a picture the generation is judged: the hidden ones that the teacher sees. With a masked teacher these can be few. */
static int note_hidden(ba_on o, const canvas *c, ba_tensor *mask)
{
    char name[32];
    snprintf(name, sizeof name, "hidden_%s", strchr(c->name, '.') + 1);
    ba_tensor *n = ba_scale(o, ba_sum(o, mask, BA_EVERY, 0), 1 / (double)c->B, 0);
    return n ? o.h->note(o.b, name, n, o.e) : o.e->code;
}

static ba_tensor *generate(ba_on o, const vitkd_params *p, int64_t mine, int64_t theirs)
{
    static ba_tensor *(*const ways[])(ba_on, const canvas *, ba_tensor *) = { convolve, attend_to_itself, attend_across };
    char name[32];
    snprintf(name, sizeof name, "generate.%lld", (long long)mine);
    canvas c = { .name = name, .share = p->share };
    ba_tensor *t = ba_features(o, "teacher", theirs), *x = t ? canvas_of(o, &c, mine, t) : NULL, *pair[2], *mask[2] = { NULL, NULL };
    if (!x || draw(o, p, &c))
        return NULL;
    if (c.mask) {
        ba_tensor *token = named(o, &c, "mask_token", 3, (const int64_t[]){ 1, 1, c.D }, BA_INIT_ZERO, 0);
        x = ba_op3(o, "where", c.mask, token, x, 0, NULL);
    }
    x = ways[p->generator](o, &c, x);
    if (!x || o.h->match(o.b, x, t, 0, pair, o.e) || (c.mask && o.h->match(o.b, c.mask, t, 0, mask, o.e)))
        return NULL;
    ba_tensor *miss = ba_op1(o, "square", ba_sub(o, pair[0], pair[1]), 0, NULL);
    if (c.mask && note_hidden(o, &c, mask[0]))
        return NULL;
    miss = c.mask ? ba_mul(o, miss, mask[0]) : miss;
    double share = c.mask && p->form == CODE ? p->share : 1;
    return ba_scale(o, ba_sum(o, miss, BA_EVERY, 0), p->beta * ba_share(o, pair[1]) / (share * over(p, c.B)), 0);
}

/* Adds the part of every pair of blocks in the list; "none": nothing. */
static int add_parts(ba_on o, const vitkd_params *p, const char *list, ba_tensor *(*part)(ba_on, const vitkd_params *, int64_t, int64_t), ba_tensor **sum)
{
    int64_t mine[MOST], theirs[MOST];
    if (!strcmp(list, "none"))
        return BA_OK;
    int64_t n = o.h->layers(o.b, list, "", MOST, mine, theirs, o.e);
    for (int64_t i = 0; i < n; i++) {
        ba_tensor *t = part(o, p, mine[i], theirs[i]);
        *sum = *sum ? ba_add(o, *sum, t) : t;
        if (!*sum)
            return o.e->code;
    }
    return n < 0 ? o.e->code : BA_OK;
}

static int build(const ba_host *h, ba_build *b, const void *params, ba_tensor **out, ba_err *e)
{
    const vitkd_params *p = params;
    const ba_on o = { h, b, e };
    ba_tensor *sum = NULL;
    if (p->generator == CROSS && (p->form == PAPER || p->share <= 0))
        return BA_FAIL(h, e, BA_EARG, "generator = cross-attention needs form = code and a share above 0: the number of hidden patches must be known");
    if (add_parts(o, p, p->mimic, mimic, &sum) || add_parts(o, p, p->generate, generate, &sum))
        return e->code;
    if (!sum)
        return BA_FAIL(h, e, BA_EARG, "mimic = none and generate = none leave nothing to learn");
    return ba_finish(o, sum, p->weight, out);
}

static const ba_loss_ops ops = { .size = sizeof ops, .build = build };
static const char *const needs[] = { "student.tokens", "teacher.tokens", NULL };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(LOSS), .name = "vitkd", .version = "1.0", .needs = needs,
    .doc = "mimic the teacher's first blocks, generate its last one from partly hidden tokens",
    .cite = "Yang et al., ViTKD: Feature-based Knowledge Distillation for Vision Transformers, CVPR Workshops 2024",
    BA_PARAMS(vitkd_params,
        BA_FLOAT(vitkd_params, weight, 1, 0, 1e6, NULL, "factor of this loss in the sum"),
        BA_FLOAT(vitkd_params, alpha, 3e-5, 0, 1e6, NULL, "factor of the mimicked blocks"),
        BA_FLOAT(vitkd_params, beta, 3e-6, 0, 1e6, NULL, "factor of the generated blocks"),
        BA_FLOAT(vitkd_params, share, 0.5, 0, 1, NULL, "share of patches that is hidden from the generator: the paper's lambda; 0: none, and all count"),
        BA_STRING(vitkd_params, mimic, "first-2", "blocks of the student that mimic: first-2, last, all, none, or numbers"),
        BA_STRING(vitkd_params, generate, "last", "blocks of the student from which the teacher's are generated: last, last-2, none, or numbers"),
        BA_CHOICE(vitkd_params, module, 0, modules, "what is mimicked: what the block gives out (ffn), or its state after the attention (mha)"),
        BA_CHOICE(vitkd_params, align, 0, aligns, "mimic through a learned linear map, or the correlations between tokens"),
        BA_CHOICE(vitkd_params, generator, 0, generators, "two 3x3 convolutions, a block of self-attention, or one of cross-attention"),
        BA_CHOICE(vitkd_params, form, 0, forms, "code: an exact number is hidden, sums are divided by the batch and generation by share; paper: each patch with probability share, no division")),
    .ops = &ops,
};
