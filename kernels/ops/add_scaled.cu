/* add_scaled on CUDA. */
#include "../cuda/each.h"

template <typename T> static __global__ void run(const T *x, const T *branch, const float *scale, T *y, int64_t count, int64_t per)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (int64_t)gridDim.x * blockDim.x)
        ba_narrow(ba_wide(x[i]) + (scale ? scale[i / per] : 1.f) * ba_wide(branch[i]), &y[i]);
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    int64_t n = ba_type_count(&c->in[0].type);
    BA_REAL(c->out[0].type.dtype, T, {
        auto k = run<T>;
        BA_LAUNCH(k, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, (const T *)c->in[0].data, (const T *)c->in[1].data,
                  c->n_in > 2 ? (const float *)c->in[2].data : NULL, (T *)c->out[0].data, n, n / c->in[0].type.dim[0]);
    });
    return BA_OK;
}

BA_CUDA_OP(add_scaled) = { "add_scaled", launch };
