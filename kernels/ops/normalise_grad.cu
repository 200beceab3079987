/* normalise_grad on CUDA: a warp a row. */
#include "../cuda/rows.h"

struct f_normalise_grad {
    float eps;
    __device__ void operator()(const ba_rows &r, int64_t at, int lane) const
    {
        float s = 0, dot = 0;
        for (int64_t i = lane; i < r.n; i += BA_WARP) {
            float d = ba_get(r.x[0], at + i), x = ba_get(r.x[1], at + i);
            s += x * x;
            dot += d * x;
        }
        float length = sqrtf(ba_warp_sum(s)), over = 1 / fmaxf(length, eps);
        dot = ba_warp_sum(dot) * (length < eps ? 0 : over * over);
        for (int64_t i = lane; i < r.n; i += BA_WARP)
            ba_set(r.y, at + i, (ba_get(r.x[0], at + i) - ba_get(r.x[1], at + i) * dot) * over);
    }
};

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    f_normalise_grad f = { (float)bai_cuda_f(c, "eps") };
    return ba_rows_run(c, f);
}

BA_CUDA_OP(normalise_grad) = { "normalise_grad", launch };
