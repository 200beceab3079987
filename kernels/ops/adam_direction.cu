/* adam_direction on CUDA: one pass; the moments in place. */
#include "../cuda/each.h"

typedef struct rule { double beta1, beta2; float eps, l2, decay; } rule;

static __global__ void run(float *u, const float *g, float *m, float *v, const float *p, int64_t n, const int32_t *step, const float *factor, rule a, uint32_t *fault, uint32_t id)
{
    __shared__ float s[2]; /* 1 / (1 - beta1^t), 1 / sqrt(1 - beta2^t) */
    if (!threadIdx.x) {
        double t = *step;
        if (t < 1)
            ba_fault(fault, id, BA_FAULT_STEP);
        s[0] = (float)(1 / (1 - pow(a.beta1, t)));
        s[1] = (float)(1 / sqrt(1 - pow(a.beta2, t)));
    }
    __syncthreads();
    const float f = factor ? *factor : 1, b1 = (float)a.beta1, b2 = (float)a.beta2;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (int64_t)gridDim.x * blockDim.x) {
        float w = p ? p[i] : 0, d = f * g[i] + a.l2 * w, x = b1 * m[i] + (1 - b1) * d, y = b2 * v[i] + (1 - b2) * d * d;
        m[i] = x;
        v[i] = y;
        if (u)
            u[i] = s[0] * x / (sqrtf(y) * s[1] + a.eps) + a.decay * w;
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    int64_t n = ba_type_count(&c->in[0].type);
    rule a = { bai_cuda_f(c, "beta1"), bai_cuda_f(c, "beta2"), (float)bai_cuda_f(c, "eps"), (float)bai_cuda_f(c, "l2"), (float)bai_cuda_f(c, "weight_decay") };
    BA_LAUNCH(run, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, (float *)c->out[0].data, (const float *)c->in[0].data, (float *)c->in[1].data, (float *)c->in[2].data,
              c->n_in > 4 ? (const float *)c->in[4].data : NULL, n, (const int32_t *)c->in[3].data, c->n_in > 5 ? (const float *)c->in[5].data : NULL, a, c->fault, c->id);
    return BA_OK;
}

BA_CUDA_OP(adam_direction) = { "adam_direction", launch };
