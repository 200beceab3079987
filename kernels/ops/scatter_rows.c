/* scatter_rows: y[b, idx[b,j], ..] += x[b,j,..] into zeros, in the order of j; gather_rows' gradient.
 * x [B,k,..] f32 or bf16, idx i32 [B,k]; y [B,size,..]. */
#include "../shared/index.h"
#include "../shared/move.h"

typedef struct scatter_params { int64_t size; } scatter_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    (void)n_in;
    if (in[0]->rank < 2 || !bai_is_real(in[0]) || in[1]->dtype != BA_I32 || in[1]->rank != 2 || in[1]->dim[0] != in[0]->dim[0] ||
        in[1]->dim[1] != in[0]->dim[1])
        return ba_fail(e, BA_EARG, "scatter_rows: x is %s and the index %s; real [B,k,..] and i32[B,k] expected", bai_text(in[0], t[0]), bai_text(in[1], t[1]));
    *out = *in[0];
    out->dim[1] = ((const scatter_params *)params)->size;
    return BA_OK;
}

typedef struct job { const ba_kernel *k; int64_t N, kept, row, pieces; } job;

enum { COLUMNS = 256 };

static void add(const ba_view *y, int64_t at, const ba_view *x, int64_t from, int64_t n)
{
    float a[COLUMNS], b[COLUMNS];
    const float *old = bai_row(y, at, n, a), *more = bai_row(x, from, n, b);
    float *sum = bai_row_out(y, at, a);
    for (int64_t i = 0; i < n; i++)
        sum[i] = old[i] + more[i];
    bai_row_done(y, at, n, sum);
}

static void task(void *ctx, int64_t t, int worker) /* a band of columns of one sample */
{
    const job *j = ctx;
    const ba_view *y = &j->k->out[0];
    (void)worker;
    int64_t b = t / j->pieces, c = t % j->pieces * COLUMNS, n = bai_min(COLUMNS, j->row - c), size = ba_dtype_size(y->type.dtype);
    const int32_t *idx = (const int32_t *)j->k->in[1].data + b * j->kept;
    for (int64_t r = 0; r < j->N; r++)
        memset((char *)y->data + ((b * j->N + r) * j->row + c) * size, 0, (size_t)(n * size));
    for (int64_t i = 0; i < j->kept; i++)
        add(y, (b * j->N + idx[i]) * j->row + c, &j->k->in[0], (b * j->kept + i) * j->row + c, n);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    const ba_type *x = &k->in[0].type;
    job j = { k, k->out[0].type.dim[1], x->dim[1], ba_type_count(x) / (x->dim[0] * x->dim[1]) };
    j.pieces = bai_ceil(j.row, COLUMNS);
    if (bai_index_check("scatter_rows", &k->in[1], j.N, e))
        return BA_EDATA;
    k->parallel(k, x->dim[0] * j.pieces, task, &j);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const ba_type *x = &r->in_type[0], *y = &r->out_type[0];
    int64_t row = ba_type_count(x) / (x->dim[0] * x->dim[1]);
    for (int64_t i = 0; i < ba_type_count(y); i++)
        r->out[0][i] = 0;
    for (int64_t i = 0; i < ba_type_count(x); i++) {
        int64_t b = i / row / x->dim[1], j = i / row % x->dim[1];
        r->out[0][(b * y->dim[1] + (int64_t)r->in[1][b * x->dim[1] + j]) * row + i % row] += r->in[0][i];
    }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    c->din[0] = bai_op2(c->g, "gather_rows", c->dout[0], c->in[1], 0, NULL, e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(scatter_rows) = {
    .name = "scatter_rows", .doc = "rows added into zeros by index, sample by sample",
    .min_in = 2, .max_in = 2, .n_out = 1,
    BA_PARAMS(scatter_params, BA_INT(scatter_params, size, 1, 1, INT64_C(1) << 30, "rows", "rows of each sample afterwards")),
    .shape = shape, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "size=7", 2, { { BA_F32, 3, { 3, 4, 5 }, 0, -1, 1 }, { BA_I32, 2, { 3, 4 }, BA_FILL_CHOICE, 0, 7 } } },
        { "size=5", 2, { { BA_F32, 2, { 2, 12 }, 0, -1, 1 }, { BA_I32, 2, { 2, 12 }, BA_FILL_INDEX, 0, 5 } } },
        { "size=20", 2, { { BA_F32, 3, { 2, 11, 700 }, 0, -1, 1 }, { BA_I32, 2, { 2, 11 }, BA_FILL_INDEX, 0, 20 } } },
        { "size=70", 2, { { BA_F32, 3, { 2, 100, 3 }, 0, -1, 1 }, { BA_I32, 2, { 2, 100 }, BA_FILL_INDEX, 0, 70 } } },
        { "size=7", 2, { { BA_BF16, 3, { 3, 4, 5 }, 0, -1, 1 }, { BA_I32, 2, { 3, 4 }, BA_FILL_CHOICE, 0, 7 } } }),
    .tolerance = 1e-6,
};
