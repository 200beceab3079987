/* normalise on CUDA: a warp a row. */
#include "../cuda/rows.h"

struct f_normalise {
    float eps;
    __device__ void operator()(const ba_rows &r, int64_t at, int lane) const
    {
        float s = 0;
        for (int64_t i = lane; i < r.n; i += BA_WARP)
            s += ba_get(r.x[0], at + i) * ba_get(r.x[0], at + i);
        s = 1 / fmaxf(sqrtf(ba_warp_sum(s)), eps);
        for (int64_t i = lane; i < r.n; i += BA_WARP)
            ba_set(r.y, at + i, ba_get(r.x[0], at + i) * s);
    }
};

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    f_normalise f = { (float)bai_cuda_f(c, "eps") };
    return ba_rows_run(c, f);
}

BA_CUDA_OP(normalise) = { "normalise", launch };
