/* sgd on CUDA, in place; rate and factors are read on the device, so that the step can be replayed. */
#include "../cuda/each.h"

typedef struct rule { float momentum, decay; int nesterov; } rule;

static __global__ void run(float *token, float *p, const float *g, float *mu, int64_t n, const float *lr, const float *factor, const float *ratio, rule a)
{
    const float f = factor ? *factor : 1, r = ratio ? *ratio : 1, rate = *lr;
    if (token && !blockIdx.x && !threadIdx.x)
        *token = 0;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (int64_t)gridDim.x * blockDim.x) {
        float d = r * (f * g[i] + a.decay * p[i]), m = d;
        if (mu)
            m = mu[i] = a.momentum * mu[i] + d;
        p[i] -= rate * (a.nesterov ? d + a.momentum * m : m);
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    int64_t n = ba_type_count(&c->in[0].type);
    rule a = { (float)bai_cuda_f(c, "momentum"), (float)bai_cuda_f(c, "weight_decay"), (int)bai_cuda_i(c, "nesterov") };
    BA_LAUNCH(run, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, (float *)c->out[0].data, (float *)c->in[0].data, (const float *)c->in[1].data, c->n_in > 3 ? (float *)c->in[3].data : NULL, n,
              (const float *)c->in[2].data, c->n_in > 4 ? (const float *)c->in[4].data : NULL, c->n_in > 5 ? (const float *)c->in[5].data : NULL, a);
    return BA_OK;
}

BA_CUDA_OP(sgd) = { "sgd", launch };
