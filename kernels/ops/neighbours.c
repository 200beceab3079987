/* neighbours: the nine tokens around each token of a grid side by side, zeros beyond the border: what a 3x3 convolution multiplies.
 * x [B,rows*columns,D], f32 or bf16; y [B,rows*columns,9D]: D numbers of each place of the window, row by row. */
#include "../shared/kernel.h"

typedef struct grid_params { int64_t rows, columns; } grid_params;

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const grid_params *p = params;
    char t[96];
    (void)n_in;
    if (in[0]->rank != 3 || !bai_is_real(in[0]) || in[0]->dim[1] != p->rows * p->columns)
        return ba_fail(e, BA_EARG, "neighbours: x is %s; real [B,%lld,D] expected: %lldx%lld tokens", bai_text(in[0], t), (long long)(p->rows * p->columns),
                       (long long)p->rows, (long long)p->columns);
    *out = *in[0];
    out->dim[2] *= 9;
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in;
    c->bytes = 2.0 * (double)(ba_type_count(&out[0]) * ba_dtype_size(out[0].dtype));
}

static void task(void *ctx, int64_t t, int worker) /* a row of the grid of one sample */
{
    const ba_kernel *k = ctx;
    const grid_params *p = k->params;
    int64_t bytes = ba_type_last(&k->in[0].type) * ba_dtype_size(k->in[0].type.dtype), r = t % p->rows;
    const char *x = (const char *)k->in[0].data + t / p->rows * p->rows * p->columns * bytes;
    char *y = (char *)k->out[0].data + t * p->columns * 9 * bytes;
    (void)worker;
    for (int64_t c = 0; c < p->columns; c++)
        for (int64_t i = 0; i < 9; i++, y += bytes) {
            int64_t row = r + i / 3 - 1, column = c + i % 3 - 1;
            if (row >= 0 && row < p->rows && column >= 0 && column < p->columns)
                memcpy(y, x + (row * p->columns + column) * bytes, (size_t)bytes);
            else
                memset(y, 0, (size_t)bytes);
        }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    k->parallel(k, k->in[0].type.dim[0] * ((const grid_params *)k->params)->rows, task, (void *)k);
    return BA_OK;
}

/* Pairs of places: the second is one of the first's window when neither row nor column differs by more than 1. */
static void reference(const ba_ref *r)
{
    const grid_params *p = r->params;
    int64_t N = p->rows * p->columns, D = ba_type_last(&r->in_type[0]);
    for (int64_t i = 0; i < ba_type_count(&r->out_type[0]); i++)
        r->out[0][i] = 0;
    for (int64_t b = 0; b < r->in_type[0].dim[0]; b++)
        for (int64_t n = 0; n < N; n++)
            for (int64_t m = 0; m < N; m++) {
                int64_t down = m / p->columns - n / p->columns, right = m % p->columns - n % p->columns;
                for (int64_t d = 0; llabs(down) <= 1 && llabs(right) <= 1 && d < D; d++)
                    r->out[0][((b * N + n) * 9 + 3 * down + right + 4) * D + d] = r->in[0][(b * N + m) * D + d];
            }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    const grid_params *p = c->params;
    c->din[0] = bai_op1(c->g, "neighbours_grad", c->dout[0], BA_ATTRS(BA_I("rows", p->rows), BA_I("columns", p->columns)), e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(neighbours) = {
    .name = "neighbours", .doc = "the nine tokens around each token of a grid side by side",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BA_PARAMS(grid_params,
        BA_INT(grid_params, rows, 1, 1, 1 << 20, NULL, "rows of the grid"),
        BA_INT(grid_params, columns, 1, 1, 1 << 20, NULL, "columns of the grid")),
    .shape = shape, .cost = cost, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "rows=3,columns=4", 1, { { BA_F32, 3, { 2, 12, 5 }, 0, -1, 1 } } },
        { "rows=1,columns=1", 1, { { BA_F32, 3, { 3, 1, 2 }, 0, -1, 1 } } },
        { "rows=5,columns=2", 1, { { BA_F32, 3, { 1, 10, 32 }, 0, -1, 1 } } },
        { "rows=2,columns=3", 1, { { BA_BF16, 3, { 2, 6, 7 }, 0, -1, 1 } } }),
    .tolerance = 0,
};
