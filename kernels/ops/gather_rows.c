/* gather_rows: y[b,j,..] = x[b, idx[b,j], ..]: the kept patches of each image. x [B,N,..] of any type, idx i32 [B,k]. */
#include "../shared/index.h"
#include "../shared/move.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    (void)params, (void)n_in;
    if (in[0]->rank < 2 || in[1]->dtype != BA_I32 || in[1]->rank != 2 || in[1]->dim[0] != in[0]->dim[0])
        return ba_fail(e, BA_EARG, "gather_rows: x is %s and the index %s; x [B,N,..] and i32[B,k] expected", bai_text(in[0], t[0]), bai_text(in[1], t[1]));
    *out = *in[0];
    out->dim[1] = in[1]->dim[1];
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in;
    c->bytes = 2.0 * (double)(ba_type_count(&out[0]) * ba_dtype_size(out[0].dtype)) + 4.0 * (double)ba_type_count(in[1]);
}

typedef struct job { const ba_kernel *k; int64_t N, kept, rows, bytes, group; } job;

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const int32_t *idx = j->k->in[1].data;
    (void)worker;
    for (int64_t r = t * j->group; r < bai_min(j->rows, (t + 1) * j->group); r++)
        memcpy((char *)j->k->out[0].data + r * j->bytes, (const char *)j->k->in[0].data + (r / j->kept * j->N + idx[r]) * j->bytes, (size_t)j->bytes);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    const ba_type *x = &k->in[0].type;
    job j = { k, x->dim[1], k->in[1].type.dim[1], ba_type_count(&k->in[1].type) };
    j.bytes = ba_type_count(x) / (x->dim[0] * x->dim[1]) * ba_dtype_size(x->dtype);
    j.group = bai_max(1, 65536 / j.bytes);
    if (bai_index_check("gather_rows", &k->in[1], j.N, e))
        return BA_EDATA;
    k->parallel(k, bai_ceil(j.rows, j.group), task, &j);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    const ba_type *x = &r->in_type[0], *y = &r->out_type[0];
    int64_t row = ba_type_count(x) / (x->dim[0] * x->dim[1]);
    for (int64_t b = 0; b < y->dim[0]; b++)
        for (int64_t j = 0; j < y->dim[1]; j++)
            for (int64_t i = 0; i < row; i++)
                r->out[0][(b * y->dim[1] + j) * row + i] = r->in[0][(b * x->dim[1] + (int64_t)r->in[1][b * y->dim[1] + j]) * row + i];
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    c->din[0] = bai_op2(c->g, "scatter_rows", c->dout[0], c->in[1], BA_ATTRS(BA_I("size", bai_dim(c->in[0], 1))), e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

/* Rows cut before they are gathered: fewer indices, or less of each row. */
static int slice(const ba_slice_call *c, ba_err *e)
{
    ba_tensor *in[2] = { c->in[0], c->in[1] };
    const ba_attr cut[] = { BA_I("axis", c->axis), BA_I("from", c->from), BA_I("to", c->to) };
    for (int i = c->axis == 1; i < (c->axis == 0 || c->axis == 1 ? 2 : 1); i++)
        if (!(in[i] = bai_op1(c->g, "slice", in[i], 3, cut, e)))
            return BA_EBUG;
    c->sliced[0] = ba_op_apply(c->g, "gather_rows", 2, in, 0, NULL, e);
    return c->sliced[0] ? BA_OK : BA_EBUG;
}

BA_OP(gather_rows) = {
    .name = "gather_rows", .doc = "rows of each sample by index",
    .min_in = 2, .max_in = 2, .n_out = 1,
    .shape = shape, .cost = cost, .grad = grad, .slice_outs = 1, .slice = slice, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 3, { 3, 7, 5 }, 0, -1, 1 }, { BA_I32, 2, { 3, 4 }, BA_FILL_CHOICE, 0, 7 } } },
        { "", 2, { { BA_F32, 2, { 2, 9 }, 0, -1, 1 }, { BA_I32, 2, { 2, 12 }, BA_FILL_INDEX, 0, 9 } } },
        { "", 2, { { BA_F32, 4, { 2, 30, 8, 80 }, 0, -1, 1 }, { BA_I32, 2, { 2, 11 }, BA_FILL_CHOICE, 0, 30 } } },
        { "", 2, { { BA_I32, 2, { 2, 9 }, BA_FILL_INDEX, 0, 99 }, { BA_I32, 2, { 2, 1 }, BA_FILL_INDEX, 0, 9 } } },
        { "", 2, { { BA_BF16, 3, { 3, 7, 5 }, 0, -1, 1 }, { BA_I32, 2, { 3, 4 }, BA_FILL_CHOICE, 0, 7 } } }),
    .tolerance = 0,
};
