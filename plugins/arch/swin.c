/* swin: Swin Transformer: attention inside windows that are shifted in every second block, maps that are halved between stages.
 * Facts are the last stage's: its grid, width and heads. Blocks are layers 0..; those of the last stage publish `tokens`, the others
 * `stage_tokens`. Where the last stage is one window, its `class_attention` is the mean over heads' queries [B,heads,1,N]. It cannot be
 * masked: patches left out would break windows and merging. Code: microsoft/Swin-Transformer. */
#define BA_WANT_MINOR 1
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <bauta/compose.h>

typedef struct swin_params { int64_t size, dim; const char *depths, *heads; int64_t image, patch, window, classes; double mlp, drop_path; } swin_params;

enum { MOST = 4 };
static const char *const sizes[] = { "tiny", "small", "base", NULL };
static const struct { int64_t dim; const char *depths, *heads; } named[] = { { 96, "2,2,6,2", "3,6,12,24" }, { 96, "2,2,18,2", "3,6,12,24" }, { 128, "2,2,18,2", "4,8,16,32" } };

typedef struct form { int64_t dim, stages, total, side, depth[MOST], heads[MOST]; } form; /* side: of the first map */

/* Numbers with commas between; how many, or -1. */
static int64_t list(const char *text, int64_t out[MOST])
{
    int64_t n = 0;
    for (char *end; *text; text = *end == ',' ? end + 1 : end) {
        long long v = strtoll(text, &end, 10);
        if (end == text || v < 1 || v > 1024 || n == MOST || (*end && *end != ','))
            return -1;
        out[n++] = v;
    }
    return n;
}

static int form_of(const ba_host *h, const swin_params *p, form *f, ba_err *e)
{
    const char *depths = *p->depths ? p->depths : named[p->size].depths, *heads = *p->heads ? p->heads : named[p->size].heads;
    *f = (form){ .dim = p->dim ? p->dim : named[p->size].dim, .side = p->image / p->patch };
    f->stages = list(depths, f->depth);
    if (f->stages < 1 || list(heads, f->heads) != f->stages)
        return BA_FAIL(h, e, BA_EARG, "depths = '%.40s', heads = '%.40s'; one number from 1 to 1024 for each of 1 to %d stages expected in both", depths, heads, MOST);
    for (int64_t s = 0; s < f->stages; s++) {
        int64_t side = f->side >> s;
        f->total += f->depth[s];
        if ((f->dim << s) % f->heads[s])
            return BA_FAIL(h, e, BA_EARG, "stage %lld: heads = %lld do not divide its width %lld", (long long)s, (long long)f->heads[s], (long long)(f->dim << s));
        if (side < 1 || (s && (f->side >> (s - 1)) % 2) || (side > p->window && side % p->window))
            return BA_FAIL(h, e, BA_EARG, "image = %lld: stage %lld has a map of %lldx%lld, which windows of %lld do not fill", (long long)p->image, (long long)s,
                           (long long)side, (long long)side, (long long)p->window);
    }
    return p->image % p->patch == 0 ? BA_OK
        : BA_FAIL(h, e, BA_EARG, "image = %lld is no multiple of patch = %lld", (long long)p->image, (long long)p->patch);
}

static int facts(const ba_host *h, const void *params, ba_arch_facts *out, ba_err *e)
{
    const swin_params *p = params;
    form f;
    if (form_of(h, p, &f, e))
        return e->code;
    int64_t last = f.stages - 1;
    out->image_rows = out->image_columns = p->image;
    out->channels = 3;
    out->grid_rows = out->grid_columns = f.side >> last;
    out->patches = out->grid_rows * out->grid_columns;
    out->prefix = 0;
    out->depth = f.total;
    out->heads = f.heads[last];
    out->dim = f.dim << last;
    out->classes = p->classes;
    return BA_OK;
}

/* ---- windows ---- */
typedef struct windows { int64_t B, side, window, shift, heads, layer; int last; } windows;

/* Where the token stands that comes n-th when windows of the map, rolled by shift, are gone through one after the other. */
static int64_t place(const windows *w, int64_t n)
{
    int64_t square = w->window * w->window, across = w->side / w->window, k = n / square, i = n % square;
    int64_t y = (k / across * w->window + i / w->window + w->shift) % w->side, x = (k % across * w->window + i % w->window + w->shift) % w->side;
    return y * w->side + x;
}

/* The order of the windows, or back from it: i32 [B,N]. */
static ba_tensor *order(ba_on o, const windows *w, int back)
{
    int64_t N = w->side * w->side;
    int32_t *at = malloc((size_t)(w->B * N) * sizeof *at);
    ba_tensor *t = NULL;
    for (int64_t b = 0; at && b < w->B; b++)
        for (int64_t n = 0; n < N; n++)
            at[b * N + (back ? place(w, n) : n)] = (int32_t)(back ? n : place(w, n));
    if (at)
        t = o.h->indices(o.b, 2, (const int64_t[]){ w->B, N }, at, o.e);
    free(at);
    return t;
}

static ba_tensor *reorder(ba_on o, const windows *w, ba_tensor *x, int back)
{
    return !w->shift && w->side == w->window ? x : ba_op2(o, "gather_rows", x, order(o, w, back), 0, NULL);
}

/* What the distance of key and query adds: rows of a learned table, [heads,T,T] with T = window * window. */
static ba_tensor *bias(ba_on o, const char *prefix, const windows *w)
{
    char name[96];
    int64_t s = w->window, T = s * s, rows = (2 * s - 1) * (2 * s - 1), dim[] = { rows, w->heads };
    int32_t *at = malloc((size_t)(T * T) * sizeof *at);
    snprintf(name, sizeof name, "%.60s.attn.relative_position_bias_table", prefix);
    ba_tensor *table = o.h->weight(o.b, name, 2, dim, BA_INIT_NORMAL, 0.02, BA_NO_DECAY, o.e), *index = NULL;
    for (int64_t i = 0; at && i < T; i++)
        for (int64_t j = 0; j < T; j++)
            at[i * T + j] = (int32_t)((i / s - j / s + s - 1) * (2 * s - 1) + i % s - j % s + s - 1);
    if (at && table)
        index = o.h->indices(o.b, 2, (const int64_t[]){ 1, T * T }, at, o.e);
    free(at);
    table = ba_op2(o, "gather_rows", ba_reshape(o, table, BA_DIMS(1, rows, w->heads)), index, 0, NULL);
    return ba_permute(o, ba_reshape(o, table, BA_DIMS(T, T, w->heads)), "2,0,1");
}

/* -100 between places that only the roll made neighbours: [windows,1,T,T]. */
static ba_tensor *apart(ba_on o, const windows *w)
{
    int64_t T = w->window * w->window, n = w->side / w->window * (w->side / w->window);
    float *m = malloc((size_t)(n * T * T) * sizeof *m);
    ba_tensor *t = NULL;
    int64_t band[2];
    for (int64_t k = 0; m && k < n * T * T; k++) {
        for (int i = 0; i < 2; i++) { /* of the query, of the key */
            int64_t in = i ? k % T : k / T % T, across = w->side / w->window, y = k / T / T / across * w->window + in / w->window,
                    x = k / T / T % across * w->window + in % w->window, far = w->side - w->window, edge = w->side - w->shift;
            band[i] = 3 * ((y >= far) + (y >= edge)) + (x >= far) + (x >= edge);
        }
        m[k] = band[0] == band[1] ? 0 : -100;
    }
    if (m)
        t = o.h->constant(o.b, 4, (const int64_t[]){ n, 1, T, T }, m, o.e);
    free(m);
    return t;
}

static int tell(ba_on o, const windows *w, ba_tensor *a)
{
    if (!w->last || w->side != w->window)
        return BA_OK;
    ba_tensor *mean = ba_mean(o, a, 2, 1);
    return mean ? o.h->publish(o.b, "class_attention", w->layer, mean, o.e) : o.e->code;
}

static ba_tensor *attend(const ba_host *h, ba_build *b, const char *prefix, ba_tensor *x, const void *given, ba_err *e)
{
    const ba_on o = { h, b, e };
    const windows *w = given;
    const int64_t C = h->dim(x, 2), T = w->window * w->window, n = w->side * w->side / T;
    char name[2][96];
    ba_tensor *part[3], *a;
    snprintf(name[0], sizeof name[0], "%.60s.attn.qkv", prefix);
    snprintf(name[1], sizeof name[1], "%.60s.attn.proj", prefix);
    x = ba_reshape(o, reorder(o, w, x, 0), BA_DIMS(w->B * n, T, C));
    if (!x || !(x = h->linear(b, name[0], x, 3 * C, 1, 0, e)) || h->split_heads(b, x, 3, w->heads, part, e))
        return NULL;
    a = ba_scale(o, ba_as_f32(o, ba_matmul(o, part[0], part[1], 0, 1)), 1 / sqrt((double)(C / w->heads)), 0);
    a = ba_add(o, a, bias(o, prefix, w));
    if (w->shift)
        a = ba_reshape(o, ba_add(o, ba_reshape(o, a, BA_DIMS(w->B, n, w->heads, T, T)), apart(o, w)), BA_DIMS(w->B * n, w->heads, T, T));
    a = ba_op1(o, "softmax", a, 0, NULL);
    if (!a || tell(o, w, a))
        return NULL;
    if (h->dtype(part[2]) == BA_BF16)
        a = ba_op1(o, "cast", a, BA_ATTRS(BA_S("dtype", "bf16")));
    x = ba_matmul(o, a, part[2], 0, 0);
    x = x ? h->join_heads(b, x, e) : NULL;
    x = x ? h->linear(b, name[1], x, C, 1, 0, e) : NULL;
    return reorder(o, w, ba_reshape(o, x, BA_DIMS(w->B, w->side * w->side, C)), 1);
}

/* ---- stages ---- */
/* Four neighbours side by side (down the first column, then the second), norm, a linear layer without bias. */
static ba_tensor *halve(ba_on o, ba_tensor *x, int64_t stage, int64_t side)
{
    const int64_t B = o.h->dim(x, 0), N = side * side, C = o.h->dim(x, 2);
    char name[2][48];
    int32_t *at = malloc((size_t)(B * N) * sizeof *at);
    ba_tensor *index = NULL;
    snprintf(name[0], sizeof name[0], "layers.%lld.downsample.norm", (long long)stage);
    snprintf(name[1], sizeof name[1], "layers.%lld.downsample.reduction", (long long)stage);
    for (int64_t i = 0; at && i < B * N; i++) {
        int64_t k = i % N / 4, j = i % 4;
        at[i] = (int32_t)((k / (side / 2) * 2 + j % 2) * side + k % (side / 2) * 2 + j / 2);
    }
    if (at)
        index = o.h->indices(o.b, 2, (const int64_t[]){ B, N }, at, o.e);
    free(at);
    x = ba_reshape(o, ba_op2(o, "gather_rows", x, index, 0, NULL), BA_DIMS(B, N / 4, 4 * C));
    x = x ? o.h->layernorm(o.b, name[0], x, 1e-5, o.e) : NULL;
    return x ? o.h->linear(o.b, name[1], x, 2 * C, 0, 0, o.e) : NULL;
}

static ba_tensor *stage(ba_on o, const swin_params *p, const form *f, int64_t s, int64_t first, ba_tensor *x)
{
    const int64_t side = f->side >> s;
    for (int64_t i = 0; x && i < f->depth[s]; i++) {
        char name[48];
        int64_t layer = first + i, window = side < p->window ? side : p->window;
        const windows given = { o.h->dim(x, 0), side, window, side > p->window && i % 2 ? window / 2 : 0, f->heads[s], layer, s == f->stages - 1 };
        ba_block spec = { .size = sizeof spec, .layer = layer, .heads = f->heads[s], .mlp = (int64_t)((double)(f->dim << s) * p->mlp + 0.5), .eps = 1e-5,
                          .quiet = !given.last, .attend = attend, .given = &given,
                          .drop_path = f->total > 1 ? p->drop_path * (double)layer / (double)(f->total - 1) : 0 };
        snprintf(name, sizeof name, "layers.%lld.blocks.%lld", (long long)s, (long long)i);
        x = o.h->block(o.b, name, x, &spec, o.e);
        if (x && !given.last && o.h->publish(o.b, "stage_tokens", layer, x, o.e))
            return NULL;
    }
    return x;
}

static int build(const ba_host *h, ba_build *b, const void *params, const ba_arch_in *in, ba_err *e)
{
    const ba_on o = { h, b, e };
    const swin_params *p = params;
    form f;
    if (form_of(h, p, &f, e))
        return e->code;
    if (in->kept)
        return BA_FAIL(h, e, BA_EARG, "cannot be masked: without some patches its windows and the merging of neighbours are not defined");
    ba_tensor *x = h->embed(b, "patch_embed.proj", in, p->patch, f.dim, e);
    x = x ? h->layernorm(b, "patch_embed.norm", x, 1e-5, e) : NULL;
    for (int64_t s = 0, first = 0; x && s < f.stages; first += f.depth[s++]) {
        x = s ? halve(o, x, s, f.side >> (s - 1)) : x;
        x = x ? stage(o, p, &f, s, first, x) : NULL;
    }
    x = x ? h->layernorm(b, "norm", x, 1e-5, e) : NULL;
    if (!x || h->publish(b, "features", -1, x, e))
        return e->code;
    x = ba_mean(o, x, 1, 0);
    x = x ? h->vit_head(b, "head.fc", x, 0, p->classes, e) : NULL;
    return x && !h->publish(b, "logits", -1, x, e) ? BA_OK : e->code;
}

static const ba_arch_ops ops = { .size = sizeof ops, .facts = facts, .build = build };

const ba_plugin_desc ba_plugin = {
    BA_HEAD(ARCH), .name = "swin", .version = "1.0", .doc = "Swin Transformer: shifted windows in four stages; cannot be masked",
    .cite = "Liu et al., Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, ICCV 2021",
    BA_PARAMS(swin_params,
        BA_CHOICE(swin_params, size, 0, sizes, "dim/depths: tiny 96/2,2,6,2, small 96/2,2,18,2, base 128/2,2,18,2"),
        BA_INT(swin_params, dim, 0, 0, 4096, NULL, "width of the first stage, doubled in each further one; 0: as the size says"),
        BA_STRING(swin_params, depths, "", "blocks of each stage, commas between; empty: as the size says"),
        BA_STRING(swin_params, heads, "", "attention heads of each stage, commas between; empty: as the size says"),
        BA_INT(swin_params, image, 224, 1, 4096, "pixels", "side of the square picture"),
        BA_INT(swin_params, patch, 4, 1, 1024, "pixels", "side of a patch"),
        BA_INT(swin_params, window, 7, 1, 64, "patches", "side of a window"),
        BA_INT(swin_params, classes, 1000, 1, 1048576, NULL, "outputs of the head"),
        BA_FLOAT(swin_params, mlp, 4, 0.01, 64, NULL, "hidden width of the MLP, as a multiple of the stage's width"),
        BA_FLOAT(swin_params, drop_path, 0.1, 0, 0.99, NULL, "stochastic depth of the last block, linear from 0 in the first; in training only")),
    .ops = &ops,
};
