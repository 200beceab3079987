/* cumsum on CUDA: a thread a row. Rows are score maps of a few hundred numbers. */
#include "../cuda/each.h"

static __global__ void run(ba_array x, ba_array y, int64_t rows, int64_t n, int reverse)
{
    int64_t row = (int64_t)blockIdx.x * blockDim.x + threadIdx.x;
    float s = 0;
    for (int64_t i = 0; row < rows && i < n; i++) {
        int64_t at = row * n + (reverse ? n - 1 - i : i);
        s += ba_get(x, at);
        ba_set(y, at, s);
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    int64_t rows = ba_type_rows(&c->in[0].type);
    BA_LAUNCH(run, (unsigned)ba_ceil(rows, 64), 64, 0, c, ba_array_of(&c->in[0]), ba_array_of(&c->out[0]), rows, ba_type_last(&c->in[0].type),
              (int)bai_cuda_i(c, "reverse"));
    return BA_OK;
}

BA_CUDA_OP(cumsum) = { "cumsum", launch };
