/* clip_factor on CUDA. */
#include "../cuda/each.h"

static __global__ void run(const float *norm, float *y, float most)
{
    float f = most / (*norm + 1e-6f);
    *y = f != f ? f : f < 1 ? f : 1;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    BA_LAUNCH(run, 1, 1, 0, c, (const float *)c->in[0].data, (float *)c->out[0].data, (float)bai_cuda_f(c, "max"));
    return BA_OK;
}

BA_CUDA_OP(clip_factor) = { "clip_factor", launch };
