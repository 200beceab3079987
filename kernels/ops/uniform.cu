/* uniform on CUDA: a thread makes the four words of one Philox block; the same bits as on the CPU. */
#include "../cuda/each.h"

static __global__ void run(float *y, int64_t count, const int32_t *step, uint64_t seed, uint32_t stream)
{
    for (int64_t q = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; q * 4 < count; q += (int64_t)gridDim.x * blockDim.x) {
        ba_philox r = ba_philox4x32(seed, stream, (uint32_t)*step, (uint64_t)q);
        for (int k = 0; k < 4 && q * 4 + k < count; k++)
            y[q * 4 + k] = (float)(r.x[k] >> 8) * 5.9604644775390625e-8f;
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    int64_t n = ba_type_count(&c->out[0].type);
    BA_LAUNCH(run, ba_blocks(ba_ceil(n, 4), BA_THREADS), BA_THREADS, 0, c, (float *)c->out[0].data, n, (const int32_t *)c->in[0].data, c->seed, ba_stream(bai_cuda_s(c, "stream")));
    return BA_OK;
}

BA_CUDA_OP(uniform) = { "uniform", launch };
