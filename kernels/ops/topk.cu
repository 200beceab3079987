/* topk on CUDA: a block a row. Every thread counts who is ahead of its patches, then how many of those before them are kept: n^2 comparisons
 * of numbers in the first cache, and no order that depends on the schedule. */
#include "../cuda/each.h"

static __global__ void run(const float *scores, int32_t *kept, unsigned char *chosen, int n, int keep, int bottom, uint32_t *fault, uint32_t id)
{
    const float *x = scores + (int64_t)blockIdx.x * n;
    unsigned char *mine = chosen + (int64_t)blockIdx.x * n;
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        float v = x[i];
        int ahead = 0;
        if (v != v)
            ba_fault(fault, id, BA_FAULT_NAN);
        for (int j = 0; j < n; j++) {
            float o = x[j];
            ahead += (bottom ? o < v : o > v) || (o == v && j < i);
        }
        mine[i] = ahead < keep;
    }
    __syncthreads();
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        int at = 0;
        for (int j = 0; mine[i] && j < i; j++)
            at += mine[j];
        if (mine[i] && at < keep)
            kept[(int64_t)blockIdx.x * keep + at] = i;
    }
}

static size_t scratch(const ba_op *op, const void *params, int n_in, const ba_type *const *in, const ba_type *out)
{
    (void)op, (void)params, (void)n_in, (void)out;
    return (size_t)ba_type_count(in[0]);
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[0].type;
    BA_LAUNCH(run, (unsigned)x->dim[0], 256, 0, c, (const float *)c->in[0].data, (int32_t *)c->out[0].data, (unsigned char *)c->scratch, (int)x->dim[1],
              (int)bai_cuda_i(c, "keep"), (int)bai_cuda_i(c, "order"), c->fault, c->id);
    return BA_OK;
}

BA_CUDA_OP(topk) = { "topk", launch, scratch };
