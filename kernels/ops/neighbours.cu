/* neighbours on CUDA: 16 bytes a thread where rows allow it. */
#include "../cuda/move.h"

template <typename U> static __global__ void spread(const U *x, U *y, int64_t count, int64_t rows, int64_t columns, int64_t row)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (int64_t)gridDim.x * blockDim.x) {
        int64_t place = i / row % 9, n = i / row / 9, r = n / columns % rows + place / 3 - 1, c = n % columns + place % 3 - 1;
        U v = U();
        if (r >= 0 && r < rows && c >= 0 && c < columns)
            v = x[((n / columns / rows * rows + r) * columns + c) * row + i % row];
        y[i] = v;
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[0].type;
    int64_t bytes = ba_type_last(x) * ba_dtype_size(x->dtype), tokens = x->dim[0] * x->dim[1];
    int width = ba_unit(bytes, c->in[0].data, c->out[0].data);
    BA_UNIT(width, U, {
        auto f = spread<U>;
        int64_t row = bytes / (int64_t)sizeof(U), n = tokens * 9 * row;
        BA_LAUNCH(f, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, (const U *)c->in[0].data, (U *)c->out[0].data, n, bai_cuda_i(c, "rows"),
                  bai_cuda_i(c, "columns"), row);
    });
    return BA_OK;
}

BA_CUDA_OP(neighbours) = { "neighbours", launch };
