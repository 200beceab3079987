/* argmax on CUDA: a warp a row. The first of equals; a NaN counts as larger than all. */
#include "../cuda/each.h"

static __device__ int better(float a, int ia, float b, int ib) /* whether a at ia comes before b at ib */
{
    int na = a != a, nb = b != b;
    if (na || nb)
        return na && (!nb || ia < ib);
    return a > b || (a == b && ia < ib);
}

static __global__ void run(ba_array x, int32_t *y, int64_t rows, int64_t n)
{
    int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / BA_WARP;
    int lane = (int)threadIdx.x % BA_WARP, at = 0;
    if (row >= rows)
        return;
    float best = ba_get(x, row * n);
    for (int64_t i = lane; i < n; i += BA_WARP) {
        float v = ba_get(x, row * n + i);
        if (better(v, (int)i, best, at)) {
            best = v;
            at = (int)i;
        }
    }
    for (int d = BA_WARP / 2; d; d >>= 1) {
        float v = __shfl_xor_sync(0xffffffffu, best, d);
        int i = __shfl_xor_sync(0xffffffffu, at, d);
        if (better(v, i, best, at)) {
            best = v;
            at = i;
        }
    }
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
