/* one_hot on CUDA. */
#include "../cuda/each.h"

static __global__ void run(const int32_t *labels, float *y, int64_t count, int64_t C, uint32_t *fault, uint32_t id)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (int64_t)gridDim.x * blockDim.x) {
        int64_t label = labels[i / C];
        if (!(i % C) && (label < 0 || label >= C))
            ba_fault(fault, id, BA_FAULT_INDEX);
        y[i] = i % C == label;
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    int64_t n = ba_type_count(&c->out[0].type);
    BA_LAUNCH(run, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, (const int32_t *)c->in[0].data, (float *)c->out[0].data, n, ba_type_last(&c->out[0].type), c->fault, c->id);
    return BA_OK;
}

BA_CUDA_OP(one_hot) = { "one_hot", launch };
