/* tokens on CUDA. */
#include "../cuda/each.h"

typedef struct seats { int64_t prefix, n, D, lead, patches, count; } seats;

template <typename T> static __global__ void run(const T *x, const float *prefix, const float *pos, const int32_t *kept, T *y, seats s, uint32_t *fault, uint32_t id)
{
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < s.count; i += (int64_t)gridDim.x * blockDim.x) {
        int64_t c = i % s.D, t = i / s.D % (s.prefix + s.n), b = i / s.D / (s.prefix + s.n), j = t - s.prefix;
        if (j < 0) {
            ba_narrow(prefix[t * s.D + c] + (s.lead ? pos[t * s.D + c] : 0.f), &y[i]);
            continue;
        }
        int64_t which = kept ? kept[b * s.n + j] : j;
        if (which < 0 || which >= s.patches) {
            ba_fault(fault, id, BA_FAULT_INDEX);
            which = 0;
        }
        ba_narrow(ba_wide(x[(b * s.n + j) * s.D + c]) + pos[(s.lead + which) * s.D + c], &y[i]);
    }
}

static int launch(const bai_cuda_call *c, ba_err *e)
{
    (void)e;
    const ba_type *x = &c->in[0].type;
    int64_t D = x->dim[2], patches = bai_cuda_i(c, "patches");
    seats s = { bai_cuda_i(c, "prefix"), x->dim[1], D, ba_type_count(&c->in[2].type) / D - patches, patches, ba_type_count(&c->out[0].type) };
    BA_REAL(x->dtype, T, {
        auto f = run<T>;
        BA_LAUNCH(f, ba_blocks(s.count, BA_THREADS), BA_THREADS, 0, c, (const T *)c->in[0].data, (const float *)c->in[1].data, (const float *)c->in[2].data,
                  c->n_in > 3 ? (const int32_t *)c->in[3].data : NULL, (T *)c->out[0].data, s, c->fault, c->id);
    });
    return BA_OK;
}

BA_CUDA_OP(tokens) = { "tokens", launch };
