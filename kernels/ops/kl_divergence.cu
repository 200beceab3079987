/* kl_divergence on CUDA: a block a row: both log-sum-exps, loss and gradient. */
#include "../cuda/each.h"

static __global__ void run(ba_array s, ba_array t, float *loss, float *grad, int64_t C, float temperature)
{
    __shared__ float room[33];
    int64_t at = (int64_t)blockIdx.x * C;
    float over = 1 / temperature, top[2] = { -INFINITY, -INFINITY }, sum[2] = { 0, 0 }, own = 0;
    for (int64_t i = threadIdx.x; i < C; i += blockDim.x) {
        top[0] = fmaxf(top[0], ba_get(s, at + i));
        top[1] = fmaxf(top[1], ba_get(t, at + i));
    }
    top[0] = ba_block_max(top[0], room);
    top[1] = ba_block_max(top[1], room);
    for (int64_t i = threadIdx.x; i < C; i += blockDim.x) {
        sum[0] += expf((ba_get(s, at + i) - top[0]) * over);
        sum[1] += expf((ba_get(t, at + i) - top[1]) * over);
    }
    sum[0] = ba_block_sum(sum[0], room);
    sum[1] = ba_block_sum(sum[1], room);
    float log_s = logf(sum[0]), log_t = logf(sum[1]);
    for (int64_t i = threadIdx.x; i < C; i += blockDim.x) {
        float ls = (ba_get(s, at + i) - top[0]) * over - log_s, lt = (ba_get(t, at + i) - top[1]) * over - log_t, p = expf(lt);
        own += p > 0 ? p * (lt - ls) : 0;
        if (grad)
            grad[at + i] = temperature * (expf(ls) - p);
    }
    own = ba_block_sum(own, room);
    if (!threadIdx.x && loss)
        loss[blockIdx.x] = own * temperature * temperature;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *z = &c->in[0].type;
    BA_LAUNCH(run, (unsigned)z->dim[0], 128, 0, c, ba_array_of(&c->in[0]), ba_array_of(&c->in[1]), (float *)c->out[0].data, (float *)c->out[1].data, z->dim[1],
              (float)bai_cuda_f(c, "temperature"));
    return BA_OK;
}

BA_CUDA_OP(kl_divergence) = { "kl_divergence", launch };
