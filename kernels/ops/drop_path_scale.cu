/* drop_path_scale on CUDA. */
#include "../cuda/each.h"

static __global__ void run(float *y, int64_t batch, const int32_t *step, uint64_t seed, uint32_t stream, float stays)
{
    int64_t b = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (b < batch)
        y[b] = stays + ba_random_uniform(seed, stream, (uint32_t)*step, (uint64_t)b) >= 1 ? 1 / stays : 0;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    int64_t n = ba_type_count(&c->out[0].type);
    BA_LAUNCH(run, (unsigned)ba_ceil(n, BA_THREADS), BA_THREADS, 0, c, (float *)c->out[0].data, n, (const int32_t *)c->in[0].data, c->seed,
              ba_stream(bai_cuda_s(c, "stream")), (float)(1 - bai_cuda_f(c, "rate")));
    return BA_OK;
}

BA_CUDA_OP(drop_path_scale) = { "drop_path_scale", launch };
