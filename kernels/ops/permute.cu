/* permute on CUDA: a thread an element of y; what is read is gathered. */
#include "../cuda/move.h"

typedef struct permuted { int rank; int64_t count, dim[BA_MAX_RANK], step[BA_MAX_RANK]; } permuted; /* of y, outermost first; steps in x */

template <typename U> static __global__ void move(permuted p, const U *x, U *y)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < p.count; i += (int64_t)gridDim.x * blockDim.x) {
        int64_t rest = i, at = 0;
BA_UNROLL
        for (int a = BA_MAX_RANK - 1; a >= 0; a--) /* of known length: axes that are looked up would lie in local memory */
            if (a < p.rank) {
                at += rest % p.dim[a] * p.step[a];
                rest /= p.dim[a];
            }
        y[i] = x[at];
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[0].type, *y = &c->out[0].type;
    int64_t order[BA_MAX_RANK], step[BA_MAX_RANK], size = 1;
    ba_list(bai_cuda_s(c, "order"), order, BA_MAX_RANK);
    for (int a = x->rank - 1; a >= 0; size *= x->dim[a--])
        step[a] = size;
    permuted p = { y->rank, ba_type_count(y), {}, {} };
    for (int a = 0; a < y->rank; a++) {
        p.dim[a] = y->dim[a];
        p.step[a] = step[order[a]];
    }
    int width = (int)ba_dtype_size(x->dtype);
    if (p.rank && order[p.rank - 1] == p.rank - 1) { /* the last axis stays: wider units */
        int64_t bytes = p.dim[p.rank - 1] * width;
        int wide = ba_unit(bytes, c->out[0].data, c->in[0].data);
        if (wide > width) {
            int by = wide / width;
            p.count /= by;
            p.dim[p.rank - 1] /= by;
            for (int a = 0; a < p.rank - 1; a++)
                p.step[a] /= by; /* rows are multiples of the unit */
            width = wide;
        }
    }
    BA_UNIT(width, U, {
        auto k = move<U>;
        BA_LAUNCH(k, ba_blocks(p.count, BA_THREADS), BA_THREADS, 0, c, p, (const U *)c->in[0].data, (U *)c->out[0].data);
    });
    return BA_OK;
}

BA_CUDA_OP(permute) = { "permute", launch };
