/* gather_rows on CUDA: 16 bytes a thread where rows allow it. An index out of range is reported, and reads row 0. */
#include "../cuda/move.h"

template <typename U> static __global__ void gather(const U *x, const int32_t *idx, U *y, int64_t count, int64_t N, int64_t k, int64_t row, uint32_t *fault, uint32_t id)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (int64_t)gridDim.x * blockDim.x) {
        int64_t j = i / row, b = j / k, at = idx[j];
        if (at < 0 || at >= N) {
            ba_fault(fault, id, BA_FAULT_INDEX);
            at = 0;
        }
        y[i] = x[(b * N + at) * row + i % row];
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[0].type;
    int64_t k = c->in[1].type.dim[1], bytes = ba_type_count(x) / (x->dim[0] * x->dim[1]) * ba_dtype_size(x->dtype);
    int width = ba_unit(bytes, c->in[0].data, c->out[0].data);
    BA_UNIT(width, U, {
        auto f = gather<U>;
        int64_t row = bytes / (int64_t)sizeof(U), n = x->dim[0] * k * row;
        BA_LAUNCH(f, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, (const U *)c->in[0].data, (const int32_t *)c->in[1].data, (U *)c->out[0].data, n,
                  x->dim[1], k, row, c->fault, c->id);
    });
    return BA_OK;
}

BA_CUDA_OP(gather_rows) = { "gather_rows", launch };
