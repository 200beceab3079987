/* enqueue on CUDA, in place. */
#include "../cuda/each.h"

static __global__ void run(float *token, float *queue, ba_array rows, const int *step, int64_t count, int64_t groups)
{
    int64_t from = (*step > 0 ? *step - 1 : 0) % groups * count;
    if (token && !blockIdx.x && !threadIdx.x)
        *token = 0;
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (int64_t)gridDim.x * blockDim.x)
        queue[from + i] = ba_get(rows, i);
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    int64_t n = ba_type_count(&c->in[1].type);
    BA_LAUNCH(run, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, (float *)c->out[0].data, (float *)c->in[0].data, ba_array_of(&c->in[1]),
              (const int *)c->in[2].data, n, c->in[0].type.dim[0] / c->in[1].type.dim[0]);
    return BA_OK;
}

BA_CUDA_OP(enqueue) = { "enqueue", launch };
