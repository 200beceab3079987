/* tokens_grad: gradients of the extra tokens and the position table. d [B,P+k,D], prefix and pos (for their shapes), kept i32 [B,k] (optional):
 * out0 dprefix, out1 dpos, fp32. Images are added in order, columns are the tasks: the same bits for every number of threads. */
#include "../shared/index.h"

typedef struct tokens_params { int64_t prefix, patches; } tokens_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const tokens_params *p = params;
    const ba_type *kept = n_in > 3 ? in[3] : NULL;
    char t[3][96];
    int fits = in[0]->rank == 3 && bai_is_real(in[0]) && in[0]->dim[1] > p->prefix && ba_type_count(in[1]) == p->prefix * in[0]->dim[2] &&
               ba_type_count(in[2]) % in[0]->dim[2] == 0;
    int64_t rows = fits ? ba_type_count(in[2]) / in[0]->dim[2] : 0, n = in[0]->dim[1] - p->prefix;
    fits = fits && (rows == p->patches || rows == p->patches + p->prefix) &&
           (kept ? kept->dtype == BA_I32 && kept->rank == 2 && kept->dim[0] == in[0]->dim[0] && kept->dim[1] == n : n == p->patches);
    if (!fits)
        return ba_fail(e, BA_EARG, "tokens_grad: d is %s, prefix %s, pos %s", bai_text(in[0], t[0]), bai_text(in[1], t[1]), bai_text(in[2], t[2]));
    out[0] = bai_like(in[1], BA_F32);
    out[1] = bai_like(in[2], BA_F32);
    return BA_OK;
}

enum { COLUMNS = 32 };

static void add(float *to, const float *d, int64_t n)
{
    for (int64_t i = 0; i < n; i += VL)
        v_store_part(to + i, v_load_part(to + i, n - i) + v_load_part(d + i, n - i), n - i);
}

static void add_row(const ba_kernel *k, int64_t at, int64_t n, float *a, float *b)
{
    float tmp[COLUMNS];
    const float *d = bai_row(&k->in[0], at, n, tmp);
    if (a)
        add(a, d, n);
    if (b)
        add(b, d, n);
}

static void task(void *ctx, int64_t t, int worker)
{
    const ba_kernel *k = ctx;
    const tokens_params *p = k->params;
    (void)worker;
    int64_t B = k->in[0].type.dim[0], T = k->in[0].type.dim[1], D = k->in[0].type.dim[2], c0 = t * COLUMNS, cols = bai_min(COLUMNS, D - c0);
    int64_t rows = ba_type_count(&k->in[2].type) / D, lead = rows - p->patches;
    const int32_t *kept = k->n_in > 3 ? k->in[3].data : NULL;
    float *dprefix = k->out[0].data, *dpos = k->out[1].data;
    for (int64_t r = 0; dprefix && r < p->prefix; r++)
        memset(dprefix + r * D + c0, 0, (size_t)cols * 4);
    for (int64_t r = 0; dpos && r < rows; r++)
        memset(dpos + r * D + c0, 0, (size_t)cols * 4);
    for (int64_t b = 0; b < B; b++)
        for (int64_t r = 0; r < T; r++) {
            int64_t i = r - p->prefix, row = i < 0 ? r : lead + (kept ? kept[b * (T - p->prefix) + i] : i);
            float *a = i < 0 && dprefix ? dprefix + r * D + c0 : NULL, *q = dpos && (i >= 0 || lead) ? dpos + row * D + c0 : NULL;
            add_row(k, (b * T + r) * D + c0, cols, a, q);
        }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    const tokens_params *p = k->params;
    if (k->n_in > 3 && k->in[3].data && bai_index_check("tokens_grad", &k->in[3], p->patches, e))
        return BA_EDATA;
    k->parallel(k, bai_ceil(k->in[0].type.dim[2], COLUMNS), task, (void *)k);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const tokens_params *p = r->params;
    int64_t B = r->in_type[0].dim[0], T = r->in_type[0].dim[1], D = r->in_type[0].dim[2], lead = ba_type_count(&r->in_type[2]) / D - p->patches;
    memset(r->out[0], 0, (size_t)ba_type_count(&r->out_type[0]) * sizeof(double));
    memset(r->out[1], 0, (size_t)ba_type_count(&r->out_type[1]) * sizeof(double));
    for (int64_t b = 0; b < B; b++)
        for (int64_t t = 0; t < T; t++)
            for (int64_t c = 0; c < D; c++) {
                double d = r->in[0][(b * T + t) * D + c];
                int64_t i = t - p->prefix;
                if (i < 0)
                    r->out[0][t * D + c] += d;
                if (i >= 0)
                    r->out[1][(lead + (r->n_in > 3 && r->in[3] ? (int64_t)r->in[3][b * (T - p->prefix) + i] : i)) * D + c] += d;
                else if (lead)
                    r->out[1][t * D + c] += d;
            }
}

BA_OP(tokens_grad) = {
    .name = "tokens_grad", .doc = "gradients of the extra tokens and of the position table",
    .min_in = 3, .max_in = 4, .n_out = 2,
    BA_PARAMS(tokens_params,
        BA_INT(tokens_params, prefix, 1, 1, 1024, "tokens", "extra tokens"),
        BA_INT(tokens_params, patches, 1, 1, 1 << 24, "tokens", "patches of the whole picture")),
    .shape = shape, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "patches=4", 3, { { BA_F32, 3, { 2, 5, 6 }, 0, -1, 1 }, { BA_F32, 3, { 1, 1, 6 }, 0, -1, 1 }, { BA_F32, 3, { 1, 5, 6 }, 0, -1, 1 } } },
        { "patches=7,prefix=2", 4, { { BA_F32, 3, { 3, 6, 40 }, 0, -1, 1 }, { BA_F32, 2, { 2, 40 }, 0, -1, 1 }, { BA_F32, 3, { 1, 7, 40 }, 0, -1, 1 },
          { BA_I32, 2, { 3, 4 }, BA_FILL_CHOICE, 0, 7 } } },
        { "patches=4", 3, { { BA_BF16, 3, { 2, 5, 6 }, 0, -1, 1 }, { BA_F32, 3, { 1, 1, 6 }, 0, -1, 1 }, { BA_F32, 3, { 1, 5, 6 }, 0, -1, 1 } } }),
    .tolerance = 1e-6,
};
