/* grad_norm: the L2 norm of all given tensors together. Squares are summed in double, in fixed blocks of each tensor and in order. */
#include "../shared/kernel.h"

static int shape(const void *params, int n_in, const ba_type *const *in, ba_type *out, ba_err *e)
{
    char t[96];
    (void)params;
    for (int i = 0; i < n_in; i++)
        if (!in[i] || in[i]->dtype != BA_F32)
            return ba_fail(e, BA_EARG, "grad_norm: input %d is %s; fp32 expected", i, in[i] ? bai_text(in[i], t) : "left out");
    out[0] = bai_shape(BA_F32, 0, 1, 1, 1, 1);
    return BA_OK;
}

static int64_t blocks(const ba_type *t) { return bai_ceil(ba_type_count(t), BAI_BLOCK); }

static size_t scratch(const void *params, int n_in, const ba_type *const *in, const ba_type *out, int workers)
{
    int64_t n = 0;
    (void)params, (void)out, (void)workers;
    for (int i = 0; i < n_in; i++)
        n += blocks(in[i]);
    return (size_t)n * sizeof(double);
}

typedef float four_floats __attribute__((vector_size(16)));
typedef double four_doubles __attribute__((vector_size(32)));
typedef struct job { const float *x; int64_t n; double *part; } job;

static void task(void *ctx, int64_t t, int worker)
{
    const job *j = ctx;
    const int64_t end = bai_min(j->n, (t + 1) * BAI_BLOCK);
    int64_t i = t * BAI_BLOCK;
    four_doubles s = { 0 };
    (void)worker;
    for (; i + 4 <= end; i += 4) {
        four_floats f;
        memcpy(&f, j->x + i, sizeof f);
        const four_doubles x = __builtin_convertvector(f, four_doubles);
        s += x * x;
    }
    for (; i < end; i++)
        s[i & 3] += (double)j->x[i] * (double)j->x[i];
    j->part[t] = (s[0] + s[1]) + (s[2] + s[3]);
}

static int cpu(const ba_kernel *k, ba_err *e)
{
    double *part = k->scratch, sum = 0;
    (void)e;
    for (int i = 0; i < k->n_in; i++) {
        job j = { k->in[i].data, ba_type_count(&k->in[i].type), part };
        int64_t n = blocks(&k->in[i].type);
        k->parallel(k, n, task, &j);
        for (int64_t b = 0; b < n; b++)
            sum += part[b];
    }
    *(float *)k->out[0].data = (float)sqrt(sum);
    return BA_OK;
}

static void reference(const ba_ref *r)
{
    double s = 0;
    for (int i = 0; i < r->n_in; i++)
        for (int64_t j = 0; j < ba_type_count(&r->in_type[i]); j++)
            s += r->in[i][j] * r->in[i][j];
    r->out[0][0] = sqrt(s);
}

BA_OP(grad_norm) = {
    .name = "grad_norm", .doc = "L2 norm of all given tensors together",
    .min_in = 1, .max_in = 65536, .n_out = 1,
    .shape = shape, .scratch = scratch, .cpu = cpu, .reference = reference,
    .samples = BA_SAMPLES(
        { "", 3, { { BA_F32, 2, { 70, 90 }, 0, -1, 1 }, { BA_F32, 1, { 5 }, 0, -1, 1 }, { BA_F32, 0, { 1 }, 0, -1, 1 } } }),
    .tolerance = 1e-6,
};
