/* neighbours_grad: each token's sum over the nine windows that it stands in; neighbours' gradient.
 * d [B,rows*columns,9D], f32 or bf16; y [B,rows*columns,D]. Windows are added in the order of their places. */
#include "../shared/kernel.h"

typedef struct grid_params { int64_t rows, columns; } grid_params;

enum { COLUMNS = 256 };

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const grid_params *p = params;
    char t[96];
    (void)n_in;
    if (in[0]->rank != 3 || !bai_is_real(in[0]) || in[0]->dim[1] != p->rows * p->columns || in[0]->dim[2] % 9)
        return ba_fail(e, BA_EARG, "neighbours_grad: d is %s; real [B,%lld,9D] expected: %lldx%lld tokens", bai_text(in[0], t),
                       (long long)(p->rows * p->columns), (long long)p->rows, (long long)p->columns);
    *out = *in[0];
    out->dim[2] /= 9;
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in;
    c->flops = 9 * (double)ba_type_count(&out[0]);
    c->bytes = 2.0 * (double)(ba_type_count(in[0]) * ba_dtype_size(in[0]->dtype));
}

/* y[at..at+n) = the sum over the windows around (r, c) in which it stands: that of place (r - down, c - right) has it at (down, right). */
static void sum_windows(const ba_kernel *k, int64_t b, int64_t r, int64_t c, int64_t from, int64_t n)
{
    const grid_params *p = k->params;
    int64_t D = ba_type_last(&k->out[0].type), N = p->rows * p->columns;
    float sum[COLUMNS] = { 0 }, tmp[COLUMNS];
    for (int64_t i = 0; i < 9; i++) {
        int64_t row = r - (i / 3 - 1), column = c - (i % 3 - 1);
        if (row < 0 || row >= p->rows || column < 0 || column >= p->columns)
            continue;
        const float *d = bai_row(&k->in[0], ((b * N + row * p->columns + column) * 9 + i) * D + from, n, tmp);
        for (int64_t j = 0; j < n; j++)
            sum[j] += d[j];
    }
    int64_t at = (b * N + r * p->columns + c) * D + from;
    float *y = bai_row_out(&k->out[0], at, tmp);
    memcpy(y, sum, (size_t)n * sizeof *y);
    bai_row_done(&k->out[0], at, n, y);
}

static void task(void *ctx, int64_t t, int worker) /* a row of the grid of one sample */
{
    const ba_kernel *k = ctx;
    const grid_params *p = k->params;
    int64_t D = ba_type_last(&k->out[0].type);
    (void)worker;
    for (int64_t c = 0; c < p->columns; c++)
        for (int64_t from = 0; from < D; from += COLUMNS)
            sum_windows(k, t / p->rows, t % p->rows, c, from, bai_min(COLUMNS, D - from));
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    k->parallel(k, k->in[0].type.dim[0] * ((const grid_params *)k->params)->rows, task, (void *)k);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const grid_params *p = r->params;
    int64_t N = p->rows * p->columns, D = ba_type_last(&r->out_type[0]);
    for (int64_t i = 0; i < ba_type_count(&r->out_type[0]); i++)
        r->out[0][i] = 0;
    for (int64_t b = 0; b < r->out_type[0].dim[0]; b++)
        for (int64_t n = 0; n < N; n++) /* the window */
            for (int64_t m = 0; m < N; m++) {
                int64_t down = m / p->columns - n / p->columns, right = m % p->columns - n % p->columns;
                for (int64_t d = 0; llabs(down) <= 1 && llabs(right) <= 1 && d < D; d++)
                    r->out[0][(b * N + m) * D + d] += r->in[0][((b * N + n) * 9 + 3 * down + right + 4) * D + d];
            }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    const grid_params *p = c->params;
    c->din[0] = bai_op1(c->g, "neighbours", c->dout[0], BA_ATTRS(BA_I("rows", p->rows), BA_I("columns", p->columns)), e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(neighbours_grad) = {
    .name = "neighbours_grad", .doc = "gradient of neighbours",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(grid_params,
        BA_INT(grid_params, rows, 1, 1, 1 << 20, NULL, "rows of the grid"),
        BA_INT(grid_params, columns, 1, 1, 1 << 20, NULL, "columns of the grid")),
    .shape = shape, .cost = cost, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "rows=3,columns=4", 1, { { BA_F32, 3, { 2, 12, 45 }, 0, -1, 1 } } },
        { "rows=1,columns=1", 1, { { BA_F32, 3, { 3, 1, 18 }, 0, -1, 1 } } },
        { "rows=2,columns=3", 1, { { BA_F32, 3, { 1, 6, 2700 }, 0, -1, 1 } } },
        { "rows=2,columns=3", 1, { { BA_BF16, 3, { 2, 6, 63 }, 0, -1, 1 } } }),
    .tolerance = 1e-6,
};
