/* scatter_rows on CUDA: a thread an element of y looks through the k rows of its sample, in their order: no atomic sums. */
#include "../cuda/each.h"

static __global__ void scatter(ba_array x, const int32_t *idx, ba_array y, int64_t count, int64_t N, int64_t k, int64_t row, uint32_t *fault, uint32_t id)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (int64_t)gridDim.x * blockDim.x) {
        int64_t c = i % row, n = i / row % N, b = i / row / N;
        float s = 0;
        for (int64_t j = 0; j < k; j++) {
            int64_t at = idx[b * k + j];
            if (at == n)
                s += ba_get(x, (b * k + j) * row + c);
            if (!n && !c && (at < 0 || at >= N))
                ba_fault(fault, id, BA_FAULT_INDEX);
        }
        ba_set(y, i, s);
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[0].type, *y = &c->out[0].type;
    int64_t n = ba_type_count(y);
    BA_LAUNCH(scatter, ba_blocks(n, BA_THREADS), BA_THREADS, 0, c, ba_array_of(&c->in[0]), (const int32_t *)c->in[1].data, ba_array_of(&c->out[0]), n,
              y->dim[1], x->dim[1], n / (y->dim[0] * y->dim[1]), c->fault, c->id);
    return BA_OK;
}

BA_CUDA_OP(scatter_rows) = { "scatter_rows", launch };
