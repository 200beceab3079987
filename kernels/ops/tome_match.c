/* tome_match: bipartite soft matching of ToMe: which of n tokens are merged into which others, so that n - r are left.
 * keys f32 [B,n,d] (mean over the heads) -> to i32 [B,n]: the new place, 0 to n-r-1, of every token; merged tokens share one.
 *
 * Tokens at even places (A) look for the most similar token at an odd place (B), by cosine; the r of A with the highest similarity are
 * merged into what they found. Left are the others of A, ascending, then all of B. The first `prefix` tokens (class, distillation) are never
 * merged and stay in front. Ties, which facebookresearch/ToMe leaves open: the lower index. */
#include "../shared/gemm.h"
#include "../shared/kernel.h"

typedef struct match_params { int64_t r, prefix; } match_params;
typedef struct found { float value; int32_t index, best; } found;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const match_params *p = params;
    char t[96];
    (void)n_in;
    if (in[0]->rank != 3 || in[0]->dtype != BA_F32)
        return ba_fail(e, BA_EARG, "tome_match: keys are %s; f32[B,n,d] expected", bai_text(in[0], t));
    if (p->r > (in[0]->dim[1] - p->prefix) / 2)
        return ba_fail(e, BA_EARG, "tome_match: r = %lld of %lld tokens, %lld of them protected; at most half of the others can be merged", (long long)p->r,
                       (long long)in[0]->dim[1], (long long)p->prefix);
    out[0] = bai_shape(BA_I32, 2, in[0]->dim[0], in[0]->dim[1], 1, 1);
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)out; /* the papers do not count the comparison: no multiply-adds, but FLOPs */
    double n = (double)in[0]->dim[1];
    c->flops = (double)in[0]->dim[0] * (double)in[0]->dim[2] * (n * n / 2 + 3 * n);
}

static int64_t half(int64_t n) { return (n + 1) / 2; } /* how many stand at even places */

/* Floats a worker needs: normalised A and B, similarities, and one record a token of A. */
static int64_t room(const ba_type *x)
{
    int64_t n = x->dim[1], A = half(n), records = A * (int64_t)(sizeof(found) / sizeof(float));
    return bai_round64((n * x->dim[2] + A * (n - A) + records) * 4) / 4;
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)out;
    return (size_t)(workers * room(in[0]) * 4);
}

static int by_value(const void *a, const void *b)
{
    const found *x = a, *y = b;
    return x->value != y->value ? (x->value < y->value ? 1 : -1) : (x->index > y->index) - (x->index < y->index);
}

/* Unit rows, those of A first, then those of B. */
static void normalise(const float *x, int64_t n, int64_t d, float *to)
{
    for (int64_t i = 0; i < n; i++) {
        float *row = to + (i % 2 ? half(n) + i / 2 : i / 2) * d, sum = 0;
        for (int64_t c = 0; c < d; c++)
            sum += x[i * d + c] * x[i * d + c];
        float over = 1 / fmaxf(sqrtf(sum), 1e-12f);
        for (int64_t c = 0; c < d; c++)
            row[c] = x[i * d + c] * over;
    }
}

/* For each of A the best of B; f[a].value is -inf for a protected one. */
static void look(const float *sim, int64_t A, int64_t B, int64_t prefix, found *f)
{
    int64_t first = prefix / 2; /* of B that may be found */
    for (int64_t a = 0; a < A; a++) {
        f[a] = (found){ -INFINITY, (int32_t)a, (int32_t)first };
        for (int64_t b = first; 2 * a >= prefix && b < B; b++)
            if (sim[a * B + b] > f[a].value) {
                f[a].value = sim[a * B + b];
                f[a].best = (int32_t)b;
            }
    }
}

/* New places: protected tokens, the A that are left, all of B. `merged`: the r first of f, sorted. */
static void place(const found *f, int64_t n, int64_t r, int64_t prefix, int32_t *to)
{
    int64_t A = half(n), next = prefix;
    for (int64_t i = 0; i < n; i++)
        to[i] = i < prefix ? (int32_t)i : 0;
    for (int64_t i = 0; i < r; i++)
        to[2 * f[i].index] = -1;
    for (int64_t a = 0; a < A; a++)
        if (2 * a >= prefix && to[2 * a] >= 0)
            to[2 * a] = (int32_t)next++;
    for (int64_t i = 1; i < n; i += 2)
        if (i >= prefix)
            to[i] = (int32_t)next++;
    for (int64_t i = 0; i < r; i++)
        to[2 * f[i].index] = to[2 * f[i].best + 1];
}

static void task(void *ctx, int64_t t, int worker) /* one image */
{
    const ba_kernel *k = ctx;
    const match_params *p = k->params;
    int64_t n = k->in[0].type.dim[1], d = k->in[0].type.dim[2], A = half(n), B = n - A;
    float *unit = (float *)k->scratch + worker * room(&k->in[0].type), *sim = unit + n * d;
    found *f = (found *)(void *)(sim + A * B);
    normalise((const float *)k->in[0].data + t * n * d, n, d, unit);
    if (B > 0)
        bai_sgemm(0, 1, A, B, d, 1, unit, d, unit + A * d, d, 0, sim, B);
    look(sim, A, B, p->prefix, f);
    qsort(f, (size_t)A, sizeof *f, by_value);
    place(f, n, p->r, p->prefix, (int32_t *)k->out[0].data + t * n);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    const float *x = k->in[0].data;
    int64_t n = ba_type_count(&k->in[0].type), row = k->in[0].type.dim[1] * k->in[0].type.dim[2];
    for (int64_t i = 0; i < n; i++)
        if (isnan(x[i]))
            return ba_fail(e, BA_ENUMERIC, "tome_match: a key of token %lld of image %lld is NaN", (long long)(i % row / k->in[0].type.dim[2]),
                           (long long)(i / row));
    k->parallel(k, k->in[0].type.dim[0], task, (void *)k);
    return BA_OK;
}

static double cosine(const double *x, const double *y, int64_t d)
{
    double xy = 0, xx = 0, yy = 0;
    for (int64_t c = 0; c < d; c++) {
        xy += x[c] * y[c];
        xx += x[c] * x[c];
        yy += y[c] * y[c];
    }
    return xy / (fmax(sqrt(xx), 1e-12) * fmax(sqrt(yy), 1e-12));
}

/* The best of B for token i of A, and how similar. */
static double best_of(const double *x, int64_t n, int64_t d, int64_t prefix, int64_t i, int64_t *who)
{
    double top = -INFINITY;
    *who = -1;
    for (int64_t j = 1; j < n; j += 2)
        if (j >= prefix && i >= prefix && cosine(x + i * d, x + j * d, d) > top) {
            top = cosine(x + i * d, x + j * d, d);
            *who = j;
        }
    return top;
}

/* Counts: a token of A is merged when fewer than r others of A are ahead of it; its place is the number of tokens left in front of it. */
static void reference(const ba_ref *r)
{
    const match_params *p = r->params;
    int64_t n = r->in_type[0].dim[1], d = r->in_type[0].dim[2], who, other;
    for (int64_t b = 0; b < r->in_type[0].dim[0]; b++) {
        const double *x = r->in[0] + b * n * d;
        double *to = r->out[0] + b * n;
        for (int64_t i = 0, left = p->prefix; i < n; i += 2) {
            int64_t ahead = 0;
            double mine = best_of(x, n, d, p->prefix, i, &who);
            for (int64_t j = 0; j < n; j += 2) {
                double its = best_of(x, n, d, p->prefix, j, &other);
                ahead += its > mine || (its == mine && j < i);
            }
            to[i] = i < p->prefix ? (double)i : ahead < p->r ? -1 - (double)who : (double)left++;
        }
        for (int64_t j = 1; j < n; j += 2) { /* behind all of A that is left */
            int64_t place = p->prefix + (half(n) - half(p->prefix)) - p->r + (j - (p->prefix > 1 ? 2 : 0)) / 2;
            to[j] = j < p->prefix ? (double)j : (double)place;
        }
        for (int64_t i = 0; i < n; i += 2)
            if (to[i] < 0)
                to[i] = to[(int64_t)(-1 - to[i])];
    }
}

BA_OP(tome_match) = {
    .name = "tome_match", .doc = "where tokens go when the r most similar pairs of them are merged (ToMe)",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(match_params,
        BA_INT(match_params, r, 1, 0, 1 << 20, "tokens", "how many are merged into others"),
        BA_INT(match_params, prefix, 1, 0, 2, "tokens", "extra tokens in front (class, distillation), which stay as they are")),
    .shape = shape, .cost = cost, .scratch = scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "r=2", 1, { { BA_F32, 3, { 3, 9, 6 }, 0, -1, 1 } } },
        { "r=1,prefix=2", 1, { { BA_F32, 3, { 3, 5, 8 }, 0, -1, 1 } } },
        { "r=4,prefix=0", 1, { { BA_F32, 3, { 2, 8, 5 }, 0, -1, 1 } } },
        { "r=16,prefix=2", 1, { { BA_F32, 3, { 2, 50, 32 }, 0, -1, 1 } } },
        { "r=0", 1, { { BA_F32, 3, { 2, 4, 3 }, 0, -1, 1 } } },
        { "r=0", 1, { { BA_F32, 3, { 2, 1, 3 }, 0, -1, 1 } } }),
    .tolerance = 0,
};
