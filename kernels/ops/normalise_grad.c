/* normalise_grad: dx = (d - y (d y)) / |x| with y = x / |x|; d / eps where |x| is below eps. */
#include "../shared/length.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    (void)params;
    if (bai_rows_shape("normalise_grad", n_in, in, out, e))
        return BA_EARG;
    out->dtype = in[1]->dtype;
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in, (void)in;
    c->flops = 8 * (double)ba_type_count(&out[0]);
}

static void row(const ba_kernel *k, int64_t n, const float *const *in, float *dx)
{
    const length_params *p = k->params;
    const float *d = in[0], *x = in[1];
    double square = bai_dot(x, x, n), length = sqrt(square);
    int off = length < p->eps;
    float by = (float)(1 / (off ? p->eps : length)), back = off ? 0 : (float)(bai_dot(d, x, n) / square);
    for (int64_t i = 0; i < n; i++)
        dx[i] = (d[i] - x[i] * back) * by;
}

static int cpu(const ba_kernel *k, ba_err *e) { (void)e; return bai_rows(k, 2, row); }

static void reference(const ba_ref *r)
{
    const length_params *p = r->params;
    int64_t n = ba_type_last(&r->in_type[0]);
    for (int64_t at = 0; at < ba_type_count(&r->in_type[0]); at += n)
        for (int64_t i = 0; i < n; i++) {
            double s = 0, sum = 0;
            for (int64_t j = 0; j < n; j++)
                s += r->in[1][at + j] * r->in[1][at + j];
            double length = sqrt(s);
            for (int64_t j = 0; j < n; j++) /* d y[j] / d x[i] */
                sum += r->in[0][at + j] * (length < p->eps ? (i == j) / p->eps : (i == j) / length - r->in[1][at + i] * r->in[1][at + j] / (length * s));
            r->out[0][at + i] = sum;
        }
}

BA_OP(normalise_grad) = {
    .name = "normalise_grad", .doc = "gradient of normalise: d, x",
    .min_in = 2, .max_in = 2, .n_out = 1, .reuse = 3,
    BAI_LENGTH_PARAMS,
    .shape = shape, .cost = cost, .scratch = bai_rows_scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 2, { 3, 5 }, 0, -1, 1 }, { BA_F32, 2, { 3, 5 }, 0, 0.2, 1 } } },
        { "eps=10", 2, { { BA_F32, 2, { 4, 9 }, 0, -1, 1 }, { BA_F32, 2, { 4, 9 }, 0, -1, 1 } } },
        { "", 2, { { BA_F32, 3, { 2, 40, 97 }, 0, -1, 1 }, { BA_F32, 3, { 2, 40, 97 }, 0, -1, 1 } } },
        { "", 2, { { BA_F32, 2, { 4, 9 }, 0, -1, 1 }, { BA_BF16, 2, { 4, 9 }, 0, 0.2, 1 } } }),
    .tolerance = 2e-6,
};
