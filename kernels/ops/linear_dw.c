/* linear_dw: dW = d^T x and db = column sums of d, the gradients of linear's weights. d [..,O], x [..,K]; dW f32 [O,K], db f32 [O].
 * A task makes a band of dW: the sum over all rows stays in one place and in one order. */
#include "../shared/gemm.h"
#include "../shared/widen.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[2][96];
    (void)params, (void)n_in;
    if (in[0]->rank < 1 || in[1]->rank < 1 || !bai_is_real(in[0]) || !bai_is_real(in[1]) || ba_type_rows(in[0]) != ba_type_rows(in[1]))
        return ba_fail(e, BA_EARG, "linear_dw: d is %s and x %s; as many rows in both expected", bai_text(in[0], t[0]), bai_text(in[1], t[1]));
    out[0] = bai_shape(BA_F32, 2, ba_type_last(in[0]), ba_type_last(in[1]), 1, 1);
    out[1] = bai_shape(BA_F32, 1, ba_type_last(in[0]), 1, 1, 1);
    return BA_OK;
}

static void cost(const void *params, int n_in, const ba_type *const *in, const ba_type *out, ba_cost *c)
{
    (void)params, (void)n_in;
    c->macs = (double)ba_type_count(&out[0]) * (double)ba_type_rows(in[0]);
    c->flops = (double)ba_type_count(in[0]);
}

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    (void)params, (void)n_in, (void)out, (void)workers;
    return (size_t)(bai_widen_bytes(in[0], ba_type_count(in[0])) + bai_widen_bytes(in[1], ba_type_count(in[1])));
}

typedef struct job { const ba_kernel *k; int64_t M, N, K, nb, kb; const float *d, *x; } job;

static void sum_columns(const job *j, int64_t n0, int64_t cols, float *db)
{
    for (int64_t i = 0; i < cols; i += VL) {
        int64_t n = bai_min(VL, cols - i);
        vf s[4] = { { 0 } };
        const float *d = j->d + n0 + i;
        for (int64_t m = 0; m < j->M; m++)
            s[m & 3] += n == VL ? v_load(d + m * j->N) : v_load_part(d + m * j->N, n);
        v_store_part(db + n0 + i, (s[0] + s[1]) + (s[2] + s[3]), n);
    }
}

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    (void)worker;
    int64_t across = bai_ceil(j->K, j->kb), n0 = t / across * j->nb, k0 = t % across * j->kb;
    int64_t cols = bai_min(j->nb, j->N - n0), wide = bai_min(j->kb, j->K - k0);
    if (j->k->out[0].data)
        bai_sgemm(1, 0, cols, wide, j->M, 1, j->d + n0, j->N, j->x + k0, j->K, 0, (float *)j->k->out[0].data + n0 * j->K + k0, j->K);
    if (j->k->out[1].data && !k0)
        sum_columns(j, n0, cols, j->k->out[1].data);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    (void)e;
    float *room = k->scratch;
    job j = { .k = k, .M = ba_type_rows(&k->in[0].type), .N = ba_type_last(&k->in[0].type), .K = ba_type_last(&k->in[1].type) };
    j.d = bai_widen(k, &k->in[0], 0, j.M * j.N, &room);
    j.x = bai_widen(k, &k->in[1], 0, j.M * j.K, &room);
    j.nb = bai_min(j.N, 96);
    j.kb = bai_min(j.K, 384);
    k->parallel(k, bai_ceil(j.N, j.nb) * bai_ceil(j.K, j.kb), task, &j);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    int64_t M = ba_type_rows(&r->in_type[0]), N = ba_type_last(&r->in_type[0]), K = ba_type_last(&r->in_type[1]);
    for (int64_t n = 0; n < N; n++) {
        double b = 0;
        for (int64_t m = 0; m < M; m++)
            b += r->in[0][m * N + n];
        r->out[1][n] = b;
        for (int64_t i = 0; i < K; i++) {
            double s = 0;
            for (int64_t m = 0; m < M; m++)
                s += r->in[0][m * N + n] * r->in[1][m * K + i];
            r->out[0][n * K + i] = s;
        }
    }
}

BA_OP(linear_dw) = {
    .name = "linear_dw", .doc = "gradients of linear's weight and bias: d^T x and the column sums of d",
    .min_in = 2, .max_in = 2, .n_out = 2,
    .shape = shape, .cost = cost, .scratch = scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 2, { { BA_F32, 2, { 5, 7 }, 0, -1, 1 }, { BA_F32, 2, { 5, 9 }, 0, -1, 1 } } },
        { "", 2, { { BA_F32, 3, { 4, 9, 130 }, 0, -1, 1 }, { BA_F32, 3, { 4, 9, 400 }, 0, -1, 1 } } },
        { "", 2, { { BA_BF16, 2, { 6, 8 }, 0, -1, 1 }, { BA_BF16, 2, { 6, 9 }, 0, -1, 1 } } }),
    .tolerance = 5e-6,
};
