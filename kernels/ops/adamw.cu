/* adamw on CUDA: one pass, in place; learning rate, step and clipping factor are read on the device, so that the step can be replayed. */
#include "../cuda/each.h"

typedef struct rule { double beta1, beta2, decay; float eps; } rule;

static __global__ void run(float *token, float *p, const float *g, float *m, float *v, int64_t n, const float *lr, const int32_t *step, const float *factor, const float *decay, rule a, uint32_t *fault, uint32_t id)
{
    __shared__ float s[3]; /* lr / (1 - beta1^t), 1 / sqrt(1 - beta2^t), 1 - lr decay */
    if (!threadIdx.x) {
        if (token && !blockIdx.x)
            *token = 0;
        double t = *step, rate = *lr;
        if (t < 1)
            ba_fault(fault, id, BA_FAULT_STEP);
        s[0] = (float)(rate / (1 - pow(a.beta1, t)));
        s[1] = (float)(1 / sqrt(1 - pow(a.beta2, t)));
        s[2] = (float)(1 - rate * (decay ? (double)*decay : a.decay));
    }
    __syncthreads();
    const float f = factor ? *factor : 1, b1 = (float)a.beta1, b2 = (float)a.beta2;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (int64_t)gridDim.x * blockDim.x) {
        float d = g[i] * f, x = b1 * m[i] + (1 - b1) * d, y = b2 * v[i] + (1 - b2) * d * d;
        m[i] = x;
        v[i] = y;
        p[i] = p[i] * s[2] - s[0] * x / (sqrtf(y) * s[1] + a.eps);
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    int64_t n = ba_type_count(&c->in[0].type);
    rule a = { bai_cuda_f(c, "beta1"), bai_cuda_f(c, "beta2"), bai_cuda_f(c, "weight_decay"), (float)bai_cuda_f(c, "eps") };
    BA_LAUNCH(run, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, (float *)c->out[0].data, (float *)c->in[0].data, (const float *)c->in[1].data, (float *)c->in[2].data, (float *)c->in[3].data, n,
              (const float *)c->in[4].data, (const int32_t *)c->in[5].data, c->n_in > 6 ? (const float *)c->in[6].data : NULL, c->n_in > 7 ? (const float *)c->in[7].data : NULL, a, c->fault, c->id);
    return BA_OK;
}

BA_CUDA_OP(adamw) = { "adamw", launch };
