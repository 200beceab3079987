/* log_softmax: x - ln sum e^x along the last axis, the largest number taken off first; exact where softmax has rounded to 0. */
#include "../shared/rows.h"
#include "../shared/vmath.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)params;
    return bai_rows_shape("log_softmax", n_in, in, out, e);
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in;
    c->flops = 22 * (double)ba_type_count(&out[0]);
}

static void row(const ba_kernel *k, int64_t n, const float *const *in, float *y)
{
    const float *x = in[0];
    (void)k;
    float top = bai_top(x, n);
    vf sum = { 0 };
    for (int64_t i = 0; i < n; i += VL) {
        int64_t m = bai_min(VL, n - i);
        vf d = v_load_part(x + i, m) - top, v = v_keep_nan(v_exp(d), d);
        for (int64_t l = m; l < VL; l++)
            v[l] = 0;
        sum += v;
    }
    float log_sum = logf(v_sum(sum));
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - top) - log_sum;
}

static int cpu(const ba_kernel *k, ba_err *e) { (void)e; return bai_rows(k, 1, row); }

static void reference(const ba_ref *r)
{
    int64_t n = ba_type_last(&r->in_type[0]);
    for (int64_t at = 0; at < ba_type_count(&r->in_type[0]); at += n) {
        double s = 0;
        for (int64_t i = 0; i < n; i++)
            s += exp(r->in[0][at + i]);
        for (int64_t i = 0; i < n; i++)
            r->out[0][at + i] = r->in[0][at + i] - log(s);
    }
}

static int grad(const ba_grad_call *c, ba_err *e)
{
    c->din[0] = bai_op2(c->g, "log_softmax_grad", c->dout[0], c->out[0], 0, NULL, e);
    return c->din[0] ? BA_OK : BA_EBUG;
}

BA_OP(log_softmax) = {
    .name = "log_softmax", .doc = "logarithm of the softmax along the last axis",
    .min_in = 1, .max_in = 1, .n_out = 1, .reuse = 1,
    .shape = shape, .cost = cost, .scratch = bai_rows_scratch, .grad = grad, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 1, { { BA_F32, 2, { 3, 5 }, 0, -3, 3 } } },
        { "", 1, { { BA_F32, 1, { 1 }, 0, -3, 3 } } },
        { "", 1, { { BA_F32, 3, { 2, 40, 197 }, 0, -20, 20 } } },
        { "", 1, { { BA_BF16, 2, { 40, 100 }, 0, -3, 3 } } }),
    .tolerance = 2e-6,
};
