/* softmax_grad: dx = y (d - sum(d y)) along the last axis, y the softmax. */
#include "../shared/rows.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)params;
    if (bai_rows_shape("softmax_grad", n_in, in, out, e))
        return BA_EARG;
    out->dtype = in[1]->dtype;
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in;
    c->flops = 4 * (double)ba_type_count(&out[0]);
}

static void row(const ba_kernel *k, int64_t n, const float *const *x, float *dx)
{
    const float *d = x[0], *y = x[1];
    (void)k;
    vf dot = { 0 };
    for (int64_t i = 0; i < n; i += VL) {
        int64_t m = bai_min(VL, n - i);
        dot += v_load_part(d + i, m) * v_load_part(y + i, m);
    }
    float s = v_sum(dot);
    for (int64_t i = 0; i < n; i++)
        dx[i] = y[i] * (d[i] - s);
}

static int cpu(const ba_kernel *k, ba_err *e) { (void)e; return bai_rows(k, 2, row); }

static void reference(const ba_ref *r)
{
    int64_t n = ba_type_last(&r->in_type[0]);
    for (int64_t at = 0; at < ba_type_count(&r->in_type[0]); at += n)
        for (int64_t i = 0; i < n; i++) {
            double s = 0;
            for (int64_t j = 0; j < n; j++)
                s += r->in[0][at + j] * r->in[1][at + j] * ((i == j) - r->in[1][at + i]);
            r->out[0][at + i] = s;
        }
}

BA_OP(softmax_grad) = {
    .name = "softmax_grad", .doc = "gradient of softmax: d, y",
    .min_in = 2, .max_in = 2, .n_out = 1, .reuse = 3,
    .shape = shape, .cost = cost, .scratch = bai_rows_scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 2, { 3, 5 }, 0, -1, 1 }, { BA_F32, 2, { 3, 5 }, BA_FILL_PROB } } },
        { "", 2, { { BA_F32, 3, { 2, 40, 197 }, 0, -1, 1 }, { BA_F32, 3, { 2, 40, 197 }, BA_FILL_PROB } } },
        { "", 2, { { BA_F32, 2, { 4, 9 }, 0, -1, 1 }, { BA_BF16, 2, { 4, 9 }, 0, 0, 1 } } }),
    .tolerance = 2e-6,
};
