/* ema on CUDA, in place. */
#include "../cuda/each.h"

static __global__ void run(float *token, float *avg, const float *p, int64_t n, const float *momentum, double decay)
{
    const float by = (float)(1 - (momentum ? (double)*momentum : decay));
    if (token && !blockIdx.x && !threadIdx.x)
        *token = 0;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (int64_t)gridDim.x * blockDim.x)
        avg[i] = by == 1 ? p[i] : avg[i] + by * (p[i] - avg[i]); /* as on the CPU: decay 0 is a copy, bit for bit */
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    int64_t n = ba_type_count(&c->in[0].type);
    BA_LAUNCH(run, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, (float *)c->out[0].data, (float *)c->in[0].data, (const float *)c->in[1].data, n,
              c->n_in > 2 ? (const float *)c->in[2].data : NULL, bai_cuda_f(c, "decay"));
    return BA_OK;
}

BA_CUDA_OP(ema) = { "ema", launch };
