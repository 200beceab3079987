/* scale on CUDA. */
#include "../cuda/each.h"

struct f_scale {
    float by, plus;
    __device__ float operator()(const float *x) const { return x[0] * by + plus; }
};
static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    f_scale f = { (float)bai_cuda_f(c, "by"), (float)bai_cuda_f(c, "plus") };
    return ba_each_run<1>(c, f);
}

BA_CUDA_OP(scale) = { "scale", launch };
