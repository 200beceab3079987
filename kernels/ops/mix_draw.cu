/* mix_draw on CUDA: one thread; the draws are those of the CPU. */
#include "../cuda/each.h"
#include "../shared/mixing.h"

static __global__ void run(float *y, const int32_t *step, uint64_t seed, uint32_t stream, bai_mixing p)
{
    double v[6];
    if (blockIdx.x || threadIdx.x)
        return;
    bai_mix_draw(&p, seed, stream, (uint32_t)*step, v);
    for (int i = 0; i < 6; i++)
        y[i] = (float)v[i];
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    bai_mixing p = { bai_cuda_f(c, "mixup"), bai_cuda_f(c, "cutmix"), bai_cuda_f(c, "swap"), bai_cuda_f(c, "probability"), bai_cuda_i(c, "rows"), bai_cuda_i(c, "columns") };
    BA_LAUNCH(run, 1, 32, 0, c, (float *)c->out[0].data, (const int32_t *)c->in[0].data, c->seed, ba_stream(bai_cuda_s(c, "stream")), p);
    return BA_OK;
}

BA_CUDA_OP(mix_draw) = { "mix_draw", launch };
