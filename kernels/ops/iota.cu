/* iota on CUDA. */
#include "../cuda/each.h"

static __global__ void run(float *y, int64_t count, int64_t size, int64_t dim)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (int64_t)gridDim.x * blockDim.x)
        y[i] = (float)(i / size % dim);
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *t = &c->out[0].type;
    int64_t a = bai_cuda_i(c, "axis"), size = 1, n = ba_type_count(t);
    a = a < 0 ? a + t->rank : a;
    for (int64_t b = a + 1; b < t->rank; b++)
        size *= t->dim[b];
    BA_LAUNCH(run, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, (float *)c->out[0].data, n, size, t->dim[a]);
    return BA_OK;
}

BA_CUDA_OP(iota) = { "iota", launch };
