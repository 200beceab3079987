/* scale_rows on CUDA. */
#include "../cuda/each.h"

static __global__ void run(ba_array x, const float *s, ba_array y, int64_t count, int64_t per)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (int64_t)gridDim.x * blockDim.x)
        ba_set(y, i, ba_get(x, i) * s[i / per]);
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    int64_t n = ba_type_count(&c->in[0].type);
    BA_LAUNCH(run, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, ba_array_of(&c->in[0]), (const float *)c->in[1].data, ba_array_of(&c->out[0]), n, n / c->in[0].type.dim[0]);
    return BA_OK;
}

BA_CUDA_OP(scale_rows) = { "scale_rows", launch };
