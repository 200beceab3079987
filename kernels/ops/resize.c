/* resize: score maps x[B, rows*columns] bilinearly on another grid [B, to_rows*to_columns]. */
#include "../shared/axes.h"
#include "../shared/bilinear.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const resize_params *p = params;
    (void)n_in;
    return bai_resize_shape("resize", in[0], p->rows, p->columns, p->to_rows, p->to_columns, out, e);
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in;
    c->flops = 6 * (double)ba_type_count(&out[0]);
}

static void task(void *ctx, int64_t t, int worker) /* one row of one map */
{
    const ba_kernel *k = ctx;
    const resize_params *p = k->params;
    (void)worker;
    int64_t b = t / p->to_rows, i = t % p->to_rows, from = b * p->rows * p->columns;
    bai_tap r = bai_tap_at(i, p->rows, p->to_rows, p->corners != 0);
    float tmp[4], w = (float)r.next_weight, y;
    for (int64_t j = 0; j < p->to_columns; j++) {
        bai_tap c = bai_tap_at(j, p->columns, p->to_columns, p->corners != 0);
        const int64_t at[4] = { r.at * p->columns + c.at, r.at * p->columns + c.next, r.next * p->columns + c.at, r.next * p->columns + c.next };
        float v[4], u = (float)c.next_weight;
        for (int n = 0; n < 4; n++)
            v[n] = *bai_row(&k->in[0], from + at[n], 1, &tmp[n]);
        float *to = bai_row_out(&k->out[0], t * p->to_columns + j, &y);
        *to = (1 - w) * ((1 - u) * v[0] + u * v[1]) + w * ((1 - u) * v[2] + u * v[3]);
        bai_row_done(&k->out[0], t * p->to_columns + j, 1, to);
    }
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    k->parallel(k, k->in[0].type.dim[0] * ((const resize_params *)k->params)->to_rows, task, (void *)k);
    return BA_OK;
}

/* Every source point weighs max(0, 1 - distance), which is the same and looks at nothing but distances. */
static double weight(int64_t source, int64_t i, int64_t n, int64_t M, int64_t corners)
{
    double x = corners ? (double)i * (double)(n - 1) / fmax((double)(M - 1), 1) : ((double)i + 0.5) * (double)n / (double)M - 0.5;
    return fmax(0, 1 - fabs((double)source - fmin(fmax(x, 0), (double)(n - 1))));
}

static void reference(const ba_ref *r)
{
    const resize_params *p = r->params;
    int64_t from = p->rows * p->columns, to = p->to_rows * p->to_columns;
    for (int64_t o = 0; o < ba_type_count(&r->out_type[0]); o++) {
        double s = 0;
        for (int64_t i = 0; i < from; i++)
            s += r->in[0][o / to * from + i] * weight(i / p->columns, o % to / p->to_columns, p->rows, p->to_rows, p->corners) *
                 weight(i % p->columns, o % p->to_columns, p->columns, p->to_columns, p->corners);
        r->out[0][o] = s;
    }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    const resize_params *p = c->params;
    c->din[0] = bai_op1(c->g, "resize_grad", c->dout[0],
                        BA_ATTRS(BA_I("rows", p->rows), BA_I("columns", p->columns), BA_I("to_rows", p->to_rows), BA_I("to_columns", p->to_columns),
                                 BA_I("corners", p->corners)), e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(resize) = {
    .name = "resize", .doc = "score maps on another grid, bilinearly",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BAI_RESIZE_PARAMS,
    .shape = shape, .cost = cost, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "rows=2,columns=2,to_rows=4,to_columns=4", 1, { { BA_F32, 2, { 2, 4 }, 0, -1, 1 } } },
        { "rows=3,columns=4,to_rows=5,to_columns=2,corners=1", 1, { { BA_F32, 2, { 3, 12 }, 0, -1, 1 } } },
        { "rows=14,columns=14,to_rows=24,to_columns=24", 1, { { BA_F32, 2, { 3, 196 }, 0, 0, 1 } }, .fixed = 1 },
        { "rows=7,columns=5,to_rows=3,to_columns=1,corners=1", 1, { { BA_F32, 2, { 2, 35 }, 0, -1, 1 } } },
        { "rows=1,columns=1,to_rows=3,to_columns=2", 1, { { BA_F32, 2, { 2, 1 }, 0, -1, 1 } } },
        { "rows=3,columns=3,to_rows=2,to_columns=2", 1, { { BA_BF16, 2, { 2, 9 }, 0, -1, 1 } } }),
    .tolerance = 1e-6,
};
