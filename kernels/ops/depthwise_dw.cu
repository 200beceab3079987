/* depthwise_dw on CUDA: a block a channel and place of the square (the last block of a channel makes the bias), summed over all places in one order. */
#include "../cuda/each.h"

typedef struct conv { int64_t B, rows, columns, C, side; int flip; } conv;

static __global__ void run(ba_array d, ba_array x, float *dw, float *db, conv k)
{
    __shared__ float room[33];
    int64_t c = blockIdx.x, i = blockIdx.y, all = k.side * k.side, n = k.B * k.rows * k.columns, h = k.side / 2;
    float s = 0;
    for (int64_t p = threadIdx.x; p < n; p += blockDim.x) {
        int64_t r = p / k.columns % k.rows + i / k.side - h, q = p % k.columns + i % k.side - h;
        float g = ba_get(d, p * k.C + c);
        if (i == all)
            s += g;
        else if (r >= 0 && r < k.rows && q >= 0 && q < k.columns)
            s += g * ba_get(x, (p / k.columns / k.rows * k.rows * k.columns + r * k.columns + q) * k.C + c);
    }
    s = ba_block_sum(s, room);
    if (threadIdx.x)
        return;
    if (i == all && db)
        db[c] = s;
    if (i < all && dw)
        dw[c * all + (k.flip ? all - 1 - i : i)] = s;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[1].type;
    conv k = { x->dim[0], bai_cuda_i(c, "rows"), bai_cuda_i(c, "columns"), x->dim[2], bai_cuda_i(c, "side"), (int)bai_cuda_i(c, "flip") };
    BA_LAUNCH(run, dim3((unsigned)k.C, (unsigned)(k.side * k.side + 1)), 128, 0, c, ba_array_of(&c->in[0]), ba_array_of(&c->in[1]), (float *)c->out[0].data, (float *)c->out[1].data, k);
    return BA_OK;
}

BA_CUDA_OP(depthwise_dw) = { "depthwise_dw", launch };
