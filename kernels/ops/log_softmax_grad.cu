/* log_softmax_grad on CUDA: a warp a row. */
#include "../cuda/rows.h"

struct f_log_softmax_grad {
    __device__ void operator()(const ba_rows &r, int64_t at, int lane) const
    {
        float s = 0;
        for (int64_t i = lane; i < r.n; i += BA_WARP)
            s += ba_get(r.x[0], at + i);
        s = ba_warp_sum(s);
        for (int64_t i = lane; i < r.n; i += BA_WARP)
            ba_set(r.y, at + i, ba_get(r.x[0], at + i) - expf(ba_get(r.x[1], at + i)) * s);
    }
};
static int launch(const bai_cuda_call *c, ba_err *e) { (void)e; return ba_rows_run(c, f_log_softmax_grad()); }

BA_CUDA_OP(log_softmax_grad) = { "log_softmax_grad", launch };
