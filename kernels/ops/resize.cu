/* resize on CUDA: a thread a point of the new map. */
#include "../cuda/bilinear.h"

static __global__ void resample(ba_array x, ba_array y, int64_t count, ba_grids g)
{
    int64_t to = g.to_rows * g.to_columns, from = g.rows * g.columns;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (int64_t)gridDim.x * blockDim.x) {
        ba_tap r = ba_tap_at(i % to / g.to_columns, g.rows, g.to_rows, g.corners), c = ba_tap_at(i % g.to_columns, g.columns, g.to_columns, g.corners);
        int64_t map = i / to * from;
        float top = (1 - c.w) * ba_get(x, map + r.at * g.columns + c.at) + c.w * ba_get(x, map + r.at * g.columns + c.next);
        float low = (1 - c.w) * ba_get(x, map + r.next * g.columns + c.at) + c.w * ba_get(x, map + r.next * g.columns + c.next);
        ba_set(y, i, (1 - r.w) * top + r.w * low);
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    int64_t n = ba_type_count(&c->out[0].type);
    BA_LAUNCH(resample, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, ba_array_of(&c->in[0]), ba_array_of(&c->out[0]), n, ba_grids_of(c));
    return BA_OK;
}

BA_CUDA_OP(resize) = { "resize", launch };
