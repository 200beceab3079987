/* correct on CUDA: a warp a row counts the classes ahead of the label. */
#include "../cuda/each.h"

static __global__ void run(ba_array z, const int32_t *labels, float *y, int64_t rows, int64_t C, int64_t top, uint32_t *fault, uint32_t id)
{
    int64_t row = (int64_t)blockIdx.x * 8 + threadIdx.x / BA_WARP;
    int lane = (int)threadIdx.x % BA_WARP;
    if (row >= rows)
        return;
    int64_t label = labels[row];
    if (label < 0 || label >= C) {
        if (!lane)
            ba_fault(fault, id, BA_FAULT_INDEX);
        return;
    }
    float own = ba_get(z, row * C + label), ahead = 0;
    for (int64_t i = lane; i < C; i += BA_WARP) {
        float v = ba_get(z, row * C + i);
        ahead += v > own || (v == own && i < label) || own != own;
    }
    ahead = ba_warp_sum(ahead);
    if (!lane)
        y[row] = ahead < (float)top;
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *z = &c->in[0].type;
    BA_LAUNCH(run, (unsigned)ba_ceil(z->dim[0], 8), 256, 0, c, ba_array_of(&c->in[0]), (const int32_t *)c->in[1].data, (float *)c->out[0].data, z->dim[0], z->dim[1],
              bai_cuda_i(c, "top"), c->fault, c->id);
    return BA_OK;
}

BA_CUDA_OP(correct) = { "correct", launch };
