/* log_softmax_grad: dx = d - e^y sum(d) along the last axis, y the logarithm of the softmax. */
#include "../shared/rows.h"
#include "../shared/vmath.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)params;
    if (bai_rows_shape("log_softmax_grad", n_in, in, out, e))
        return BA_EARG;
    out->dtype = in[1]->dtype;
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in;
    c->flops = 22 * (double)ba_type_count(&out[0]);
}

static void row(const ba_kernel *k, int64_t n, const float *const *x, float *dx)
{
    const float *d = x[0], *y = x[1];
    (void)k;
    vf all = { 0 };
    for (int64_t i = 0; i < n; i += VL)
        all += v_load_part(d + i, bai_min(VL, n - i));
    float s = v_sum(all);
    for (int64_t i = 0; i < n; i += VL) {
        int64_t m = bai_min(VL, n - i);
        vf l = v_load_part(y + i, m);
        v_store_part(dx + i, v_load_part(d + i, m) - s * v_keep_nan(v_exp(l), l), m);
    }
}

static int cpu(const ba_kernel *k, ba_err *e) { (void)e; return bai_rows(k, 2, row); }

static void reference(const ba_ref *r)
{
    int64_t n = ba_type_last(&r->in_type[0]);
    for (int64_t at = 0; at < ba_type_count(&r->in_type[0]); at += n)
        for (int64_t i = 0; i < n; i++) {
            double s = 0;
            for (int64_t j = 0; j < n; j++)
                s += r->in[0][at + j] * ((i == j) - exp(r->in[1][at + i]));
            r->out[0][at + i] = s;
        }
}

BA_OP(log_softmax_grad) = {
    .name = "log_softmax_grad", .doc = "gradient of log_softmax: d, y",
    .min_in = 2, .max_in = 2, .n_out = 1, .reuse = 3,
    .shape = shape, .cost = cost, .scratch = bai_rows_scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 2, { 3, 5 }, 0, -1, 1 }, { BA_F32, 2, { 3, 5 }, 0, -4, 0 } } },
        { "", 2, { { BA_F32, 3, { 2, 40, 197 }, 0, -1, 1 }, { BA_F32, 3, { 2, 40, 197 }, 0, -30, -4 } } },
        { "", 2, { { BA_F32, 2, { 4, 9 }, 0, -1, 1 }, { BA_BF16, 2, { 4, 9 }, 0, -4, 0 } } }),
    .tolerance = 4e-6,
};
