/* softmax on CUDA: a warp a row. */
#include "../cuda/rows.h"

struct f_softmax {
    __device__ void operator()(const ba_rows &r, int64_t at, int lane) const
    {
        float top = ba_row_top(r.x[0], at, r.n, lane, 1), sum = 0;
        for (int64_t i = lane; i < r.n; i += BA_WARP)
            sum += expf(ba_get(r.x[0], at + i) - top);
        sum = 1 / ba_warp_sum(sum);
        for (int64_t i = lane; i < r.n; i += BA_WARP)
            ba_set(r.y, at + i, expf(ba_get(r.x[0], at + i) - top) * sum);
    }
};
static int launch(const bai_cuda_call *c, ba_err *e) { (void)e; return ba_rows_run(c, f_softmax()); }

BA_CUDA_OP(softmax) = { "softmax", launch };
