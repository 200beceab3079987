/* resize_grad: each number of d[B, to_rows*to_columns] goes back to the four points of [B, rows*columns] it came from.
 * A task is one map, so that sums are in one order. */
#include "../shared/axes.h"
#include "../shared/bilinear.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    const resize_params *p = params;
    (void)n_in;
    return bai_resize_shape("resize_grad", in[0], p->to_rows, p->to_columns, p->rows, p->columns, out, e);
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)in;
    return out[0].dtype == BA_F32 ? 0 : (size_t)(workers * bai_round64(out[0].dim[1] * 4));
}

static void task(void *ctx, int64_t b, int worker)
{
    const ba_kernel *k = ctx;
    const resize_params *p = k->params;
    int64_t n = k->out[0].type.dim[1], to = k->in[0].type.dim[1];
    float tmp, *room = k->scratch ? (float *)k->scratch + worker * (bai_round64(n * 4) / 4) : NULL, *y = bai_row_out(&k->out[0], b * n, room);
    memset(y, 0, (size_t)n * 4);
    for (int64_t o = 0; o < to; o++) {
        bai_tap r = bai_tap_at(o / p->to_columns, p->rows, p->to_rows, p->corners != 0);
        bai_tap c = bai_tap_at(o % p->to_columns, p->columns, p->to_columns, p->corners != 0);
        float d = *bai_row(&k->in[0], b * to + o, 1, &tmp), w = (float)r.next_weight, u = (float)c.next_weight;
        y[r.at * p->columns + c.at] += (1 - w) * (1 - u) * d;
        y[r.at * p->columns + c.next] += (1 - w) * u * d;
        y[r.next * p->columns + c.at] += w * (1 - u) * d;
        y[r.next * p->columns + c.next] += w * u * d;
    }
    bai_row_done(&k->out[0], b * n, n, y);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    k->parallel(k, k->in[0].type.dim[0], task, (void *)k);
    return BA_OK;
}

static double share(double x, int64_t n, int64_t i) /* of a sample at x among n points, what point i gives */
{
    x = fmin(fmax(x, 0), (double)(n - 1));
    return fmax(0, 1 - fabs(x - (double)i));
}

static void reference(const ba_ref *r)
{
    const resize_params *p = r->params;
    int64_t n = p->rows * p->columns, to = p->to_rows * p->to_columns;
    for (int64_t i = 0; i < ba_type_count(&r->out_type[0]); i++) {
        double s = 0;
        for (int64_t o = 0; o < to; o++) {
            double y = (double)(o / p->to_columns), x = (double)(o % p->to_columns);
            y = p->corners ? y * (double)(p->rows - 1) / fmax(1, (double)(p->to_rows - 1)) : (y + 0.5) * (double)p->rows / (double)p->to_rows - 0.5;
            x = p->corners ? x * (double)(p->columns - 1) / fmax(1, (double)(p->to_columns - 1)) : (x + 0.5) * (double)p->columns / (double)p->to_columns - 0.5;
            s += r->in[0][i / n * to + o] * share(y, p->rows, i % n / p->columns) * share(x, p->columns, i % p->columns);
        }
        r->out[0][i] = s;
    }
}

BA_OP(resize_grad) = {
    .name = "resize_grad", .doc = "gradient of resize",
    .min_in = 1, .max_in = 1, .n_out = 1,
    BAI_RESIZE_PARAMS,
    .shape = shape, .scratch = scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "rows=2,columns=2,to_rows=4,to_columns=4", 1, { { BA_F32, 2, { 2, 16 }, 0, -1, 1 } } },
        { "rows=3,columns=4,to_rows=5,to_columns=2,corners=1", 1, { { BA_F32, 2, { 3, 10 }, 0, -1, 1 } } },
        { "rows=14,columns=14,to_rows=24,to_columns=24", 1, { { BA_F32, 2, { 2, 576 }, 0, -1, 1 } } },
        { "rows=3,columns=3,to_rows=2,to_columns=2", 1, { { BA_BF16, 2, { 2, 4 }, 0, -1, 1 } } }),
    .tolerance = 2e-6,
};
