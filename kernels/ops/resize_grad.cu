/* resize_grad on CUDA: a thread a point of the old map looks through the new one for what came from it, in order: no atomic sums. */
#include "../cuda/bilinear.h"

static __device__ float weight(ba_tap t, int64_t at) { return (t.at == at ? 1 - t.w : 0.f) + (t.next == at ? t.w : 0.f); }

static __global__ void back(ba_array d, ba_array y, int64_t count, ba_grids g)
{
    int64_t to = g.to_rows * g.to_columns, from = g.rows * g.columns;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (int64_t)gridDim.x * blockDim.x) {
        int64_t row = i % from / g.columns, column = i % g.columns;
        float s = 0;
        for (int64_t r = 0; r < g.to_rows; r++) {
            float wr = weight(ba_tap_at(r, g.rows, g.to_rows, g.corners), row);
            for (int64_t c = 0; wr != 0 && c < g.to_columns; c++) {
                float wc = weight(ba_tap_at(c, g.columns, g.to_columns, g.corners), column);
                if (wc != 0)
                    s += wr * wc * ba_get(d, i / from * to + r * g.to_columns + c);
            }
        }
        ba_set(y, i, s);
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    int64_t n = ba_type_count(&c->out[0].type);
    BA_LAUNCH(back, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, ba_array_of(&c->in[0]), ba_array_of(&c->out[0]), n, ba_grids_of(c));
    return BA_OK;
}

BA_CUDA_OP(resize_grad) = { "resize_grad", launch };
