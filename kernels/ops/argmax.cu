/* argmax on CUDA: a warp a row. */
#include "../cuda/rows.h"

static __global__ void run(ba_array x, int32_t *y, int64_t rows, int64_t n)
{
    int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / BA_WARP;
    int lane = (int)threadIdx.x % BA_WARP, at = 0;
    if (row >= rows)
        return;
    float best = ba_get(x, row * n);
    for (int64_t i = lane; i < n; i += BA_WARP) {
        float v = ba_get(x, row * n + i);
        if (ba_before(v, (int)i, best, at)) {
            best = v;
            at = (int)i;
        }
    }
    ba_warp_largest(&best, &at);
    if (!lane)
        y[row] = at;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    int64_t rows = ba_type_rows(&c->in[0].type);
    BA_LAUNCH(run, (unsigned)ba_ceil(rows, 8), 256, 0, c, ba_array_of(&c->in[0]), (int32_t *)c->out[0].data, rows, ba_type_last(&c->in[0].type));
    return BA_OK;
}

BA_CUDA_OP(argmax) = { "argmax", launch };
