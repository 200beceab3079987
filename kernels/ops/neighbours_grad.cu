/* neighbours_grad on CUDA: a thread an element of y adds its nine windows in their order. */
#include "../cuda/each.h"

static __global__ void collect(ba_array d, ba_array y, int64_t count, int64_t rows, int64_t columns, int64_t D)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (int64_t)gridDim.x * blockDim.x) {
        int64_t j = i % D, n = i / D, r = n / columns % rows, c = n % columns, b = n / columns / rows;
        float s = 0;
        for (int64_t k = 0; k < 9; k++) {
            int64_t row = r - (k / 3 - 1), column = c - (k % 3 - 1);
            if (row >= 0 && row < rows && column >= 0 && column < columns)
                s += ba_get(d, (((b * rows + row) * columns + column) * 9 + k) * D + j);
        }
        ba_set(y, i, s);
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *y = &c->out[0].type;
    int64_t n = ba_type_count(y);
    BA_LAUNCH(collect, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, ba_array_of(&c->in[0]), ba_array_of(&c->out[0]), n, bai_cuda_i(c, "rows"),
              bai_cuda_i(c, "columns"), ba_type_last(y));
    return BA_OK;
}

BA_CUDA_OP(neighbours_grad) = { "neighbours_grad", launch };
